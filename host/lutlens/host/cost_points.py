"""The points that the cost model was fitted to: networks with random tables, synthesised.

    python -m lutlens.host.cost_points

synthesises them all again (a minute of processor time each), writes cost_points.json, and prints what
`lutlens.host.cost.RATES` then has to be.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from lutlens.board.files import write_atomically
from lutlens.host.area import synthesise_core
from lutlens.host.cost import Shape, layout, parts, untrained
from lutlens.host.rtl import Build
from pydantic import BaseModel, ConfigDict, TypeAdapter

PATH = Path(__file__).with_suffix(".json")


class Point(BaseModel):
    """A network's shape, what its core was built for, and what Yosys made of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    shape: Shape
    max_width: int
    pixels_per_clock: int
    lut: int
    bram36: float

    @property
    def build(self) -> Build:
        return Build(self.max_width, self.pixels_per_clock)


def read() -> list[Point]:
    return TypeAdapter(list[Point]).validate_json(PATH.read_bytes())


def fitted(points: list[Point]) -> list[float]:
    """Least squares of relative errors."""
    rows, wanted = [], []
    for point in points:
        known, rest = parts(layout(point.shape, point.build))
        rows.append(np.array(rest) / point.lut)
        wanted.append((point.lut - known) / point.lut)
    rates, *_ = np.linalg.lstsq(np.stack(rows), np.array(wanted), rcond=None)
    return [round(float(rate), 1) for rate in rates]


def main() -> None:
    points = []
    for point in read():
        found = synthesise_core(untrained(point.shape), point.build)
        points.append(point.model_copy(update={"lut": found.lut, "bram36": found.bram36}))
        print(f"{point.name}: {found.lut} LUT, {found.bram36} BRAM36", flush=True)
    lines = ",\n".join(f" {json.dumps(point.model_dump(mode='json'))}" for point in points)
    write_atomically(PATH, f"[\n{lines}\n]\n".encode())
    print(f"RATES = {tuple(fitted(points))}")


if __name__ == "__main__":
    main()
