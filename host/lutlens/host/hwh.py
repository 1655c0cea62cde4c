"""The hardware handoff: what `pynq.Overlay` reads to find the core, its registers and its clock.

A `.hwh` normally comes out of a vendor tool's block design. Ours has one core behind the processing
system, so it is written here, from the register map and the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import jinja2
from lutlens.host.boards import DEFAULT_BOARD, Board, load
from lutlens.host.registers import registers

CORE = "lutlens"
BASE_ADDRESS = 0x4000_0000
ADDRESS_RANGE = 0x1_0000
IO_PLL_MHZ = 1000

_ACCESS = {"ro": "read-only", "rw": "read-write", "w1c": "read-write", "w1": "write-only"}
_LARGEST_DIVISOR = 63


class ClockError(ValueError):
    """A clock that the processing system cannot make."""


@dataclass(frozen=True)
class Clock:
    """A clock of the processing system: the IO PLL over two divisors of 1 to 63."""

    divisors: tuple[int, int]
    enabled: bool = True

    @property
    def mhz(self) -> float:
        return round(IO_PLL_MHZ / (self.divisors[0] * self.divisors[1]), 6)


@cache
def clock(mhz: float) -> Clock:
    """The fastest clock that is not above `mhz`. Raises ClockError."""
    products = {
        a * b: (a, b)
        for a in range(1, _LARGEST_DIVISOR + 1)
        for b in range(1, min(a, _LARGEST_DIVISOR) + 1)
    }
    # A thousandth of a hertz of slack: 142.857143 is meant to be 1000 / 7.
    possible = [product for product in products if IO_PLL_MHZ / product <= mhz + 1e-6]
    if not possible or mhz > IO_PLL_MHZ / 4:
        raise ClockError(
            f"clock: {mhz} MHz, must be {IO_PLL_MHZ / _LARGEST_DIVISOR**2:.3f} to "
            f"{IO_PLL_MHZ / 4:.0f} MHz, the range of the processing system's clock"
        )
    return Clock(products[min(possible)])


def render(name: str, build_id: int, clock_mhz: float, board: Board | None = None) -> str:
    """The `.hwh` of an overlay.

    name: of the overlay.
    build_id: 64 bits, what the core's build-id register holds.
    clock_mhz: wanted frequency of FCLK0; `clock(clock_mhz).mhz` is what it becomes.
    board: that it is for; by default the PYNQ-Z2.
    """
    board = board or load(DEFAULT_BOARD)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lutlens.host"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        keep_trailing_newline=True,
    )
    from lutlens.board.driver import VLNV  # imports pynq, which takes a second

    unused = Clock((10, 2), enabled=False)
    return environment.get_template("overlay.hwh.jinja").render(
        name=name,
        core=CORE,
        vlnv=VLNV,
        base=BASE_ADDRESS,
        range=ADDRESS_RANGE,
        build_id=build_id,
        registers=registers(),
        access=_ACCESS,
        board=board,
        clocks=[clock(clock_mhz), unused, unused, unused],
    )
