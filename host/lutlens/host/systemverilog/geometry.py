"""Where in a stream of positions a stage's positions are, and how far apart.

Stages know nothing of a frame's size. Each computes a position for every one of its input's, also
where the window reaches over the left or the upper edge, and lets those pass whose number is right
modulo the stride. So a line begins with some positions of garbage, always the same number of them;
the last stage withholds them.

Positions come in beats of so many lanes: horizontal neighbours, the first lane leftmost. A line
begins with a new beat, and all its beats are full.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Axis:
    """The grid of positions along one direction.

    garbage: positions before the first one that is computed from pixels of the frame alone.
    pitch, offset: position `i` is computed when the stream's position `offset + i * pitch` has come.
    count: positions in the longest line.
    """

    garbage: int
    pitch: int
    offset: int
    count: int

    def phase(self, window: int, stride: int) -> int:
        """Number, modulo the stride, of the positions that pass: those at which a window ends."""
        return (self.garbage + window - 1) % stride

    def passing(self, window: int, stride: int) -> Axis:
        """The positions that pass: windows at a stride, from the first true one on."""
        phase = self.phase(window, stride)
        return Axis(
            garbage=(self.garbage + window - 1) // stride,
            pitch=self.pitch * stride,
            offset=self.offset + phase * self.pitch,
            count=max(1, -((phase - self.count) // stride)),
        )

    def without_garbage(self) -> Axis:
        return Axis(
            garbage=0,
            pitch=self.pitch,
            offset=self.offset + self.garbage * self.pitch,
            count=max(1, self.count - self.garbage),
        )

    @property
    def fewest(self) -> int:
        """Of the stream's positions: the shortest line that has a position without garbage."""
        return self.offset + self.garbage * self.pitch + 1


@dataclass(frozen=True)
class Grid:
    """The grid of positions of a frame."""

    y: Axis
    x: Axis

    @classmethod
    def of_pixels(cls, width: int) -> Grid:
        """width: of the widest frame."""
        # Lines are never counted against a maximum.
        return cls(y=Axis(0, 1, 0, 1), x=Axis(0, 1, 0, width))

    def passing(self, window: tuple[int, int], stride: tuple[int, int]) -> Grid:
        return Grid(self.y.passing(window[0], stride[0]), self.x.passing(window[1], stride[1]))

    def without_garbage(self) -> Grid:
        """Where a stage withholds it. Lines of garbage alone are still lines, without a position."""
        return Grid(self.y, self.x.without_garbage())

    def as_stream(self) -> Grid:
        """The same positions as a stream of their own."""
        return Grid(replace(self.y, pitch=1, offset=0), replace(self.x, pitch=1, offset=0))

    def gap(self, lanes: int) -> int:
        """Beats of `lanes` of the stream's positions from one position to the next, at least:
        within a line, and from line to line or frame to frame, where a line is long enough to have
        a position at all. For positions that pass one at a time."""
        return min(self.x.pitch // lanes, (self.x.offset // lanes + 1) * (self.y.offset + 1))

    def stay(self, window: tuple[int, int], stride: tuple[int, int], beats: int, lanes: int) -> int:
        """Beats for which a true window stays over its positions, these, before the next one comes.

        Every line is `beats` long and, as the longest one, has all positions.
        """
        true = (
            self.x.phase(window[1], stride[1]) + self.passing(window, stride).x.garbage * stride[1]
        )
        last = self.x.offset + (self.x.count - 1) * self.x.pitch
        left_out = min(
            self.y.pitch - 1, self.y.offset
        )  # lines, before the next of the frame, or of the next
        line_ends = beats - last // lanes + left_out * beats + self.x.offset // lanes
        return line_ends if true == self.x.count - 1 else min(self.x.pitch // lanes, line_ends)

    def apart(self, beats: int, lanes: int) -> int:
        """Beats from one true position to the next, at least. Lines as in `stay`."""
        if self.x.count - self.x.garbage > 1:
            return self.x.pitch // lanes
        return beats * min(self.y.pitch, self.y.fewest)


@dataclass(frozen=True)
class Lanes:
    """Which lanes of which beats hold the positions that pass.

    ends: the lanes, of
    stride, phase: each beat of a line whose number is `phase` modulo `stride`.
    """

    ends: tuple[int, ...]
    stride: int
    phase: int

    @staticmethod
    def fit(lanes: int, stride: int) -> bool:
        """Whether positions at a stride are always in the same lanes."""
        return lanes % stride == 0 or stride % lanes == 0

    @classmethod
    def passing(cls, lanes: int, stride: int, phase: int) -> Lanes:
        """Of positions at a stride, the first of them number `phase` of its line."""
        return cls(
            ends=tuple(range(phase % lanes, lanes, stride)),
            stride=max(1, stride // lanes),
            phase=phase // lanes,
        )
