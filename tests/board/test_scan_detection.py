"""A picture scanned in its scales and bands: every window once, squares found where they are, and followed."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.board import contrast, scan_detection, scanning, windows
from lutlens.board.overlay import Scanner, load
from lutlens.board.scan_detection import Layout, ScanDetector, layout, scan, search
from lutlens.host import overlay
from lutlens.host.c import Executor
from lutlens.host.devices import open_device
from lutlens.host.scores import cells
from support.squares import Box, picture, squares_lutnet


@pytest.fixture(scope="module")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scanner]:
    folder = tmp_path_factory.mktemp("overlays")
    squares_lutnet().save(folder / "net.lutnet")
    overlay.generate(folder / "net.lutnet", folder / "net", scan=True, max_width=320)
    with open_device("model") as device:
        scanner = load(folder / "net", device)
        assert isinstance(scanner, Scanner)
        yield scanner
        scanner.close()


@pytest.fixture
def grey_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Squares as they are: local contrast leaves of filled ones their edges."""
    monkeypatch.setattr(contrast, "normalise", lambda grey: grey)


def overlap(a: Box, b: Box) -> float:
    return float(windows.overlaps(np.array(a, np.float32), np.array(b, np.float32)))


@settings(deadline=None, max_examples=60)
@given(st.integers(24, 900), st.integers(48, 700), st.sampled_from([1, 2]))
def test_a_layout_covers_every_window_once_in_what_the_core_can_do(
    scanner: Scanner, width: int, height: int, k: int
) -> None:
    plan = layout(scanner, (width, height), k)
    assert 1 <= len(plan.bands) <= scanning.MAX_SCALES
    scanner._check_sizes(plan.sizes, k)
    for i, (wide, high) in enumerate(plan.scales):
        rows = [
            row
            for band in plan.bands
            if band.scale == i
            for row in range(band.first, band.first + scanner.map_size(wide, band.height)[0])
        ]
        assert rows == list(range(scanner.map_size(wide, high)[0]))
        assert all(b.top == b.first * scanner.step[0] for b in plan.bands if b.scale == i)
        # Proportions are kept as far as steps of 8 and 4 pixels let them.
        fx, fy = plan.factors[i]
        assert abs(width / fx - wide) < 1e-6
        assert fx / fy == pytest.approx(1, abs=8 / wide + 4 / high)


def test_a_picture_smaller_than_a_window_is_refused(scanner: Scanner) -> None:
    with pytest.raises(ValueError, match="smaller than a window"):
        layout(scanner, (200, 9), 1)


def test_bands_give_the_map_of_the_whole(scanner: Scanner) -> None:
    image = picture(320, 200, [(40, 50, 12, 12), (200, 120, 40, 40)])
    plan = layout(scanner, (320, 200), 2)
    assert sum(band.scale == 0 for band in plan.bands) > 1
    with scanner.stream(plan.sizes, 2) as stream:
        scanned = scan(stream, plan, image)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    executor = Executor(squares_lutnet())
    listed = scanned.windows()
    for i, copy in enumerate(windows.copies(np.asarray(grey, np.uint8), plan.scales)):
        right = cells(executor.scores(contrast.normalise(copy)[np.newaxis], k=2)[0])
        assert listed[i].tolist() == scanning.peaks(right, 0, 1).tolist()
        if i == 0:
            assert np.array_equal(scanned.cells(), right)


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.usefixtures("grey_levels")
def test_squares_of_many_sizes_are_found_where_they_are(scanner: Scanner, k: int) -> None:
    boxes: list[Box] = [(30, 20, 11, 11), (120, 40, 16, 16), (200, 100, 44, 44), (30, 80, 90, 90)]
    found = search(scanner, picture(320, 200, boxes), k).detections
    assert len(found) == len(boxes)
    for box in boxes:
        best = max(found, key=lambda one: overlap(one.box, box))
        assert overlap(best.box, box) > 0.5
        assert (best.label, best.digit, best.scores, best.track) == ("square", 1, None, None)
        assert best.view.shape == scanner.image
        assert best.view[7, 7] > 150
        assert best.view[0, 0] < 80


@pytest.mark.usefixtures("grey_levels")
def test_a_wide_picture_is_scanned_at_the_cores_width(scanner: Scanner) -> None:
    boxes: list[Box] = [(500, 200, 60, 60)]
    (found,) = search(scanner, picture(801, 403, boxes), 1).detections
    assert overlap(found.box, boxes[0]) > 0.5


@pytest.mark.usefixtures("grey_levels")
def test_the_class_map_lies_over_the_picture(scanner: Scanner) -> None:
    box: Box = (101, 61, 10, 10)
    seen = search(scanner, picture(240, 160, [box]), 1)
    (found,) = seen.detections
    class_map = seen.class_map
    assert class_map is not None
    rows, columns = np.nonzero(scanning.cell_class(class_map.cells) != class_map.background)
    x = class_map.origin[0] + class_map.pitch[0] * columns
    y = class_map.origin[1] + class_map.pitch[1] * rows
    assert len(x) > 0
    assert abs(x.mean() - 106) < 2
    assert abs(y.mean() - 66) < 2
    assert overlap(found.box, box) > 0.5


@pytest.mark.usefixtures("grey_levels")
def test_a_moving_square_keeps_its_number(scanner: Scanner) -> None:
    detector = ScanDetector(scanner)
    numbers: list[set[int | None]] = []
    for n in range(12):
        boxes: list[Box] = [(20 + 3 * n, 30, 20, 20), (200 - 2 * n, 90 + n, 28, 28)]
        found = detector.detect(picture(240, 160, boxes, n), n, 1, 1).detections
        numbers.append({one.track for one in found})
        if n > 2:
            assert all(max(overlap(one.box, box) for one in found) > 0.5 for box in boxes)
    assert numbers[3:] == [numbers[3]] * 9
    assert len(numbers[3]) == 2
    detector.close()


@pytest.mark.usefixtures("grey_levels")
def test_settings_may_change_from_frame_to_frame(scanner: Scanner) -> None:
    detector = ScanDetector(scanner)
    before = len(scanner._core.streams)
    sequence = 0
    for size in ((240, 160), (320, 200)):
        for k in (1, 2):
            image = picture(*size, [(60, 60, 20, 20)])
            for margin, expected in ((1, 1), (99, 0)):
                detector.close()
                for _ in range(3):
                    sequence += 1
                    found = detector.detect(image, sequence, k, margin)
                assert len(found.detections) == expected
                assert len(scanner._core.streams) == before + 1
    detector.close()
    assert len(scanner._core.streams) == before


def test_the_largest_digits_looked_for_bound_the_scales(scanner: Scanner) -> None:
    def count(largest: float) -> int:
        plan: Layout = layout(scanner, (320, 240), 1, largest)
        return len(plan.scales)

    assert count(10) < count(20) < count(200) == scanning.MAX_SCALES
    assert scan_detection.LARGEST == 150
