"""Simplification keeps every score, reaches a fixed point, and finds what there is to find."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lutlens.host.lutnet import Layer, Lutnet, Stage
from lutlens.host.netlist import ONE, ZERO, Netlist, StageNetlist
from lutlens.host.simplify import simplify
from lutlens.host.tables import ones, support, variable
from support.networks import digits_lutnet, frames, lutnets, oracle_scores

BUFFER, INVERTER, AND, NAND, XOR = 0b10, 0b01, 0b1000, 0b0111, 0b0110


@settings(deadline=None, max_examples=150)
@given(st.data(), lutnets(channels=st.integers(1, 2)))
def test_every_score_stays(data: st.DataObject, net: Lutnet) -> None:
    images = data.draw(frames(net))
    levels = net.thresholds[1]
    expected = oracle_scores(net, images, levels)
    plain = Netlist.from_lutnet(net)
    simplified, _ = simplify(plain)
    np.testing.assert_array_equal(_scores(plain, images, levels[0]), expected)
    np.testing.assert_array_equal(_scores(simplified, images, levels[0]), expected)


@settings(deadline=None, max_examples=100)
@given(lutnets())
def test_simplifying_twice_finds_nothing_more_and_the_savings_add_up(net: Lutnet) -> None:
    plain = Netlist.from_lutnet(net)
    assert plain.nodes == net.nodes
    simplified, savings = simplify(plain)
    again, nothing = simplify(simplified)
    assert again == simplified
    assert savings.nodes == (plain.nodes, simplified.nodes)
    assert nothing.nodes == (simplified.nodes, simplified.nodes)
    for stage, saved in zip(simplified.stages, savings.stages, strict=True):
        reasons = (saved.constant, saved.buffer, saved.equal, saved.unread)
        assert min(reasons) >= 0
        assert saved.nodes[0] - saved.nodes[1] == sum(reasons)
        assert saved.nodes[1] == len(stage.nodes)
        assert saved.channels[1] == len(stage.outputs)


@settings(deadline=None, max_examples=50)
@given(lutnets())
def test_what_remains_is_well_formed(net: Lutnet) -> None:
    simplified, _ = simplify(Netlist.from_lutnet(net))
    channels = net.input_channels(0)
    for stage in simplified.stages:
        assert stage.channels == channels
        channels = len(stage.outputs)
        levels = [node.level for node in stage.nodes]
        assert levels == sorted(levels)
        for node in stage.nodes:
            assert node.level < stage.depth
            assert list(node.inputs) == sorted(set(node.inputs))
            assert node.inputs[0] > ONE
            assert support(node.table, len(node.inputs))[0] == list(range(len(node.inputs)))
            for signal in node.inputs:
                assert signal < stage.first_node or levels[signal - stage.first_node] < node.level
    assert channels == simplified.classes * simplified.bits_per_class


def test_random_tables_of_a_large_network_lose_only_what_is_unread() -> None:
    _, savings = simplify(Netlist.from_lutnet(digits_lutnet(3)))
    for stage in savings.stages:
        assert (stage.constant, stage.buffer, stage.equal) == (0, 0, 0)
    assert savings.stages[-1].unread == 0


def test_a_constant_reaches_the_score() -> None:
    stage, savings = _one_stage([([0, 1], ones(2))], [([0, 0], AND), ([0, 0], INVERTER)])
    assert stage.outputs == (ONE, ZERO)
    assert stage.nodes == ()
    assert savings.constant == 3


def test_a_buffer_is_a_wire() -> None:
    stage, savings = _one_stage([([2, 0], 0b1010), ([1, 0], 0b1010)])
    assert stage.outputs == (2 + 2, 2 + 1)
    assert (savings.nodes, savings.buffer) == ((2, 0), 2)


def test_inversions_go_into_the_reader() -> None:
    stage, savings = _one_stage(
        [([0, 0], INVERTER | INVERTER << 2), ([1, 1], INVERTER | INVERTER << 2)],
        [([0, 1], AND), ([0, 1], XOR)],
    )
    assert [(node.level, node.inputs, node.table) for node in stage.nodes] == [
        (0, (2, 3), 0b0001),
        (0, (2, 3), XOR),
    ]
    assert savings.buffer == 2


def test_equal_nodes_merge_with_inputs_in_any_order_and_inverted() -> None:
    first = [([0, 1], AND), ([1, 0], AND), ([0, 1], NAND), ([2, 3], XOR)]
    stage, savings = _one_stage(first, [([0, 3], XOR), ([1, 3], XOR), ([2, 3], XOR), ([1, 2], AND)])
    # The third output is the inverse of the first two; the fourth is x and not x.
    assert savings.equal == 2 + 1
    assert savings.constant == 1
    assert len(stage.nodes) == 4
    assert stage.outputs[0] == stage.outputs[1] != stage.outputs[2]
    assert stage.outputs[3] == ZERO


def test_an_output_wanted_only_inverted_costs_no_inverter() -> None:
    stage, _ = _one_stage([([0, 1], AND), ([2, 3], AND)], [([0, 0], 0b0101), ([1, 0], XOR)])
    nodes = {(node.inputs, node.table) for node in stage.nodes}
    assert ((2, 3), NAND) in nodes
    assert len(nodes) == 3


def test_unread_equal_and_constant_channels_leave_the_stage_before() -> None:
    nodes = [([0, 1], AND), ([0, 1], NAND), ([0, 1], 0), ([2, 3], XOR), ([1, 2], AND)]
    first = Stage((2, 2), (_layer(nodes),))
    # A window of five channels: nobody reads channel 3, and XOR of channels 0 and 2 is channel 0.
    second = Stage((1, 1), (_layer([([0, 2], XOR), ([1, 4], AND)]),))
    net = Lutnet((2, 2, 1), 1, {1: np.zeros((1, 1), np.uint8)}, (first, second), ("a", "b"))
    simplified, savings = simplify(Netlist.from_lutnet(net))
    assert savings.stages[0].channels == (5, 2)
    assert simplified.stages[1].channels == 2
    assert savings.stages[0].unread == 1
    assert simplified.stages[1].outputs[0] == 2


def test_an_or_pool_does_not_pass_inversions() -> None:
    first = Stage((1, 1), (_layer([([0, 0], 0b0101), ([0, 0], 0b1010)]),), pool=(2, 2))
    second = Stage((1, 1), (_layer([([0, 1], AND), ([0, 1], XOR)]),))
    net = Lutnet((2, 2, 1), 1, {1: np.full((1, 1), 9, np.uint8)}, (first, second), ("a", "b"))
    simplified, _ = simplify(Netlist.from_lutnet(net))
    images = np.array([[[0, 0], [0, 10]], [[10, 10], [10, 10]], [[0, 0], [0, 0]]], np.uint8)
    np.testing.assert_array_equal(
        _scores(simplified, images, net.thresholds[1][0])[:, 0, 0], [[1, 0], [0, 1], [0, 1]]
    )
    assert len(simplified.stages[0].outputs) == 2


@pytest.mark.parametrize("inputs", range(1, 7))
def test_support_of_a_table(inputs: int) -> None:
    rng = np.random.default_rng(inputs)
    kept = [j for j in range(inputs) if rng.random() < 0.5]
    table = 0
    for j in kept:
        table ^= variable(j, inputs)
    parity = sum((address.bit_count() & 1) << address for address in range(1 << len(kept)))
    assert support(table, inputs) == (kept, parity)


def _layer(nodes: Sequence[tuple[list[int], int]]) -> Layer:
    return Layer(
        np.array([table for _, table in nodes], np.uint64),
        np.array([inputs for inputs, _ in nodes], np.int32),
    )


def _one_stage(*layers: Sequence[tuple[list[int], int]]) -> tuple[StageNetlist, Any]:
    """A 2x2 window of signals 2 to 5 with these layers, simplified, and the savings."""
    stage = Stage((2, 2), tuple(_layer(nodes) for nodes in layers))
    names = ("a", "b")
    net = Lutnet((2, 2, 1), 1, {1: np.zeros((1, 1), np.uint8)}, (stage,), names)
    simplified, savings = simplify(Netlist.from_lutnet(net))
    return simplified.stages[0], savings.stages[0]


def _scores(
    netlist: Netlist, images: npt.NDArray[np.uint8], levels: npt.NDArray[np.uint8]
) -> npt.NDArray[np.int64]:
    """One pass of a netlist, signal by signal."""
    if images.ndim == 3:
        images = images[..., np.newaxis]
    bits = (images[..., np.newaxis] > levels).reshape(*images.shape[:3], -1)
    for stage in netlist.stages:
        bits = _fire(stage, bits)
    scores: npt.NDArray[np.int64] = bits.reshape(
        *bits.shape[:3], netlist.classes, netlist.bits_per_class
    ).sum(axis=-1)
    return scores


def _fire(stage: StageNetlist, bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    windows = np.lib.stride_tricks.sliding_window_view(bits, stage.window, axis=(1, 2))
    windows = windows[:, :: stage.stride[0], :: stage.stride[1]].transpose(0, 1, 2, 4, 5, 3)
    flat = windows.reshape(*windows.shape[:3], stage.window_bits)
    signals = [np.zeros(flat.shape[:3], bool), np.ones(flat.shape[:3], bool)]
    signals += list(np.moveaxis(flat, -1, 0))
    for node in stage.nodes:
        address = sum(
            signals[s].astype(np.uint64) << np.uint64(j) for j, s in enumerate(node.inputs)
        )
        signals.append((np.uint64(node.table) >> address & np.uint64(1)).astype(bool))
    out = np.stack([signals[s] for s in stage.outputs], axis=-1)
    rows, columns = out.shape[1] // stage.pool[0], out.shape[2] // stage.pool[1]
    out = out[:, : rows * stage.pool[0], : columns * stage.pool[1]]
    pooled: npt.NDArray[np.bool_] = out.reshape(
        len(out), rows, stage.pool[0], columns, stage.pool[1], -1
    ).any(axis=(2, 4))
    return pooled
