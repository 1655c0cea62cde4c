"""A `.bit` file, for stand-ins and for tests of what reads it."""

from __future__ import annotations


def bitfile(part: str, payload: bytes = bytes(1000)) -> bytes:
    """The smallest that passes for one."""
    data = bytes.fromhex("00090ff00ff00ff00ff0000001")
    for letter, text in (("a", "top"), ("b", part), ("c", "2026/11/22"), ("d", "12:00:00")):
        field = text.encode() + b"\0"
        data += letter.encode() + len(field).to_bytes(2, "big") + field
    stream = b"\xff" * 32 + bytes.fromhex("aa995566") + payload
    return data + b"e" + len(stream).to_bytes(4, "big") + stream
