"""Synthesis: the count of cells, and the netlist of primitives run against the oracle."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from lutlens.host.cost import Shape, estimate
from lutlens.host.lutnet import Layer, Lutnet, Stage
from lutlens.host.netlist import Netlist
from lutlens.host.rtl import Build, core_sources
from lutlens.host.simplify import simplify
from lutlens.host.synthesis import Resources, SynthesisError, synthesise
from lutlens.host.systemverilog import sources
from lutlens.host.systemverilog.simulation import NetworkRtl
from support.networks import (
    digits_lutnet,
    oracle_scores,
    random_frames,
    random_lutnet,
    whole_beats,
)

COUNTED = """
module counted (
  input  logic        clk,
  input  logic [ 7:0] a,
  input  logic [ 4:0] address,
  output logic        chain,
  output logic [ 5:0] memory_out,
  output logic [35:0] block_out
);
  // 13 inputs: two LUTs and one behind them. Then an inverter, which is a LUT of its own.
  logic [12:0] in_q;
  always_ff @(posedge clk) begin
    in_q  <= {address, a};
    chain <= ^in_q;
  end

  // 6 bits of 32: a RAM32M, four sites.
  logic [5:0] distributed[32];
  always_ff @(posedge clk) begin
    distributed[address] <= a[5:0];
    memory_out <= distributed[a[4:0]];
  end

  // 36 bits of 512: one BRAM18.
  (* ram_style = "block" *)
  logic [35:0] block[512];
  always_ff @(posedge clk) begin
    block[{4'b0, address}] <= {4{1'b0, a}};
    block_out <= block[{1'b0, a}];
  end
endmodule
"""


def test_cells_are_counted_unpaired() -> None:
    resources = synthesise({"counted.sv": COUNTED}, "counted")
    assert resources == Resources(lut=3 + 4, ff=13 + 1 + 6, bram36=0.5, carry4=0, depth=2)


def test_yosys_says_what_is_wrong() -> None:
    with pytest.raises(SynthesisError, match="unknown module 'missing'"):
        synthesise({"a.sv": "module a; missing u_missing (); endmodule"}, "a")


def test_timeout() -> None:
    with pytest.raises(SynthesisError, match="more than 0 s"):
        synthesise({"counted.sv": COUNTED}, "counted", timeout_s=0.01)


@pytest.mark.rtl
@pytest.mark.parametrize(("pixels", "lut_ram_beats"), [(1, 64), (4, 0)])
def test_netlist_of_primitives_equals_the_oracle(
    tmp_path: Path, pixels: int, lut_ram_beats: int
) -> None:
    net = random_lutnet(21, stages=2, encoder_bits=2, degenerate=0.1)
    circuit, _ = simplify(Netlist.from_lutnet(net))
    files = sources(
        circuit,
        build_id=net.build_id,
        max_width=48,
        pixels_per_clock=pixels,
        lut_ram_beats=lut_ram_beats,
    )
    netlist = tmp_path / "netlist.v"
    # Yosys has models of all cells but block RAM: where the build asks for some, it is not to be had.
    synthesise(files, "lutlens_network", block_ram=lut_ram_beats > 0, netlist=netlist)
    assert "RAMB" not in netlist.read_text()

    package = find_spec("pyosys")
    assert package is not None
    assert package.origin is not None
    cells = Path(package.origin).parent / "share/xilinx/cells_sim.v"
    rtl = NetworkRtl(
        net,
        max_width=48,
        pixels_per_clock=pixels,
        netlist={"netlist.v": netlist.read_text(), "cells_sim.v": cells.read_text()},
    )
    thresholds = net.thresholds[1]
    frames = [whole_beats(random_frames(net, i, 1, larger=(i, 3 * i))[0], pixels) for i in range(5)]
    run = rtl.run(frames, thresholds[0], seed=3, gaps=0.2, stalls=0.3)
    for frame, scores in zip(frames, run.scores, strict=True):
        assert (scores == oracle_scores(net, frame[np.newaxis], thresholds)[0]).all()


def test_core_of_the_shipped_size() -> None:
    """Encoder, network and scorer around 1,030 nodes, all of which are used."""
    net = fully_used(digits_lutnet(0))
    circuit, savings = simplify(Netlist.from_lutnet(net))
    assert circuit.nodes == 1030, savings
    files = {**sources(circuit, build_id=net.build_id), **core_sources()}
    resources = synthesise(files, "lutlens_core")
    assert resources.lut <= 1030 + 530
    # The cost model has not seen this one.
    expected = estimate(Shape.of(net), Build())
    assert expected.lut == pytest.approx(resources.lut, rel=0.05)
    assert expected.bram36 == resources.bram36
    assert resources.bram36 <= 7
    assert resources.depth <= 6


def fully_used(net: Lutnet) -> Lutnet:
    """The same shapes and tables, wired so that every bit is read."""
    rng = np.random.default_rng(0)
    stages = []
    for i, stage in enumerate(net.stages):
        layers = []
        bits = stage.window[0] * stage.window[1] * net.input_channels(i)
        for layer in stage.layers:
            # Runs of six from a shuffled row of all inputs: no node reads an input twice.
            runs = -(-bits // 6)
            shuffled = [
                np.resize(rng.permutation(bits), (runs, 6)) for _ in range(-(-layer.nodes // runs))
            ]
            connections = np.concatenate(shuffled)[: layer.nodes].astype(np.int32)
            layers.append(Layer(layer.tables, connections))
            bits = layer.nodes
        stages.append(Stage(stage.window, tuple(layers), stage.stride, stage.pool))
    return Lutnet(net.input_shape, net.encoder_bits, net.thresholds, tuple(stages), net.classes)
