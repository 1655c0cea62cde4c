"""The generated network core: its arithmetic here, its RTL against the oracle in Verilator."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from lutlens.host.c import Executor
from lutlens.host.cost import Shape, StageShape, untrained
from lutlens.host.lutnet import Lutnet, Stage
from lutlens.host.netlist import Netlist
from lutlens.host.systemverilog import GenerationError, NetworkModule, generate, sources
from lutlens.host.systemverilog.geometry import Axis, Lanes
from lutlens.host.systemverilog.popcount import plan
from lutlens.host.systemverilog.simulation import NetworkRtl
from support.networks import (
    digits_lutnet,
    lutnets,
    oracle_scores,
    random_frames,
    random_layers,
    random_lutnet,
    whole_beats,
)


@pytest.mark.parametrize("width", [1, 2, 3, 6, 7, 13, 36, 48, 50, 63, 64, 100, 150])
def test_compressors_add(width: int) -> None:
    tree = plan(width)
    rng = np.random.default_rng(width)
    samples = rng.random((200, width)) < rng.random((200, 1))
    values = {i: samples[:, i].astype(int) for i in range(width)}
    for compressor in tree.compressors:
        weights = np.repeat([1, 2, 4], compressor.shape)
        assert len(weights) <= 6
        total = sum(w * values[b.number] for w, b in zip(weights, compressor.inputs, strict=True))
        for i, bit in enumerate(compressor.outputs):
            assert bit.time == compressor.time + 1
            values[bit.number] = total >> i & 1
    result = sum(values[bit.number] << i for i, bit in enumerate(tree.total))
    assert (result == samples.sum(axis=1)).all()
    assert tree.luts <= width


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 4)), min_size=1, max_size=4),
    st.integers(1, 80),
)
def test_positions_pass_where_a_lutnet_has_them(steps: list[tuple[int, int]], width: int) -> None:
    """Columns by their last pixel: as the definition has them, and as the core lets them pass."""
    axis = Axis(garbage=0, pitch=1, offset=0, count=width)
    pixels = list(range(width))  # in the core: garbage first
    true = list(range(width))
    for window, stride in steps:
        phase = axis.phase(window, stride)
        pixels = [p for i, p in enumerate(pixels) if i % stride == phase]
        true = true[window - 1 :: stride]
        axis = axis.passing(window, stride)
        assert pixels[axis.garbage :] == true
        assert pixels == [axis.offset + i * axis.pitch for i in range(len(pixels))]
        assert len(pixels) <= axis.count


@given(st.sampled_from([1, 2, 4, 8]), st.integers(1, 12), st.integers(0, 11), st.integers(1, 9))
def test_positions_keep_to_their_lanes(lanes: int, stride: int, phase: int, beats: int) -> None:
    phase %= stride
    expected = [divmod(i, lanes) for i in range(lanes * beats) if i % stride == phase]
    passing = Lanes.passing(lanes, stride, phase)
    found = [
        (b, i) for b in range(beats) if b % passing.stride == passing.phase for i in passing.ends
    ]
    assert (found == expected) or not Lanes.fit(lanes, stride)
    assert Lanes.fit(lanes, stride) == (math.lcm(lanes, stride) in (lanes, stride))


def check(rtl: NetworkRtl, seed: int) -> None:
    """Frames of several sizes back to back, some too small, at several paces; all bits."""
    net = rtl.net
    k = max(net.thresholds)
    thresholds = net.thresholds[k][seed % k]
    rng = np.random.default_rng(seed)
    height, width, _ = net.input_shape
    for gaps, stalls in [(0.0, 0.0), (0.4, 0.0), (0.0, 0.6), (0.3, 0.3), (0.0, 0.95)]:
        larger = [(0, 0), *rng.integers(0, 12, (3, 2)).tolist(), (0, 0), (0, 1), (1, 0)]
        frames = [random_frames(net, seed + i, 1, larger=add)[0] for i, add in enumerate(larger)]
        frames.insert(2, frames[1][: max(1, height // 2)])
        frames.insert(4, frames[1][:, : max(1, width // 2)])
        frames.insert(6, frames[3][:, :1])
        frames = [whole_beats(frame, rtl.module.pixels_per_clock) for frame in frames]
        run = rtl.run(frames, thresholds, seed=seed, gaps=gaps, stalls=stalls)
        for frame, scores in zip(frames, run.scores, strict=True):
            if scores.size:
                expected = oracle_scores(net, frame[np.newaxis], thresholds[np.newaxis])[0]
                assert (scores == expected).all(), (frame.shape, gaps, stalls)
        if gaps == stalls == 0 and rtl.module.pixels_per_clock == rtl.module.sections[0].pace == 1:
            assert run.clocks == sum(frame.size for frame in frames)


@pytest.mark.rtl
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # every example builds a simulator
    suppress_health_check=list(HealthCheck),
)
@example(random_lutnet(2, stages=3, classes=12), 0, True, 1)
@example(random_lutnet(9, stages=2, encoder_bits=3, degenerate=0.0), 1, False, 2)
@example(random_lutnet(7, stages=4, classes=9), 1, True, 4)
@example(random_lutnet(2, stages=3, encoder_bits=3), 1, True, 8)
# Its windows leave the right column of its image out: narrower frames have positions, too.
@example(random_lutnet(3286, stages=1, encoder_bits=3, classes=5), 270, True, 1)
@given(lutnets(), st.integers(0, 1000), st.booleans(), st.sampled_from([2, 4, 8]))
def test_rtl_equals_the_oracle(net: Lutnet, seed: int, simplified: bool, pixels: int) -> None:
    check(NetworkRtl(net, simplified=simplified, pixels_per_clock=pixels), seed)


@pytest.mark.rtl
def test_lines_in_luts() -> None:
    net = random_lutnet(7, stages=4, classes=9)
    rtl = NetworkRtl(net, pixels_per_clock=2, lut_ram_beats=64)
    assert all(stage.in_luts(stage.line_beats) for stage in rtl.module.stages)
    check(rtl, 1)


@pytest.mark.rtl
@pytest.mark.parametrize(("classes", "pixels", "units"), [(10, 1, 1), (7, 4, 1)])
def test_frames_as_wide_as_images(classes: int, pixels: int, units: int) -> None:
    """Scores have the time until the next line: fewer popcounts, and slots that are used fourfold."""
    steps = (StageShape((5, 5), (8, 6), (2, 2)), StageShape((4, 4), (9,), (2, 2)))
    last = StageShape((5, 5), (4 * classes,))
    net = untrained(Shape((28, 28, 1), 2, (*steps, last), classes))
    rtl = NetworkRtl(net, max_width=28, pixels_per_clock=pixels)
    assert rtl.module.units == units
    assert len(rtl.module.slots) == 16
    thresholds = net.thresholds[1]
    for gaps, stalls in [(0.0, 0.0), (0.4, 0.0), (0.0, 0.6), (0.3, 0.95)]:
        frames = [random_frames(net, i, 1, larger=(3 * i % 7, 0))[0] for i in range(12)]
        frames[5] = frames[5][:9]
        run = rtl.run(frames, thresholds[0], seed=classes, gaps=gaps, stalls=stalls)
        for frame, scores in zip(frames, run.scores, strict=True):
            if scores.size:
                expected = oracle_scores(net, frame[np.newaxis], thresholds)[0]
                assert (scores == expected).all(), (frame.shape, gaps, stalls)


@pytest.mark.rtl
def test_images_one_pixel_wide() -> None:
    """The line buffers would meet themselves; the core takes a pixel every other clock."""
    rng = np.random.default_rng(0)
    stages = (
        Stage((3, 1), random_layers(rng, 3, [6, 4]), pool=(2, 1)),
        Stage((2, 1), random_layers(rng, 8, [6])),
    )
    thresholds = {1: np.array([[100]], np.uint8)}
    net = Lutnet((6, 1, 1), 1, thresholds, stages, ("a", "b", "c"))
    check(NetworkRtl(net), 7)


@pytest.mark.rtl
def test_network_of_the_shipped_size() -> None:
    net = digits_lutnet(0)
    rtl = NetworkRtl(net, max_width=640)
    thresholds = net.thresholds[1]
    images = random_frames(net, 0, 20)
    run = rtl.run(list(images), thresholds[0])
    assert (np.stack(run.scores) == oracle_scores(net, images, thresholds)).all()
    assert run.clocks == 20 * 784
    assert run.latency == rtl.module.latency

    wide = random_frames(net, 1, 1, larger=(12, 612))[0]
    run = rtl.run([wide, images[0]], thresholds[0], gaps=0.1, stalls=0.5)
    assert (run.scores[0] == oracle_scores(net, wide[np.newaxis], thresholds)[0]).all()
    assert (run.scores[1] == oracle_scores(net, images[:1], thresholds)[0]).all()


@pytest.mark.rtl
def test_frames_at_a_thousand_a_second() -> None:
    """Whole camera frames at eight pixels a clock: ten million clocks make 1,000 of them."""
    net = digits_lutnet(0)
    rtl = NetworkRtl(net, max_width=640, pixels_per_clock=8)
    frames = random_frames(net, 0, 3, larger=(104, 612))
    expected = Executor(net).scores(frames, k=1)
    thresholds = net.thresholds[1][0]
    first = rtl.run(list(frames[:1]), thresholds)
    run = rtl.run(list(frames), thresholds)
    assert (np.stack(run.scores) == expected).all()
    assert run.clocks - first.clocks <= 2 * 10_600
    image = whole_beats(random_frames(net, 0, 1)[0], 8)
    assert rtl.run([image], thresholds).latency <= rtl.module.latency + 10


def test_style(tmp_path: Path) -> None:
    """verible-verilog-lint on generated and on hand-written modules; Verilator's -Wall is in every
    build."""
    netlist = Netlist.from_lutnet(random_lutnet(1, stages=3, degenerate=0.0))
    for pixels in (1, 8):
        folder = tmp_path / str(pixels)
        folder.mkdir()
        for file, text in sources(netlist, build_id=1, pixels_per_clock=pixels).items():
            (folder / file).write_text(text)
    result = subprocess.run(
        [Path(sys.executable).with_name("verible-verilog-lint"), *tmp_path.glob("*/*.sv")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_same_network_same_text() -> None:
    net = random_lutnet(4, stages=3)
    first, second = (generate(Netlist.from_lutnet(net), build_id=net.build_id) for _ in range(2))
    assert first == second
    assert f"64'h{net.build_id:016x}" in first["lutlens_network_pkg.sv"]


def test_scores_leave_in_as_many_beats_as_time_allows() -> None:
    digits = Netlist.from_lutnet(digits_lutnet(0))
    expected = {1: (3, 4), 2: (2, 5), 4: (3, 4), 8: (5, 2)}
    for pixels, (units, beats) in expected.items():
        module = NetworkModule(digits, 0, 640, pixels)
        assert (module.units, module.beats) == (units, beats)
    # Images of their own, and no other position in any line: time enough for one popcount.
    for pixels in (1, 2, 4):
        module = NetworkModule(digits, 0, 28, pixels)
        assert (module.units, module.beats) == (1, 10)
        assert (module.slots[:8], module.slots[8:]) == (list(range(8)), [8] * 4 + [9] * 4)
    dense = random_lutnet(0, stages=1, classes=10)
    module = NetworkModule(Netlist.from_lutnet(dense), 0, 640)
    assert (module.units, module.beats) == (10, 1)


def test_stages_have_the_lanes_that_they_need_on_average() -> None:
    digits = Netlist.from_lutnet(digits_lutnet(0))
    expected = {1: [1, 1, 1, 1], 2: [2, 1, 1, 1], 4: [4, 1, 1, 1], 8: [8, 2, 2, 1]}
    for pixels, lanes in expected.items():
        assert [stage.lanes for stage in NetworkModule(digits, 0, 640, pixels).stages] == lanes


@pytest.mark.parametrize(
    ("build_id", "max_width", "pixels", "field"),
    [
        (0, 1, 1, "max_width"),
        (0, 10_000, 1, "max_width"),
        (0, 636, 8, "max_width"),
        (1 << 64, 640, 1, "build_id"),
        (0, 640, 3, "pixels_per_clock"),
        (0, 640, 16, "pixels_per_clock"),
    ],
)
def test_errors_name_the_field(build_id: int, max_width: int, pixels: int, field: str) -> None:
    netlist = Netlist.from_lutnet(random_lutnet(5, stages=2))
    with pytest.raises(GenerationError, match=f"^{field}: "):
        generate(netlist, build_id=build_id, max_width=max_width, pixels_per_clock=pixels)
