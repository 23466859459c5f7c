"""The skeleton of a TIFF file: header, strips, one directory at the end."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from restore_cli.imaging.ifd import LONG, LONG8, ByteOrder, Field, directory_bytes, integer_field

STRIP_OFFSETS, STRIP_BYTE_COUNTS = 273, 279


def write_tiff_file(
    file: BinaryIO, strips: Iterable[bytes], fields: Sequence[Field], *, order: ByteOrder, big: bool = False
) -> None:
    """Write strips that are already packed, and the fields that describe them; their offsets and sizes are added.

    big: BigTIFF, needed from 4 GB on. The file must be seekable and at its start.
    """
    mark = b"II" if order == "<" else b"MM"
    header = struct.pack(order + "2sHHHQ", mark, 43, 8, 0, 0) if big else struct.pack(order + "2sHI", mark, 42, 0)
    file.write(header)
    position = len(header)
    offsets: list[int] = []
    sizes: list[int] = []
    for strip in strips:
        offsets.append(position)
        sizes.append(len(strip))
        position += file.write(strip) + file.write(bytes(len(strip) % 2))  # directories begin on even positions
    kind = LONG8 if big else LONG
    places = (
        integer_field(STRIP_OFFSETS, order, *offsets, kind=kind),
        integer_field(STRIP_BYTE_COUNTS, order, *sizes, kind=kind),
    )
    file.write(directory_bytes([*fields, *places], order, at=position, big=big))
    file.seek(8 if big else 4)
    file.write(struct.pack(order + ("Q" if big else "I"), position))
