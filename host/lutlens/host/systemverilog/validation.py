"""What the network core cannot be generated for."""

from __future__ import annotations

from lutlens.host.modulation import Modulation
from lutlens.host.netlist import Netlist

MAX_MAX_WIDTH = 8192
PIXELS_PER_CLOCK = (1, 2, 4, 8)


class GenerationError(ValueError):
    """A network for which there is no SystemVerilog; the message names the field and its limit."""


def validate(
    netlist: Netlist,
    build_id: int,
    max_width: int,
    pixels_per_clock: int = 1,
    modulation: Modulation | None = None,
) -> None:
    """Raises GenerationError."""
    if pixels_per_clock not in PIXELS_PER_CLOCK:
        numbers = ", ".join(map(str, PIXELS_PER_CLOCK))
        raise GenerationError(f"pixels_per_clock: {pixels_per_clock}, must be one of {numbers}")
    width = netlist.input_shape[1]
    if not width <= max_width <= MAX_MAX_WIDTH or max_width % pixels_per_clock:
        raise GenerationError(
            f"max_width: {max_width}, must be {width} (the image's width) to {MAX_MAX_WIDTH} "
            f"and a multiple of {pixels_per_clock} (pixels_per_clock)"
        )
    _check_recurrent(netlist, max_width)
    channels = netlist.input_shape[2]
    if modulation and (channels > 1 or width % pixels_per_clock):
        raise GenerationError(
            f"modulator: images of {width} columns and {channels} channel(s); it takes one channel, "
            "and whole pixels_per_clock in a line"
        )
    if not 0 <= build_id < 1 << 64:
        raise GenerationError(f"build_id: {build_id:#x}, must be 64 bits")


def _check_recurrent(netlist: Netlist, max_width: int) -> None:
    """A line is one position of a recurrent stage, so lines are no longer than an image's."""
    width = max_width
    for i, stage in enumerate(netlist.stages):
        width = ((width - stage.window[1]) // stage.stride[1] + 1) // stage.pool[1]
        if stage.state and width != 1:
            raise GenerationError(
                f"max_width: {max_width}, in which stage {i}, recurrent, has {width} positions a line; "
                f"must be the image's {netlist.input_shape[1]}, or the next multiple of a smaller "
                "pixels_per_clock"
            )
