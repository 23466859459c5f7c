"""Photos as TIFF: 8 or 16 bits, grey or RGB, with alpha and everything carried.

Written here and not by Pillow (no 16-bit colour) or tifffile (no EXIF directory, no LZW without a large C library).
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image

from restore_cli.imaging import exif
from restore_cli.imaging.ifd import (
    LONG,
    UNDEFINED,
    ByteOrder,
    Field,
    bytes_at,
    directory_at,
    integer_field,
    layout_of,
    with_children,
)
from restore_cli.imaging.photo import Carried, Photo
from restore_cli.imaging.tiff_facts import (
    DEFLATE,
    ICC,
    IPTC,
    LZW,
    MIN_IS_BLACK,
    RGB,
    UNASSOCIATED_ALPHA,
    UNCOMPRESSED,
    XMP,
    facts_of,
)
from restore_cli.imaging.tiff_file import write_tiff_file

COMPRESSIONS = {"none": UNCOMPRESSED, "lzw": LZW, "deflate": DEFLATE}
STRIP_BYTES = 2**20
DEFLATE_LEVEL = 4
BIG_FROM_BYTES = 4 * 10**9
"""Classic TIFF ends at 4 GiB; the rest is room for metadata."""
HORIZONTAL_PREDICTOR = 2


def write_tiff(photo: Photo, file: BinaryIO) -> None:
    """Write to a seekable file, packed as the photo was if that was without loss, else with deflate."""
    carried = photo.carried
    compression = COMPRESSIONS.get(carried.compression or "deflate", DEFLATE)
    order, described = _descriptive_fields(carried)
    height, width, channels = photo.pixels.shape
    samples = channels + (photo.alpha is not None)
    row_bytes = width * samples * photo.pixels.itemsize
    rows = min(height, max(1, STRIP_BYTES // row_bytes))
    fields = [
        *described,
        integer_field(256, order, width, kind=LONG),
        integer_field(257, order, height, kind=LONG),
        integer_field(258, order, *[8 * photo.pixels.itemsize] * samples),
        integer_field(259, order, compression),
        integer_field(262, order, RGB if channels == 3 else MIN_IS_BLACK),
        integer_field(277, order, samples),
        integer_field(278, order, rows, kind=LONG),
        integer_field(284, order, 1),
    ]
    if compression != UNCOMPRESSED:
        fields.append(integer_field(317, order, HORIZONTAL_PREDICTOR))
    if photo.alpha is not None:
        fields.append(integer_field(338, order, UNASSOCIATED_ALPHA))
    big = row_bytes * height > BIG_FROM_BYTES
    write_tiff_file(file, _strips(photo, rows, compression, order), fields, order=order, big=big)


def _strips(photo: Photo, rows: int, compression: int, order: ByteOrder) -> Iterator[bytes]:
    for top in range(0, photo.pixels.shape[0], rows):
        block = photo.pixels[top : top + rows]
        if photo.alpha is not None:
            block = np.concatenate([block, photo.alpha[top : top + rows, :, None]], axis=2)
        if compression != UNCOMPRESSED:
            before = np.zeros_like(block[:, :1])
            block = np.diff(block, axis=1, prepend=before)  # modulo 256 or 65536, as the predictor wants it
        data = block.astype(block.dtype.newbyteorder(order), copy=False).tobytes()
        if compression == DEFLATE:
            yield zlib.compress(data, DEFLATE_LEVEL)
        elif compression == LZW:
            yield _packed_by_libtiff(data, "tiff_lzw")
        else:
            yield data


def _packed_by_libtiff(data: bytes, compression: str) -> bytes:
    # libtiff packs the strip as a grey picture of one row; bytes stay bytes.
    stream = io.BytesIO()
    Image.frombytes("L", (len(data), 1), data).save(stream, "TIFF", compression=compression)
    facts = facts_of(stream)
    assert len(facts.offsets) == 1
    return bytes_at(stream, facts.offsets[0], facts.byte_counts[0])


def _descriptive_fields(carried: Carried) -> tuple[ByteOrder, list[Field]]:
    order: ByteOrder = "<"
    fields: list[Field] = []
    if carried.exif is not None:
        stream = io.BytesIO(carried.exif)
        layout = layout_of(stream)
        order = layout.order
        every = with_children(stream, layout, directory_at(stream, layout, layout.first))
        fields = [field for field in every if field.tag not in exif.NOT_DESCRIPTIVE]
    if carried.dpi is not None:
        resolution = exif.resolution_fields(carried.dpi, order)
        stated = {field.tag for field in resolution}
        fields = [*(field for field in fields if field.tag not in stated), *resolution]
    blocks = ((XMP, 1, carried.xmp), (IPTC, UNDEFINED, carried.iptc), (ICC, UNDEFINED, carried.icc))
    fields += [Field(tag, kind, data) for tag, kind, data in blocks if data]
    return order, fields
