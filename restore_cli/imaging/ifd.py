"""Image file directories: the tagged tree that TIFF files and EXIF blocks share.

Source: TIFF 6.0, section 2, and the BigTIFF proposal; sub-directories as in EXIF 2.32, section 4.6.3. Values stay raw
bytes in the tree's own byte order, so that a block can be moved or patched without understanding all of it. Every
offset and count is checked against the data at hand: both come from strangers. Problems are ValueError.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

ByteOrder = Literal["<", ">"]

EXIF_DIRECTORY = 34665
GPS_DIRECTORY = 34853
INTEROP_DIRECTORY = 40965
SUB_DIRECTORIES = frozenset({EXIF_DIRECTORY, GPS_DIRECTORY, INTEROP_DIRECTORY})

SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 3, 4, 5, 7, 16
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
INTEGER_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}

MAX_FIELDS = 65_535
MAX_DIRECTORIES = 10_000
DIRECTORY_BYTES = 64 * 2**20
"""What the values of one directory may take together; 2 million tiles fit. Larger values are left out."""


@dataclass(frozen=True)
class Layout:
    """How the numbers of one file are written."""

    order: ByteOrder
    big: bool
    """BigTIFF: offsets and counts have 8 bytes."""
    first: int
    """Position of the first directory."""

    @property
    def word(self) -> str:
        """struct code of an offset."""
        return self.order + ("Q" if self.big else "I")


@dataclass(frozen=True)
class Field:
    """One tag with its value."""

    tag: int
    type: int
    data: bytes
    """The raw value; for a sub-directory its offset."""
    at: int = 0
    """Position of the value in the data it was read from."""
    children: tuple[Field, ...] | None = None
    """The fields of the directory that this one points to, where that was followed."""

    def integers(self, order: ByteOrder) -> tuple[int, ...]:
        """The value as unsigned whole numbers; ValueError for other types."""
        code = INTEGER_CODES.get(self.type)
        if code is None:
            raise ValueError(f"tag {self.tag} holds no whole numbers")
        return struct.unpack(f"{order}{len(self.data) // TYPE_BYTES[self.type]}{code}", self.data)


@dataclass(frozen=True)
class Directory:
    """One directory, its sub-directories unread."""

    fields: dict[int, Field]
    next: int
    """Position of the following directory, 0 at the end of the chain."""
    next_at: int
    """Where that pointer itself stands."""
    tags: frozenset[int] = frozenset()
    """All tags that the directory names, also of fields that were left out."""


def layout_of(stream: BinaryIO) -> Layout:
    """Read the header at position 0. ValueError if it is not TIFF's."""
    header = bytes_at(stream, 0, 8)
    order: ByteOrder
    if header[:2] == b"II":
        order = "<"
    elif header[:2] == b"MM":
        order = ">"
    else:
        raise ValueError("no TIFF header")
    version = struct.unpack(order + "H", header[2:4])[0]
    if version == 42:
        return Layout(order, False, struct.unpack(order + "I", header[4:8])[0])
    if version == 43 and struct.unpack(order + "HH", header[4:8]) == (8, 0):
        return Layout(order, True, struct.unpack(order + "Q", bytes_at(stream, 8, 8))[0])
    raise ValueError("no TIFF version known here")


def directory_at(stream: BinaryIO, layout: Layout, position: int, room: int = DIRECTORY_BYTES) -> Directory:
    """Read one directory. Fields with impossible values, or with values beyond `room` bytes in all, are left out."""
    count_code, field_bytes = ("Q", 20) if layout.big else ("H", 12)
    head = struct.calcsize(count_code)
    count: int = struct.unpack(layout.order + count_code, bytes_at(stream, position, head))[0]
    if count > MAX_FIELDS:
        raise ValueError(f"a directory with {count} fields")
    table = bytes_at(stream, position + head, count * field_bytes)
    fields: dict[int, Field] = {}
    tags = set[int]()
    for index in range(count):
        start = index * field_bytes
        row = table[start : start + field_bytes]
        tags.add(*struct.unpack(layout.order + "H", row[:2]))
        field = _field(stream, layout, row, position + head + start, room)
        if field is not None:
            fields.setdefault(field.tag, field)
            room -= len(field.data) if len(field.data) > struct.calcsize(layout.word) else 0
    next_at = position + head + count * field_bytes
    try:
        following: int = struct.unpack(layout.word, bytes_at(stream, next_at, struct.calcsize(layout.word)))[0]
    except ValueError:
        following = 0  # EXIF writers exist that leave the last pointer out
    return Directory(fields, following, next_at, frozenset(tags))


