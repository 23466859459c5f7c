from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from restore_cli.imaging import exif
from restore_cli.imaging.ifd import LONG, Field, directory_bytes, integer_field


def tags(block: bytes) -> Image.Exif:
    """An independent reader."""
    read = Image.Exif()
    read.load(block)
    return read


@pytest.mark.parametrize("order", ["<", ">"])
def test_turning_a_photo_corrects_its_tags_in_place(exif_block: Callable[..., bytes], order: str) -> None:
    """Private notes hold offsets: they must keep their place to the byte."""
    block = exif_block(6, order)
    fixed = exif.corrected(block, (24, 36))
    assert fixed is not None
    assert exif.orientation(block) == 6
    assert tags(fixed)[0x0112] == 1
    below = tags(fixed).get_ifd(0x8769)
    assert (below[0xA002], below[0xA003]) == (36, 24)
    assert fixed.index(b"private notes") == block.index(b"private notes")
    assert tags(fixed)[0x010F] == "Zeiss Ikon"
    assert tags(fixed).get_ifd(0x8825)[1] == "N"


def test_the_thumbnail_of_the_old_picture_is_gone(exif_block: Callable[..., bytes]) -> None:
    fixed = exif.corrected(exif_block(), (24, 36))
    assert fixed is not None
    assert b"unrestored" not in fixed
    assert not tags(fixed).get_ifd(1)


def test_a_thumbnail_in_the_middle_is_blanked() -> None:
    """What stands behind it must not move."""
    thumbnail = b"unrestored"
    second = (integer_field(0x0201, "<", 38, kind=LONG), integer_field(0x0202, "<", len(thumbnail), kind=LONG))
    small = directory_bytes(second, "<", at=8) + thumbnail
    main = directory_bytes([Field(0x010F, 2, b"Zeiss Ikon\0")], "<", at=8 + len(small))
    main = main[:14] + struct.pack("<I", 8) + main[18:]
    block = b"II*\0" + struct.pack("<I", 8 + len(small)) + small + main
    fixed = exif.corrected(block, (24, 36))
    assert fixed is not None
    assert fixed[38:48] == bytes(10)
    assert len(fixed) == len(block)
    assert tags(fixed)[0x010F] == "Zeiss Ikon"


def test_resolution_is_read_and_written_back() -> None:
    assert exif.resolution(exif.with_resolution(exif.EMPTY, (300.0, 72.5))) == (300.0, 72.5)
    assert exif.resolution(b"II*\0\x08\0\0\0\0\0\0\0\0\0") is None


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_resolution_is_added_and_nothing_else_moves(exif_block: Callable[..., bytes], order: str) -> None:
    block = exif_block(1, order)
    stated = exif.with_resolution(block, (300.0, 72.5))
    assert exif.resolution(stated) == (300.0, 72.5)
    assert stated[8 : len(block)] == block[8:]
    read = tags(stated)
    assert (read[0x010F], read[0x011A], read[0x011B], read[0x0128]) == ("Zeiss Ikon", 300, 72.5, 2)
    assert read.get_ifd(0x8769)[0xA002] == 9999
    assert read.get_ifd(0x8825)[1] == "N"


def test_resolutions_are_exchanged_with_the_sides() -> None:
    fields = [*exif.resolution_fields((204.0, 98.0), "<"), integer_field(0x0112, "<", 6)]
    block = b"II*\0\x08\0\0\0" + directory_bytes(fields, "<", at=8)
    fixed = exif.corrected(block, (24, 36))
    assert fixed is not None
    assert (tags(fixed)[0x011A], tags(fixed)[0x011B]) == (98, 204)


def test_private_notes_can_be_left_out(exif_block: Callable[..., bytes]) -> None:
    smaller = exif.without_maker_note(exif_block(note=bytes(70_000)))
    assert smaller is not None
    assert len(smaller) < 1000
    assert tags(smaller)[0x010F] == "Zeiss Ikon"
    assert tags(smaller).get_ifd(0x8769)[0xA002] == 9999


def test_what_is_no_exif_is_recognised() -> None:
    assert exif.corrected(b"not at all", (1, 1)) is None
    assert exif.without_prefix(b"Exif\0\0nonsense") is None
    assert exif.orientation(b"") == 1
    assert exif.orientation(exif.EMPTY) == 1


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_damaged_blocks_never_raise(data: st.DataObject) -> None:
    """The block comes from strangers; half of them were written by broken software."""
    good = bytearray(exif.with_resolution(exif.EMPTY, (300.0, 300.0)) + bytes(30))
    for _ in range(data.draw(st.integers(1, 6))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(
            st.sampled_from([0, 1, 2, 8, 0x69, 0x87, 0x7F, 0xFF])
        )
    block = bytes(good[: data.draw(st.integers(0, len(good)))])
    fixed = exif.corrected(block, (24, 36))
    assert fixed is None or len(fixed) <= len(block)
    exif.resolution(block)
    exif.without_maker_note(block)
    assert 1 <= exif.orientation(block) <= 8
