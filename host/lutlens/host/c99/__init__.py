"""C99 of a network for high-level synthesis and microcontrollers: readable, self-checking, no libraries."""

from lutlens.host.c99.generate import generate

__all__ = ["generate"]
