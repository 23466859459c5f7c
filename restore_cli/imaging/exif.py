"""EXIF blocks: what must change in them when a photo's pixels were turned or repainted.

A block is patched in place wherever possible: camera makers put offsets into their private notes, which break when the
block is laid out anew.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

from restore_cli.imaging.ifd import (
    EXIF_DIRECTORY,
    INTEGER_CODES,
    RATIONAL,
    TYPE_BYTES,
    ByteOrder,
    Directory,
    Field,
    Layout,
    bytes_at,
    directory_at,
    directory_bytes,
    integer_field,
    layout_of,
    with_children,
)

ORIENTATION = 0x0112
MAKER_NOTE = 0x927C
WIDTH_TAGS = (0x0100, 0xA002)  # ImageWidth, PixelXDimension
HEIGHT_TAGS = (0x0101, 0xA003)  # ImageLength, PixelYDimension
EMPTY = b"II*\0\x08\0\0\0" + bytes(6)
"""A block that says nothing."""
THUMBNAIL_OFFSET, THUMBNAIL_BYTES = 0x0201, 0x0202
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, INCH = 282, 283, 296, 2
PREFIX = b"Exif\0\0"

NOT_DESCRIPTIVE = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291, 292}
    | {293, 317, 320, 321, 322, 323, 324, 325, 326, 327, 328, 330, 332, 333, 334, 336, 337, 338, 339, 340, 341, 347}
    | {512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 559}
    | {700, 33723, 34377, 34675, 37724}
)
"""TIFF tags that describe how the pixels are stored, or that are carried elsewhere (XMP, IPTC, ICC), or that hold a
second copy of the old picture (Photoshop's layers, 37724, and resources, 34377)."""


def without_prefix(block: bytes) -> bytes | None:
    """The bare TIFF structure of an EXIF block, None if it is none. Some writers repeat JPEG's prefix elsewhere."""
    block = block.removeprefix(PREFIX)
    try:
        layout_of(io.BytesIO(block))
    except ValueError:
        return None
    return block


def orientation(block: bytes) -> int:
    """1 to 8 as in EXIF; 1 where nothing (valid) is said."""
    try:
        stream = io.BytesIO(block)
        layout = layout_of(stream)
        return orientation_of(directory_at(stream, layout, layout.first), layout)
    except ValueError:
        return 1


def orientation_of(directory: Directory, layout: Layout) -> int:
    """The same for a directory that is already read."""
    field = directory.fields.get(ORIENTATION)
    value = field.integers(layout.order)[0] if field is not None and field.type in INTEGER_CODES else 1
    return value if 1 <= value <= 8 else 1


def resolution(block: bytes) -> tuple[float, float] | None:
    """Horizontal and vertical dots per inch; None where they or their unit are not stated."""
    stream = io.BytesIO(block)
    try:
        layout = layout_of(stream)
        fields = directory_at(stream, layout, layout.first).fields
        dots_per_unit = {2: 1.0, 3: 2.54}[fields[RESOLUTION_UNIT].integers(layout.order)[0]]
        ratios = [struct.unpack(layout.order + "II", fields[tag].data) for tag in (X_RESOLUTION, Y_RESOLUTION)]
        return ratios[0][0] / ratios[0][1] * dots_per_unit, ratios[1][0] / ratios[1][1] * dots_per_unit
    except (ValueError, KeyError, struct.error, ZeroDivisionError):
        return None


def resolution_fields(dpi: tuple[float, float], order: ByteOrder) -> list[Field]:
    """The three fields that state a resolution."""
    ratios = [Fraction(value).limit_denominator(10_000) for value in dpi]
    return [
        *(
            Field(tag, RATIONAL, struct.pack(order + "II", min(ratio.numerator, 2**32 - 1), ratio.denominator))
            for tag, ratio in zip((X_RESOLUTION, Y_RESOLUTION), ratios, strict=True)
        ),
        integer_field(RESOLUTION_UNIT, order, INCH),
    ]


def with_resolution(block: bytes, dpi: tuple[float, float]) -> bytes:
    """The block with this resolution; the block itself if it cannot be understood.

    Its main directory moves to the end, where there is room for more fields, and nothing else moves.
    """
    stream = io.BytesIO(block)
    try:
        layout = layout_of(stream)
        if layout.big:
            return block
        (count,) = struct.unpack(layout.order + "H", bytes_at(stream, layout.first, 2))
        table = bytes_at(stream, layout.first + 2, 12 * count)
    except ValueError:
        return block
    stated = resolution_fields(dpi, layout.order)
    numbers = {struct.pack(layout.order + "H", field.tag) for field in stated}
    rows = [row for start in range(0, len(table), 12) if (row := table[start : start + 12])[:2] not in numbers]
    at = len(block) + len(block) % 2
    behind = directory_bytes(stated, layout.order, at=at + 12 * len(rows))
    rows += [behind[start : start + 12] for start in range(2, 2 + 12 * len(stated), 12)]
    rows.sort(key=lambda row: struct.unpack(layout.order + "H", row[:2]))
    head = block[:4] + struct.pack(layout.order + "I", at) + block[8:].ljust(at - 8, b"\0")
    return head + struct.pack(layout.order + "H", len(rows)) + b"".join(rows) + behind[2 + 12 * len(stated) :]


def corrected(block: bytes, size: tuple[int, int]) -> bytes | None:
    """The block for an upright picture of `size` (height, width) without thumbnail; None if it cannot be understood.

    Orientation becomes 1, the size tags are set where they exist, and the resolutions of a photo that lay on its side
    are exchanged; the thumbnail, which shows the unrestored picture,
    is cut off or blanked.
    """
    stream = io.BytesIO(block)
    try:
        layout = layout_of(stream)
        main = directory_at(stream, layout, layout.first)
        below = _exif_directory(stream, layout, main)
        patched = bytearray(block)
        if orientation_of(main, layout) >= 5:
            _exchange_resolutions(patched, main)
        for directory in (main, below) if below is not None else (main,):
            _set(patched, layout, directory, (ORIENTATION,), 1)
            _set(patched, layout, directory, WIDTH_TAGS, size[1])
            _set(patched, layout, directory, HEIGHT_TAGS, size[0])
        return _without_thumbnail(patched, stream, layout, main)
    except ValueError:
        return None


def without_maker_note(block: bytes) -> bytes | None:
    """The block laid out anew without its largest part, for containers with little room; None if not understood."""
    stream = io.BytesIO(block)
    try:
        layout = layout_of(stream)
        fields = with_children(stream, layout, directory_at(stream, layout, layout.first))
    except ValueError:
        return None
    return block_of(_drop(fields, MAKER_NOTE), layout)


def of_tiff(stream: BinaryIO, layout: Layout, directory: Directory) -> bytes | None:
    """An EXIF block from the descriptive tags of a TIFF's directory; None if there are none."""
    fields = with_children(stream, layout, directory)
    kept = tuple(field for field in fields if field.tag not in NOT_DESCRIPTIVE and field.type < 16)
    return block_of(kept, layout) if kept else None


def block_of(fields: tuple[Field, ...], layout: Layout) -> bytes:
    """Lay fields out as a block of their own, in the byte order they have."""
    header = (b"II" if layout.order == "<" else b"MM") + struct.pack(layout.order + "HI", 42, 8)
    return header + directory_bytes(fields, layout.order, at=8)


def _drop(fields: tuple[Field, ...], tag: int) -> tuple[Field, ...]:
    return tuple(
        field
        if field.children is None
        else Field(field.tag, field.type, field.data, field.at, _drop(field.children, tag))
        for field in fields
        if field.tag != tag
    )


def _exif_directory(stream: BinaryIO, layout: Layout, main: Directory) -> Directory | None:
    pointer = main.fields.get(EXIF_DIRECTORY)
    if pointer is None:
        return None
    try:
        return directory_at(stream, layout, pointer.integers(layout.order)[0])
    except ValueError:
        return None


def _set(patched: bytearray, layout: Layout, directory: Directory, tags: tuple[int, ...], value: int) -> None:
    for tag in tags:
        field = directory.fields.get(tag)
        if field is not None and field.type in INTEGER_CODES and value < 256 ** TYPE_BYTES[field.type]:
            struct.pack_into(layout.order + INTEGER_CODES[field.type], patched, field.at, value)


def _exchange_resolutions(patched: bytearray, main: Directory) -> None:
    across, down = main.fields.get(X_RESOLUTION), main.fields.get(Y_RESOLUTION)
    if across is not None and down is not None and across.type == down.type == RATIONAL:
        patched[across.at : across.at + 8], patched[down.at : down.at + 8] = down.data[:8], across.data[:8]


def _without_thumbnail(patched: bytearray, stream: BinaryIO, layout: Layout, main: Directory) -> bytes:
    if not main.next:
        return bytes(patched)
    struct.pack_into(layout.word, patched, main.next_at, 0)
    try:
        fields = directory_at(stream, layout, main.next).fields
        start = fields[THUMBNAIL_OFFSET].integers(layout.order)[0]
        stop = start + fields[THUMBNAIL_BYTES].integers(layout.order)[0]
    except (ValueError, KeyError):
        return bytes(patched)
    used = list(_spans(with_children(stream, layout, main)))
    if stop > len(patched) or any(first < stop and start < last for first, last in used):
        return bytes(patched)  # offsets that make no sense: the thumbnail is out of the chain, its bytes may be others'
    if all(last <= start for _, last in used) and start > main.next_at:
        return bytes(patched[:start])
    patched[start:stop] = bytes(stop - start)
    return bytes(patched)


def _spans(fields: tuple[Field, ...]) -> Iterator[tuple[int, int]]:
    for field in fields:
        yield field.at, field.at + len(field.data)
        yield from _spans(field.children or ())
