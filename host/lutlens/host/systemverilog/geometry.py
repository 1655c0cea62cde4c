"""Where in the pixel stream a stage's positions are, and how far apart.

Stages know nothing of a frame's size. Each computes a position for every one of its input's, also
where the window reaches over the left or the upper edge, and lets those pass whose number is right
modulo the stride. So a line begins with some positions of garbage, always the same number of them;
the last stage withholds them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """The grid of positions along one direction.

    garbage: positions before the first one that is computed from pixels of the frame alone.
    pitch, offset: position `i` is computed when pixel `offset + i * pitch` has come.
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


@dataclass(frozen=True)
class Grid:
    """The grid of positions of a frame."""

    y: Axis
    x: Axis

    @classmethod
    def of_pixels(cls, max_width: int) -> Grid:
        # Lines are never counted against a maximum.
        return cls(y=Axis(0, 1, 0, 1), x=Axis(0, 1, 0, max_width))

    def passing(self, window: tuple[int, int], stride: tuple[int, int]) -> Grid:
        return Grid(self.y.passing(window[0], stride[0]), self.x.passing(window[1], stride[1]))

    @property
    def gap(self) -> int:
        """Clocks between two positions, at least: within a line, and from line to line or frame to
        frame, where a line is long enough to have a position at all."""
        return min(self.x.pitch, (self.x.offset + 1) * (self.y.offset + 1))
