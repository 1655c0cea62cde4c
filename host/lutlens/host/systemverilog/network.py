"""The network core: its stages in a chain, and the scores behind them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from lutlens.host.lutnet import CORE_PASSES
from lutlens.host.modulation import Modulation
from lutlens.host.netlist import ONE, ZERO, Netlist
from lutlens.host.systemverilog import popcount
from lutlens.host.systemverilog.rendering import environment
from lutlens.host.systemverilog.sections import ROOM_LATENCY, Planner, Section
from lutlens.host.systemverilog.stage import StageModule


@dataclass(frozen=True)
class ModulatorParameters:
    """Of `lutlens_modulator`; kind 0: none."""

    kind: int = 0
    swing: int = 256
    table: bytes = bytes(256)

    @classmethod
    def of(cls, modulation: Modulation | None) -> ModulatorParameters:
        if modulation is None:
            return cls()
        swing = modulation.modulator.swing
        if modulation.by_value:
            return cls(3, swing, modulation.curves(CORE_PASSES).tobytes())
        if modulation.modulator.kind == "lfsr":
            return cls(1, swing)
        return cls(2, swing, modulation.matrix.astype(np.uint8).tobytes())

    @property
    def digits(self) -> str:
        """The table's, as one hexadecimal number with the first byte lowest."""
        return f"{int.from_bytes(self.table, 'little'):x}"


@dataclass(frozen=True, eq=False)
class NetworkModule:
    """What the templates of the package and of the top module read."""

    netlist: Netlist
    build_id: int
    max_width: int
    pixels_per_clock: int = 1
    lut_ram_beats: int = 0
    modulation: Modulation | None = None

    def render(self) -> dict[str, str]:
        """File name to text, packages before their users."""
        files = {"lutlens_network_pkg.sv": self._render("package.sv.jinja")}
        for stage in self.stages:
            files |= stage.render()
        files["lutlens_popcount.sv"] = popcount.render(self.tree)
        files["lutlens_network.sv"] = self._render("network.sv.jinja")
        return files

    def _render(self, template: str) -> str:
        return environment.get_template(template).render(network=self)

    @cached_property
    def sections(self) -> list[Section]:
        return Planner(
            self.netlist, self.max_width, self.pixels_per_clock, self.lut_ram_beats
        ).sections()

    @property
    def stages(self) -> list[StageModule]:
        return [stage for section in self.sections for stage in section.stages]

    @property
    def rooms(self) -> list[str]:
        return [f"room_{i}" for i in range(len(self.sections))]

    @property
    def last_signals(self) -> tuple[str, ...]:
        last = len(self.stages) - 1
        return tuple(f"{signal}_{last}" for signal in ("valid", "eol", "eof", "data"))

    @property
    def values_per_clock(self) -> int:
        """8-bit values that come from memory a clock: the pixels' own, or, of colours, as few as keep up with the
        pixels; a memory beat has no more than 8."""
        values = self.pixels_per_clock * self.netlist.input_shape[2]
        return min(8, 1 << (values - 1).bit_length())

    @property
    def modulator(self) -> ModulatorParameters:
        return ModulatorParameters.of(self.modulation)

    # ------------------------------------------------------------------ scores

    @property
    def beats(self) -> int:
        """Beats of a position."""
        return -(-self.netlist.classes // self.units)

    @property
    def units(self) -> int:
        """Popcounts side by side: they are used again until the last stage's window moves."""
        return -(-self.netlist.classes // self.sections[-1].stay)

    @property
    def slot_groups(self) -> int:
        """Of four slots with a beat each; each of the beats that are left has four slots.

        A LUT selects one of four bits. For up to 16 beats, a second one behind it takes a group's
        result, or a beat's bit, in each of its inputs: that is as few LUTs as a selection can have.
        """
        return (self.beats - 2) // 3 if 4 < self.beats <= 16 else -(-self.beats // 4)

    @property
    def slots(self) -> list[int]:
        """The beat in every slot that a selection has."""
        single = min(self.beats, 4 * self.slot_groups)
        fours = [beat for beat in range(single, self.beats) for _ in range(4)]
        return [*range(single), *fours]

    @property
    def score_bits(self) -> int:
        return self.netlist.bits_per_class.bit_length()

    @cached_property
    def tree(self) -> popcount.Tree:
        return popcount.plan(self.netlist.bits_per_class)

    @property
    def score_latency(self) -> int:
        return 1 + self.tree.depth

    @property
    def lanes(self) -> list[list[list[str]]]:
        """Bits of each lane's word in each beat, top first. Where a lane has no class, its last
        class again: that makes its selection smaller."""
        lanes = []
        for lane in range(self.units):
            classes = range(lane, self.netlist.classes, self.units)
            words = [self._class_bits(c) for c in classes]
            lanes.append(words + words[-1:] * (self.beats - len(words)))
        return lanes

    def _class_bits(self, index: int) -> list[str]:
        """Constants at the end, so that they meet the constants of other classes."""
        outputs = self.netlist.stages[-1].outputs
        first = index * self.netlist.bits_per_class
        numbers = range(first, first + self.netlist.bits_per_class)
        bits = [f"{self.last_signals[3]}[{i}]" for i in numbers if outputs[i] not in (ZERO, ONE)]
        bits += ["1'b1"] * sum(outputs[i] == ONE for i in numbers)
        bits += ["1'b0"] * sum(outputs[i] == ZERO for i in numbers)
        return bits[::-1]

    # ------------------------------------------------------------------ latency and queue

    @property
    def latency(self) -> int:
        """Clocks from an image's last pixel to the last beat of its scores, if nothing that came
        before it still waits in a queue."""
        sections = sum(section.latency for section in self.sections)
        queues = sum(section.queue.latency for section in self.sections if section.queue)
        return sections + queues + self.score_latency + 1 + self.beats

    @property
    def queue_reserve(self) -> int:
        """Positions that may still come when the queue says that room is scarce."""
        section = self.sections[-1]
        clocks = section.latency + self.score_latency + ROOM_LATENCY
        return -(-clocks // section.scores_apart) + 1

    @property
    def queue_positions(self) -> int:
        """More room than the reserve, so that a reader who keeps up never stops the core."""
        return 1 << (self.queue_reserve + 1).bit_length()
