from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from restore_cli.imaging import Carried, Photo, exif, iptc, read, write

Encode = Callable[..., bytes]


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_png_metadata_behind_the_pixels_is_found(
    colours: NDArray[np.uint8], xmp_packet: bytes, exif_block: Callable[..., bytes], depth: Any
) -> None:
    """Metadata editors append it there."""
    stream = io.BytesIO()
    write(Photo(colours.astype(depth), None, Carried()), stream)
    end = stream.getvalue()[-12:]
    tail = b""
    for kind, data in ((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp_packet), (b"eXIf", exif_block(1))):
        tail += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    carried = read(stream.getvalue()[:-12] + tail + end).carried
    assert carried.xmp == xmp_packet
    assert carried.exif == exif_block(1)


def test_profiles_in_png_texts_are_unwrapped(
    colours: NDArray[np.uint8], encoded: Encode, iptc_records: bytes, exif_block: Callable[..., bytes]
) -> None:
    """ImageMagick writes EXIF and IPTC as hexadecimal texts."""
    texts = PngInfo()
    block = exif.PREFIX + exif_block(6)
    texts.add_text("Raw profile type exif", f"\nexif\n{len(block):8d}\n{block.hex()}\n", zip=True)
    texts.add_text("Raw profile type iptc", iptc.raw_profile(iptc_records), zip=True)
    texts.add_text("Author", "Großmutter")
    photo = read(encoded(colours, "PNG", pnginfo=texts))
    assert photo.pixels.shape == (36, 24, 3)  # the orientation inside counts
    assert photo.carried.exif == exif_block(6)
    assert photo.carried.iptc == iptc_records
    assert photo.carried.texts == (("Author", "Großmutter"),)


def test_a_jpeg_that_states_no_resolution_has_none(colours: NDArray[np.uint8], encoded: Encode) -> None:
    """Pillow would invent 72."""
    assert read(encoded(colours, "JPEG")).carried.dpi is None
    with_exif = encoded(colours, "JPEG", exif=exif.PREFIX + exif.with_resolution(exif.EMPTY, (240.0, 240.0)))
    assert read(with_exif).carried.dpi == (240.0, 240.0)


def test_a_quarter_turn_exchanges_the_resolutions(colours: NDArray[np.uint8], encoded: Encode) -> None:
    turned = Image.Exif()
    turned[0x0112] = 8
    assert read(encoded(colours, "PNG", exif=turned, dpi=(300, 600))).carried.dpi == (600.0, 300.0)
    assert read(encoded(colours, "TIFF", exif=turned, dpi=(300, 600))).carried.dpi == (600.0, 300.0)


def test_a_tiff_resolution_in_centimetres_is_understood(colours: NDArray[np.uint8], encoded: Encode) -> None:
    data = encoded(colours, "TIFF", resolution_unit="cm", x_resolution=100.0, y_resolution=100.0)
    assert read(data).carried.dpi == (254.0, 254.0)


@pytest.mark.parametrize("comment", ["Gänse 1931".encode("latin-1"), "ä".encode() * 32_000])
def test_a_jpeg_comment_in_any_encoding_and_length_keeps_its_bytes(
    colours: NDArray[np.uint8], encoded: Encode, comment: bytes
) -> None:
    stream = io.BytesIO()
    assert write(read(encoded(colours, "JPEG", comment=comment)), stream) == ()
    with Image.open(stream) as image:
        assert image.info["comment"] == comment


def test_each_of_several_jpeg_comments_stays(colours: NDArray[np.uint8], encoded: Encode) -> None:
    photo = read(encoded(colours, "JPEG", comment=b"second", extra=b"\xff\xfe\0\x07first"))
    stream = io.BytesIO()
    write(photo, stream)
    assert {text for _, text in read(stream.getvalue()).carried.texts} == {"first", "second"}


def test_a_jpeg_comment_that_is_no_utf_8_is_readable_in_a_png(colours: NDArray[np.uint8], encoded: Encode) -> None:
    stream = io.BytesIO()
    write(read(encoded(colours, "JPEG", comment="Gänse 1931".encode("latin-1"))), stream, format="png")
    with Image.open(stream) as image:
        assert image.text["Comment"] == "Gänse 1931"  # type: ignore[attr-defined]


def test_photoshops_block_in_a_jpeg_gives_its_iptc(
    colours: NDArray[np.uint8], encoded: Encode, iptc_records: bytes
) -> None:
    assert read(encoded(colours, "JPEG", extra=iptc.app13_segments(iptc_records))).carried.iptc == iptc_records
