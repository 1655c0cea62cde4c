"""The `.bit` file: a header of tagged fields, then what the configuration logic takes.

A field is a byte for its letter, a length of two bytes, and text: a, the design; b, the part; c and d,
date and time. Field e, with a length of four bytes, is the bitstream. Everything is big endian.
"""

from __future__ import annotations

from dataclasses import dataclass

SYNC = bytes.fromhex("aa995566")
_PREAMBLE = bytes.fromhex("0009 0ff0 0ff0 0ff0 0ff0 00 0001")
_SYNC_WITHIN = 4096


class BitfileError(ValueError):
    """A file that is no bitstream; the message says where it departs from one."""


@dataclass(frozen=True)
class Bitfile:
    """What the header says of a bitstream."""

    design: str
    part: str
    date: str
    time: str
    bitstream: bytes

    @classmethod
    def from_bytes(cls, data: bytes) -> Bitfile:
        """Take a `.bit` file apart. Raises BitfileError."""
        if not data.startswith(_PREAMBLE):
            raise BitfileError("the header of a .bit file is missing")
        at = len(_PREAMBLE)
        texts = []
        for letter in b"abcd":
            tag, length = data[at : at + 1], int.from_bytes(data[at + 1 : at + 3], "big")
            text = data[at + 3 : at + 3 + length]
            if tag != bytes([letter]) or len(text) != length:
                raise BitfileError(f"field {chr(letter)} of the header is missing")
            texts.append(text.rstrip(b"\0").decode("ascii", "replace"))
            at += 3 + length
        length = int.from_bytes(data[at + 1 : at + 5], "big")
        bitstream = data[at + 5 :]
        if data[at : at + 1] != b"e" or len(bitstream) != length:
            raise BitfileError(f"field e must hold {length} bytes, holds {len(bitstream)}")
        if SYNC not in bitstream[:_SYNC_WITHIN]:
            raise BitfileError("no synchronisation word at the bitstream's beginning")
        design, part, date, time = texts
        return cls(design, part, date, time, bitstream)

    def is_for(self, device: str, package: str) -> bool:
        """Whether it is for the part; tools write it with or without `xc` and speed grade."""
        return self.part.removeprefix("xc").startswith((device + package).removeprefix("xc"))
