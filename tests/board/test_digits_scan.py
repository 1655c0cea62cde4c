"""The scanning overlay that ships: loaded as on a board, it finds the pattern's digits and reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from lutlens.board.overlay import Scanner, load
from lutlens.board.rates import Meter
from lutlens.board.replay import Replay
from lutlens.board.results import Recorded
from lutlens.board.scan_detection import search
from lutlens.board.sources.pattern import PatternSpec, draw
from lutlens.host.devices import open_device

SHIPPED = Path(__file__).parents[2] / "overlays" / "digits-scan"


@pytest.mark.parametrize("k", [1, 15])
def test_it_finds_and_reads_the_patterns_digits(k: int) -> None:
    pattern = draw(PatternSpec(frames=16))
    read = digits = wrong = 0
    with open_device("model") as device:
        scanner = load(SHIPPED, device)  # replays its golden vectors
        assert isinstance(scanner, Scanner)
        for i in range(0, 16, 2):
            frame = pattern.frame(i)
            assert frame.truth is not None
            found = search(scanner, frame.image, k).detections
            strong = [d for d in found if d.margin >= 4 * k]
            for (x, y, wide, high), digit in frame.truth:
                digits += 1
                read += any(
                    d.digit == digit
                    and abs(d.box[0] + d.box[2] / 2 - x - wide / 2) < 8
                    and abs(d.box[1] + d.box[3] / 2 - y - high / 2) < 8
                    for d in strong
                )
            wrong += max(0, len(strong) - len(frame.truth))
        scanner.close()
    assert digits > 40
    assert read >= 0.9 * digits
    assert wrong <= 0.1 * digits


def test_in_a_replay_every_frame_knows_its_digits() -> None:
    """A number is that of one digit, which falls straight down, in frames that were shown and in those between."""
    recorded: list[Recorded] = []
    with open_device("model") as device:
        scanner = load(SHIPPED, device, self_test=False)
        assert isinstance(scanner, Scanner)
        replay = Replay(scanner, PatternSpec(), Meter(), first=1)
        looks = 0
        while looks < 16:
            look = replay.look(1, 0)
            looks += look.shown is not None
            # A digit is known by its third look or so, and how fast it falls by its sixth.
            if looks > 8:
                recorded += look.recorded
        replay.rest()
        middles: dict[int | None, list[float]] = {}
        for frame in recorded:
            for found in frame.result().detections:
                middles.setdefault(found.track, []).append(found.box[0] + found.box[2] / 2)
        scanner.close()
    seen = sum(map(len, middles.values()))
    assert len(middles.pop(None, [])) <= 0.1 * seen
    assert len(middles) >= 6
    assert all(max(line) - min(line) < 16 for line in middles.values())
