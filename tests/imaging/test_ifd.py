from __future__ import annotations

import io
import struct
from typing import Any

import pytest

from restore_cli.imaging.ifd import (
    EXIF_DIRECTORY,
    LONG,
    Field,
    directories,
    directory_at,
    directory_bytes,
    integer_field,
    layout_of,
    with_children,
)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_a_tree_written_is_the_tree_read(order: Any, big: bool) -> None:
    below = (integer_field(0xA002, order, 7), Field(0x927C, 7, b"odd length of the notes"))
    fields = (integer_field(256, order, 1, 2, 3, 4, 5), Field(EXIF_DIRECTORY, LONG, b"", children=below))
    mark = b"II" if order == "<" else b"MM"
    header = struct.pack(order + "2sHHHQ", mark, 43, 8, 0, 16) if big else struct.pack(order + "2sHI", mark, 42, 8)
    stream = io.BytesIO(header + directory_bytes(fields, order, at=len(header), big=big))
    layout = layout_of(stream)
    assert (layout.order, layout.big) == (order, big)
    read = with_children(stream, layout, directory_at(stream, layout, layout.first))
    assert read[0].integers(order) == (1, 2, 3, 4, 5)
    assert read[1].children is not None
    assert [(field.tag, field.data) for field in read[1].children] == [
        (0x927C, b"odd length of the notes"),
        (0xA002, struct.pack(order + "H", 7)),
    ]


def test_values_that_lie_outside_the_file_are_left_out() -> None:
    table = struct.pack("<HHHII", 1, 270, 2, 2**31, 8) + bytes(4)
    stream = io.BytesIO(b"II*\0\x08\0\0\0" + table)
    assert directory_at(stream, layout_of(stream), 8).fields == {}


def test_values_that_overlap_cannot_fill_the_memory() -> None:
    """Thousands of fields may all point at the same megabyte."""
    rows = b"".join(struct.pack("<HHII", tag, 1, 2**20, 0) for tag in range(1000))
    stream = io.BytesIO(b"II*\0\x08\0\0\0" + struct.pack("<H", 1000) + rows + bytes(4 + 2**20))
    fields = directory_at(stream, layout_of(stream), 8, room=5 * 2**20).fields
    assert len(fields) == 5


def test_a_chain_that_bites_its_tail_ends() -> None:
    stream = io.BytesIO(b"II*\0\x08\0\0\0" + struct.pack("<HI", 0, 8))
    assert len(list(directories(stream, layout_of(stream)))) == 1


@pytest.mark.parametrize("data", [b"", b"II", b"II*\0", b"XX*\0\x08\0\0\0", b"II+\0\x07\0\0\0\0\0\0\0\0\0\0\0"])
def test_what_is_no_tiff_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"TIFF|ends before"):
        layout_of(io.BytesIO(data))
