"""Constraints of a board's top, as XDC."""

from __future__ import annotations

from lutlens.host.boards import Board


def pins(board: Board) -> str:
    """Where the top's ports are. Only what both Vivado and nextpnr-xilinx understand."""
    lines = []
    for i, pin in enumerate(board.leds.pins):
        port = f"[get_ports {{led_o[{i}]}}]"
        lines.append(f"set_property PACKAGE_PIN {pin} {port}")
        lines.append(f"set_property IOSTANDARD {board.leds.iostandard} {port}")
    return "\n".join(lines) + "\n"


def timing(clock_mhz: float) -> str:
    """FCLK0's period, and what no clock waits for. For Vivado."""
    return (
        f"create_clock -name fclk0 -period {1000 / clock_mhz:.6f} "
        "[get_pins {u_ps7/FCLKCLK[0]}]\n"
        "set_false_path -through [get_pins {u_ps7/FCLKRESETN[0]}]\n"
        "set_false_path -to [get_ports {led_o[*]}]\n"
    )
