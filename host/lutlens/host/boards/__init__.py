"""Boards as data: one JSON file each beside this module, checked on reading.

A board that is to be added needs a file, no code: its Zynq-7000 part, what its PS7 is clocked and
surrounded by, and the pins of four LEDs. All boards share one top (`lutlens.host.boards.rtl`).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

DEFAULT_BOARD = "pynq-z2"

Pin = Annotated[str, Field(pattern=r"^[A-Z]{1,2}[0-9]{1,2}$")]
Megahertz = Annotated[float, Field(gt=0, le=2000)]


class BoardError(ValueError):
    """A board that is not known, or whose description is wrong; the message names file and field."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Cells(_Model):
    """What the part has."""

    lut: Annotated[int, Field(gt=0)]
    ff: Annotated[int, Field(gt=0)]
    bram36: Annotated[int, Field(gt=0)]
    dsp: Annotated[int, Field(ge=0)]


class ClockPin(_Model):
    """A clock that the board brings to the logic; lutlens runs on FCLK0 and leaves it alone."""

    pin: Pin
    mhz: Megahertz


class Memory(_Model):
    """The processing system's DDR: its size, the width of its bus, the HP ports that lead to it."""

    bytes: Annotated[int, Field(ge=1 << 20)]
    bus_bits: Literal[16, 32]
    hp_ports: Annotated[list[Annotated[int, Field(ge=0, le=3)]], Field(min_length=1)]


class Processor(_Model):
    """ps_clock_mhz: the crystal. io_pll_mhz: what FCLK0 is divided from."""

    mhz: Megahertz
    ps_clock_mhz: Megahertz
    io_pll_mhz: Megahertz


class Leds(_Model):
    """heartbeat, frame, seen, error, in this order."""

    pins: Annotated[list[Pin], Field(min_length=4, max_length=4)]
    iostandard: Literal["LVCMOS33", "LVCMOS25", "LVCMOS18"]


class Board(_Model):
    """A Zynq-7000 board.

    name: what `--board` takes. part: device, package and speed grade, as the tools want it.
    complete: built for and tested as far as can be without the board; False for a description alone.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    title: Annotated[str, Field(min_length=1, max_length=100)]
    device: Annotated[str, Field(pattern=r"^xc7z[0-9]{3}s?$")]
    package: Annotated[str, Field(pattern=r"^[a-z]{3}[0-9]{3}$")]
    speed_grade: Annotated[str, Field(pattern=r"^-[123]$")]
    complete: bool
    cells: Cells
    processor: Processor
    memory: Memory
    clocks: dict[str, ClockPin]
    leds: Leds

    @property
    def part(self) -> str:
        """For example xc7z020clg400-1."""
        return f"{self.device}{self.package}{self.speed_grade}"


def names() -> list[str]:
    """The boards that there are descriptions of."""
    return sorted(
        entry.name.removesuffix(".json")
        for entry in files(__name__).iterdir()
        if entry.name.endswith(".json")
    )


@cache
def load(name: str) -> Board:
    """The board of that name. Raises BoardError."""
    if name not in names():
        raise BoardError(f"board: {name!r}, must be one of {', '.join(names())}")
    board = parse(files(__name__).joinpath(f"{name}.json").read_text(), f"{name}.json")
    if board.name != name:
        raise BoardError(f"{name}.json: name: {board.name!r}, must be the file's")
    return board


def parse(text: str, where: str) -> Board:
    """The board of a description. Raises BoardError, which begins with `where`."""
    try:
        return Board.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "description"
        raise BoardError(f"{where}: {field}: {first['msg']}") from error
