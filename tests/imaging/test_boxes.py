from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from restore_cli.imaging import boxes, read
from restore_cli.imaging.plugins import prepare_pillow

Encode = Callable[..., bytes]
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
IPTC_UUID = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def with_more(jp2: bytes, *, header: bytes = b"", before: bytes = b"") -> bytes:
    """A JP2 file with boxes added at the start of its header and before its codestream."""
    at = jp2.index(b"jp2h") - 4
    (size,) = struct.unpack(">I", jp2[at : at + 4])
    ihdr = at + 8 + 22
    longer = struct.pack(">I", size + len(header)) + jp2[at + 4 : ihdr] + header + jp2[ihdr : at + size]
    return jp2[:at] + longer + before + jp2[at + size :]


@pytest.fixture
def jp2(colours: NDArray[np.uint8], encoded: Encode) -> bytes:
    if "JPEG2000" not in prepare_pillow():
        pytest.skip("this Pillow has no JPEG 2000")
    return encoded(colours, "JPEG2000")


@pytest.mark.parametrize("method", [2, 3])
def test_an_archives_jpeg_2000_keeps_its_profile_and_metadata(
    jp2: bytes,
    icc: bytes,
    xmp_packet: bytes,
    iptc_records: bytes,
    exif_block: Callable[..., bytes],
    colours: NDArray[np.uint8],
    method: int,
) -> None:
    blocks = box(b"uuid", XMP_UUID + xmp_packet) + box(b"uuid", b"JpgTiffExif->JP2" + exif_block(1))
    blocks += box(b"uuid", IPTC_UUID + iptc_records) + box(b"uuid", bytes(16) + b"somebody's own")
    photo = read(with_more(jp2, header=box(b"colr", bytes([method, 0, 0]) + icc), before=blocks))
    carried = photo.carried
    assert np.array_equal(photo.pixels, colours)
    assert (carried.icc, carried.xmp, carried.exif) == (icc, xmp_packet, exif_block(1))
    assert carried.iptc == iptc_records


@pytest.mark.parametrize(("flags", "bits"), [(0x0C, 8), (0x4C, 10), (0x6C, 12)])
def test_the_depth_of_an_avif_is_in_its_codec_configuration(flags: int, bits: int) -> None:
    configuration = box(b"av1C", bytes([0x81, 0, flags, 0]))
    file = box(b"ftyp", b"avif") + box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", configuration)))
    assert boxes.avif_bits(io.BytesIO(file)) == bits


def test_boxes_with_impossible_sizes_end_the_search() -> None:
    long = struct.pack(">I4sQ", 1, b"long", 20) + b"four"
    rest = struct.pack(">I4s", 0, b"rest") + b"to the end"
    file = long + rest
    found = [(kind, file[start:stop]) for kind, start, stop in boxes.boxes(io.BytesIO(file), 0, len(file))]
    assert found == [(b"long", b"four"), (b"rest", b"to the end")]
    for size in (1, 4, 100):
        stream = io.BytesIO(struct.pack(">I4s", size, b"evil") + bytes(8))
        assert list(boxes.boxes(stream, 0, 16)) == []