def directories(stream: BinaryIO, layout: Layout) -> Iterator[Directory]:
    """The chain of directories, the first whole, the others with their short values only.

    Ends quietly where the chain bites its own tail.
    """
    seen: set[int] = set()
    position = layout.first
    while position and position not in seen and len(seen) < MAX_DIRECTORIES:
        room = 0 if seen else DIRECTORY_BYTES
        seen.add(position)
        directory = directory_at(stream, layout, position, room)
        yield directory
        position = directory.next


def with_children(stream: BinaryIO, layout: Layout, directory: Directory, depth: int = 2) -> tuple[Field, ...]:
    """The directory's fields, those that point to EXIF, GPS and interoperability directories with their content.

    A pointer that leads nowhere is left out.
    """
    result: list[Field] = []
    for field in directory.fields.values():
        if field.tag not in SUB_DIRECTORIES:
            result.append(field)
        elif depth:
            try:
                below = directory_at(stream, layout, field.integers(layout.order)[0])
            except (ValueError, IndexError):
                continue
            children = with_children(stream, layout, below, depth - 1)
            result.append(Field(field.tag, field.type, field.data, field.at, children))
    return tuple(result)


def directory_bytes(fields: Iterable[Field], order: ByteOrder, *, at: int, big: bool = False) -> bytes:
    """Write a directory with all below it, to lie at the even position `at` of a file; its next pointer is 0."""
    ordered = sorted(fields, key=lambda field: field.tag)
    word, head_code, inline = (order + "Q", "Q", 8) if big else (order + "I", "H", 4)
    pointer_type = LONG8 if big else LONG
    table_bytes = struct.calcsize(head_code) + len(ordered) * (20 if big else 12) + inline
    table = bytearray(struct.pack(order + head_code, len(ordered)))
    behind = bytearray()
    for field in ordered:
        kind, data, count = field.type, field.data, len(field.data) // TYPE_BYTES[field.type]
        if field.children is not None:
            position = at + table_bytes + len(behind)
            behind += directory_bytes(field.children, order, at=position, big=big)
            kind, data, count = pointer_type, struct.pack(word, position), 1
        table += struct.pack(order + "HH", field.tag, kind) + struct.pack(word, count)
        if len(data) <= inline:
            table += data.ljust(inline, b"\0")
        else:
            table += struct.pack(word, at + table_bytes + len(behind))
            behind += data
        behind += bytes(len(behind) % 2)  # values begin on even positions
    return bytes(table) + bytes(inline) + bytes(behind)


def integer_field(tag: int, order: ByteOrder, *values: int, kind: int = SHORT) -> Field:
    """A field of whole numbers."""
    return Field(tag, kind, struct.pack(f"{order}{len(values)}{INTEGER_CODES[kind]}", *values))


def _field(stream: BinaryIO, layout: Layout, row: bytes, position: int, room: int) -> Field | None:
    tag, kind = struct.unpack(layout.order + "HH", row[:4])
    word_bytes = struct.calcsize(layout.word)
    count = struct.unpack(layout.word, row[4 : 4 + word_bytes])[0]
    size = count * TYPE_BYTES.get(kind, 0)
    if not size:
        return None
    if size <= word_bytes:
        return Field(tag, kind, row[4 + word_bytes : 4 + word_bytes + size], position + 4 + word_bytes)
    if size > room:
        return None
    at = struct.unpack(layout.word, row[4 + word_bytes :])[0]
    try:
        return Field(tag, kind, bytes_at(stream, at, size), at)
    except ValueError:
        return None


def bytes_at(stream: BinaryIO, position: int, size: int) -> bytes:
    """ValueError if the file ends before; nothing is allocated then."""
    if position + size > stream.seek(0, os.SEEK_END):
        raise ValueError(f"the file ends before position {position + size}")
    stream.seek(position)
    return stream.read(size)
