"""The colour space of a PNG that has no ICC profile: its chunks sRGB, gAMA, cHRM and cICP.

Source: PNG specification, third edition, section 11.3.2.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

Chunks = tuple[tuple[bytes, bytes], ...]
UNIT = 100_000
SRGB_GAMMA, GAMMA_ROUNDING = 45_455, 500
SRGB_CORNERS = (31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
CORNER_ROUNDING = 100
SRGB_CODES = b"\x01\x0d"
"""Primaries and transfer of sRGB (ITU-T H.273)."""
SIGNATURE_BYTES = 8


def colour_chunks(info: dict[str | tuple[int, int], Any], stream: BinaryIO) -> Chunks:
    """(name, content) of the chunks that a file has. info: Pillow's; stream: the file."""
    chunks: list[tuple[bytes, bytes]] = []
    if (codes := _cicp(stream)) is not None:
        chunks.append((b"cICP", codes))
    if "srgb" in info:
        chunks.append((b"sRGB", bytes([info["srgb"]])))
    if "gamma" in info:
        chunks.append((b"gAMA", struct.pack(">I", round(info["gamma"] * UNIT))))
    if "chromaticity" in info:
        chunks.append((b"cHRM", struct.pack(">8I", *(round(value * UNIT) for value in info["chromaticity"]))))
    return tuple(chunks)


def are_srgb(chunks: Chunks) -> bool:
    """Whether they say what every viewer takes for granted. cICP counts before sRGB, and that before gAMA."""
    said = dict(chunks)
    if b"cICP" in said:
        return said[b"cICP"][:2] == SRGB_CODES
    if b"sRGB" in said:
        return True
    (gamma,) = struct.unpack(">I", said.get(b"gAMA", struct.pack(">I", SRGB_GAMMA)))
    corners = struct.unpack(">8I", said.get(b"cHRM", struct.pack(">8I", *SRGB_CORNERS)))
    near = all(abs(one - other) <= CORNER_ROUNDING for one, other in zip(corners, SRGB_CORNERS, strict=True))
    return near and abs(gamma - SRGB_GAMMA) <= GAMMA_ROUNDING


def _cicp(stream: BinaryIO) -> bytes | None:
    """Pillow does not read it. It stands before the pixels."""
    stream.seek(SIGNATURE_BYTES)
    while len(head := stream.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        if kind == b"cICP":
            return stream.read(size) if size == 4 else None
        if kind == b"IDAT":
            return None
        stream.seek(size + 4, 1)
    return None
