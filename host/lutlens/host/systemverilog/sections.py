"""How many lanes each stage needs, and where queues divide the chain of stages.

Behind a stride most clocks, and most lines, bring no position. A queue between two stages evens that
out, and the stages behind it need lanes for the average only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

from lutlens.host.netlist import Netlist, StageNetlist
from lutlens.host.systemverilog.geometry import Grid, Lanes
from lutlens.host.systemverilog.stage import StageModule

SOURCE_LATENCY = 1  # a register behind the pixels' input, and behind a queue
QUEUE_LATENCY = 2  # through an empty one
ROOM_LATENCY = 3  # from a word written to a beat refused


@dataclass(frozen=True)
class RowQueue:
    """A queue for the beats of a line, and how it gives them to the section behind it.

    width: bits of a position. lanes_in, lanes_out: positions of a beat.
    pace: clocks from a beat that leaves to the next, at least.
    depth, reserve: in beats of `lanes_in`.
    """

    width: int
    lanes_in: int
    lanes_out: int
    pace: int
    depth: int
    reserve: int

    @property
    def latency(self) -> int:
        """Clocks to the last part of a beat, if nothing waits before it."""
        return QUEUE_LATENCY + (self.lanes_in // self.lanes_out - 1) * self.pace


@dataclass(frozen=True, eq=False)
class Section:
    """Stages that no queue divides: what comes in goes through.

    queue: where its beats come from; None: pixels.
    lanes: of a beat that comes in. pace: clocks between two of them, at least.
    line_beats: of every line, or None if lines may be shorter than the longest.
    """

    queue: RowQueue | None
    lanes: int
    pace: int
    stages: tuple[StageModule, ...]
    line_beats: int | None

    @property
    def latency(self) -> int:
        """Clocks from a beat that comes in to what it gives at the end."""
        return SOURCE_LATENCY + sum(stage.latency for stage in self.stages)

    @property
    def stay(self) -> int:
        """Clocks for which the last stage's window stays where its scores count, at least."""
        last = self.stages[-1]
        return _stay(last.netlist, last.grid, self.pace, self.lanes, self.line_beats)

    @property
    def scores_apart(self) -> int:
        """Clocks between two positions whose scores count, at least."""
        return self.pace * _beats_apart(self.stages[-1], self.lanes, self.line_beats)


