"""TIFF pixels of the plain kinds: 8 or 16 bits a channel, grey or RGB, in strips or tiles, packed without loss.

Pillow keeps only the upper 8 bits of 16-bit colour and knows neither 16-bit grey with alpha nor big-endian BigTIFF, and
tifffile unpacks LZW only with a large C library beside it. So strips and tiles are laid out here (TIFF 6.0, sections 3,
13, 14 and 15), and each is unpacked by zlib or by the libtiff inside Pillow. The many other kinds of TIFF (JPEG,
palette, fax...) are left to Pillow.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restore_cli.imaging.canvas import Canvas
from restore_cli.imaging.ifd import LONG, bytes_at, integer_field
from restore_cli.imaging.photo import Pixels
from restore_cli.imaging.tiff_facts import (
    ASSOCIATED_ALPHA,
    DEFLATE,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    OLD_DEFLATE,
    RGB,
    UNASSOCIATED_ALPHA,
    UNCOMPRESSED,
    TiffFacts,
)
from restore_cli.imaging.tiff_file import write_tiff_file

SMALLEST_CAP = 2**22


def read_plain(stream: BinaryIO, facts: TiffFacts) -> tuple[Canvas, list[str]]:
    """Decode a page for which `facts.is_plain`; the canvas and notes on what was changed.

    Black is 0 and colours are not multiplied with alpha. ValueError if strips are missing, too short, or contradict the
    directory.
    """
    notes: list[str] = []
    channels = 3 if facts.photometric == RGB else 1
    spare = facts.samples - channels
    if spare < 0:
        raise ValueError(f"{facts.samples} samples for RGB")
    meaning = facts.extra[0] if facts.extra else UNASSOCIATED_ALPHA  # many writers of RGBA leave the tag out
    alpha = spare > 0 and meaning in (ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA)
    if spare > alpha:
        notes.append("Channels without a stated meaning (infrared?) were left out.")
    multiplied = alpha and meaning == ASSOCIATED_ALPHA
    if multiplied:
        notes.append("Colours multiplied with alpha were divided again.")
    kept, depth = channels + alpha, np.uint16 if facts.bits[0] == 16 else np.uint8
    canvas = Canvas(facts.size, channels, alpha=alpha, depth=depth, orientation=facts.orientation)
    whole = np.empty((*facts.size, kept), depth) if facts.is_planar else None
    for block, sample, top, left in _blocks(stream, facts):
        if whole is None:
            canvas.put(_upright_values(block[:, :, :kept], facts, multiplied), top, left)
        elif sample < kept:
            whole[top : top + block.shape[0], left : left + block.shape[1], sample] = block[:, :, 0]
    if whole is not None:
        canvas.put(_upright_values(whole, facts, multiplied))
    return canvas, notes


def stretch_to_16_bits(pixels: Pixels, bits: int) -> None:
    """Make white of 9 to 15-bit grey, which Pillow hands out as it is stored, 65535, in place."""
    pixels[:] = np.left_shift(pixels, 16 - bits) | np.right_shift(pixels, 2 * bits - 16)


def _upright_values(block: NDArray[Any], facts: TiffFacts, multiplied: bool) -> NDArray[Any]:
    white = np.iinfo(block.dtype).max
    if facts.photometric == MIN_IS_WHITE:
        block = block.copy()
        block[:, :, 0] = white - block[:, :, 0]
    if multiplied:
        cover = np.maximum(block[:, :, -1:], 1).astype(np.float32)
        colours = np.minimum(np.rint(block[:, :, :-1] * (white / cover)), white)
        block = np.concatenate([colours.astype(block.dtype), block[:, :, -1:]], axis=2)
    return block


def _blocks(stream: BinaryIO, facts: TiffFacts) -> Iterator[tuple[NDArray[Any], int, int, int]]:
    """(block (h, w, samples), its first sample, top, left) for each strip or tile, cut to the picture."""
    height, width = facts.size
    block_height, block_width = facts.block
    if block_height * block_width > max(2 * height * width, SMALLEST_CAP) or not min(height, width):
        raise ValueError("tiles much larger than the picture")
    samples, sample_bytes = 1 if facts.is_planar else facts.samples, facts.bits[0] // 8
    corners = [
        (sample, top, left)
        for sample in range(facts.samples if facts.is_planar else 1)
        for top in range(0, height, block_height)
        for left in range(0, width, block_width)
    ]
    if len(facts.offsets) < len(corners) or len(facts.byte_counts) < len(corners):
        raise ValueError("strips of the picture are missing")
    for (sample, top, left), at, size in zip(corners, facts.offsets, facts.byte_counts, strict=False):
        rows = block_height if facts.is_tiled else min(block_height, height - top)
        packed = bytes_at(stream, at, size)
        unpacked = _unpack(packed, facts.compression, rows * block_width * samples * sample_bytes)
        block = np.frombuffer(unpacked, f"{facts.order}u{sample_bytes}").reshape(rows, block_width, samples)
        if facts.predictor == 2:
            depth = block.dtype.newbyteorder("=")
            block = np.cumsum(block, axis=1, dtype=depth)  # differences are modulo 256 or 65536, as this sum is
        yield block[: height - top, : width - left], sample, top, left


def _unpack(packed: bytes, compression: int, size: int) -> bytes:
    """Exactly `size` bytes, whatever the packed data says; ValueError if there are fewer."""
    if compression == UNCOMPRESSED:
        unpacked = packed[:size]
    elif compression in (DEFLATE, OLD_DEFLATE):
        unpacked = zlib.decompressobj().decompress(packed, size)
    else:
        unpacked = _unpack_by_libtiff(packed, compression, size)
    if len(unpacked) < size:
        raise ValueError("a strip of the picture ends too early")
    return unpacked


def _unpack_by_libtiff(packed: bytes, compression: int, size: int) -> bytes:
    # One strip of bytes is the same as a grey picture of one row.
    values = {256: size, 257: 1, 258: 8, 259: compression, 262: MIN_IS_BLACK, 277: 1, 278: 1}
    fields = [integer_field(tag, "<", value, kind=LONG) for tag, value in values.items()]
    stream = io.BytesIO()
    write_tiff_file(stream, [packed], fields, order="<")
    with Image.open(stream, formats=("TIFF",)) as image:
        unpacked: bytes = image.tobytes()
    return unpacked