@dataclass(frozen=True, eq=False)
class Planner:
    """Lays the sections out."""

    netlist: Netlist
    max_width: int
    pixels_per_clock: int
    lut_ram_beats: int

    # ------------------------------------------------------------------ rates

    @cached_property
    def _areas(self) -> list[int]:
        """Pixels for each input position of a stage, on average."""
        areas = [1]
        for stage in self.netlist.stages[:-1]:
            areas.append(areas[-1] * prod(stage.stride) * prod(stage.pool))
        return areas

    @cached_property
    def _rate(self) -> int:
        """Pixels a clock that all stages can follow."""
        most = [_most_lanes(stage, self.pixels_per_clock) for stage in self.netlist.stages]
        most[-1] = 1  # its positions are scored one by one
        return min(
            self.pixels_per_clock,
            *(lanes * area for lanes, area in zip(most, self._areas, strict=True)),
        )

    def _lanes(self, stage: int) -> int:
        """That a stage needs to follow."""
        positions = -(-self._rate // self._areas[stage])
        return 1 << (positions - 1).bit_length()

    # ------------------------------------------------------------------ the shortest lines

    @cached_property
    def _shortest_lines(self) -> list[int]:
        """Input positions of each stage, in a line of the narrowest frame that has a position."""
        fewest = self._grids(self.max_width)[-1].x.fewest
        whole = -(-fewest // self.pixels_per_clock) * self.pixels_per_clock
        return [grid.x.count for grid in self._grids(whole)[:-1]]

    def _grids(self, width: int) -> list[Grid]:
        """Of each stage's input and, at the end, of the last one's output, in pixels."""
        grids = [Grid.of_pixels(width)]
        for stage in self.netlist.stages:
            strided = grids[-1].passing(stage.window, stage.stride)
            if stage.state:
                strided = strided.without_garbage()
            grids.append(strided.passing(stage.pool, stage.pool))
        return grids

    def _line_beats(self, grid: Grid, lanes: int) -> int | None:
        """Of every line of a stream, if all frames are as wide as an image; no frame is narrower."""
        if self.max_width > self.netlist.input_shape[1]:
            return None
        return -(-grid.x.count // lanes)

    def _apart(self, stage: int, lanes: int) -> int:
        """Clocks between two beats, for the line buffers: each of them takes two for a column."""
        return 2 if self._shortest_lines[stage] <= lanes else 1

    # ------------------------------------------------------------------ sections

    def sections(self) -> list[Section]:
        sections: list[Section] = []
        queue = None
        lanes = source = self.pixels_per_clock
        pace = self._apart(0, lanes)
        stages: list[StageModule] = []
        grid = Grid.of_pixels(self.max_width)
        line_beats = self._line_beats(grid, lanes)
        last = len(self.netlist.stages) - 1
        for i, netlist in enumerate(self.netlist.stages):
            wanted = self._lanes(i)
            stay = _stay(netlist, grid, pace, source, line_beats) if lanes == 1 else 1
            if wanted < lanes or (i == last and self._scores_can_wait(stay)):
                sections.append(Section(queue, source, pace, tuple(stages), line_beats))
                slower = max(1, self._areas[i] // self._rate) if i == last else 1
                queue_pace = max(slower, self._apart(i, wanted))
                queue = _row_queue(netlist, sections[-1], grid, lanes, wanted, queue_pace)
                lanes = source = wanted
                pace = queue_pace
                stages = []
                grid = grid.as_stream()
                line_beats = self._line_beats(grid, lanes)
            stages.append(StageModule(i, netlist, grid, lanes, i == last, self.lut_ram_beats))
            if stages[-1].recurrent:
                pace = max(
                    pace, -(-stages[-1].loop // _beats_apart(stages[-1], source, line_beats))
                )
                queue = replace(queue, pace=pace) if queue else None
            grid = stages[-1].output
            lanes = stages[-1].output_lanes
        sections.append(Section(queue, source, pace, tuple(stages), line_beats))
        return sections

    def _scores_can_wait(self, stay: int) -> bool:
        """Whether a queue before the last stage saves popcounts. With one pixel a clock there is
        time enough without."""
        average = self._areas[-1] // self._rate
        classes = self.netlist.classes
        return self.pixels_per_clock > 1 and -(-classes // average) < -(-classes // stay)


def _beats_apart(stage: StageModule, lanes: int, line_beats: int | None) -> int:
    """Beats between two positions of a stage that are no garbage, at least. Arguments as of a section."""
    if line_beats is None:
        return stage.strided.gap(lanes)
    return stage.strided.apart(line_beats, lanes)


def _stay(netlist: StageNetlist, grid: Grid, pace: int, lanes: int, line_beats: int | None) -> int:
    """Clocks for which a stage's window stays where its scores count, at least.

    grid: of its input positions, one at a time. pace, lanes, line_beats: as of a section.
    """
    if line_beats is None:
        return pace * grid.gap(lanes)
    return pace * grid.stay(netlist.window, netlist.stride, line_beats, lanes)


def _most_lanes(stage: StageNetlist, limit: int) -> int:
    """With which the stage's positions, strided and pooled, keep to their lanes.

    Of a recurrent stage, to one lane: its positions come one after another.
    """
    stride, pool = stage.stride[1], stage.pool[1]
    lanes = limit
    while stage.state and lanes > stride:
        lanes //= 2
    while not (Lanes.fit(lanes, stride) and Lanes.fit(max(1, lanes // stride), pool)):
        lanes //= 2
    return lanes


def _row_queue(
    netlist: StageNetlist, writer: Section, grid: Grid, lanes_in: int, lanes_out: int, pace: int
) -> RowQueue:
    """The queue that evens out what a line brings.

    netlist: of the stage behind it. grid: of the positions.
    """
    beats = -(-grid.x.count // lanes_in)
    clocks_in = max(1, writer.pace * grid.x.pitch // writer.lanes)
    clocks_out = lanes_in // lanes_out * pace
    # Only where lines are left out is there time to catch up.
    kept = max(0, beats - beats * clocks_in // clocks_out) if grid.y.pitch > 1 else 0
    reserve = writer.latency + ROOM_LATENCY + 1
    return RowQueue(
        width=max(1, netlist.channels),
        lanes_in=lanes_in,
        lanes_out=lanes_out,
        pace=pace,
        depth=1 << (kept + reserve + QUEUE_LATENCY).bit_length(),
        reserve=reserve,
    )
