"""Photos as PNG: 8 or 16 bits, grey or RGB, with alpha and everything carried.

Written here because Pillow knows no 16-bit colour and OpenCV no metadata. Source: PNG specification, third edition. The
file is written block by block, so that nothing as large as the picture is held beside it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from restore_cli.imaging import iptc
from restore_cli.imaging.photo import Carried, Photo

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {(1, False): 0, (3, False): 2, (1, True): 4, (3, True): 6}
BLOCK_BYTES = 2**18
METRES_PER_INCH = 0.0254
LEVEL = 4
"""zlib's level: 6 takes three times as long for files 6 % smaller."""


def write_png(photo: Photo, file: BinaryIO) -> None:
    """Write the file from its start."""
    height, width, channels = photo.pixels.shape
    depth = 8 * photo.pixels.itemsize
    colour = COLOUR_TYPES[channels, photo.alpha is not None]
    file.write(SIGNATURE)
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    for kind, data in _carried_chunks(photo.carried):
        _chunk(file, kind, data)
    packer = zlib.compressobj(LEVEL)
    for block in _filtered_blocks(photo):
        packed = packer.compress(block)
        if packed:
            _chunk(file, b"IDAT", packed)
    _chunk(file, b"IDAT", packer.flush())
    _chunk(file, b"IEND", b"")


def _chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + kind)
    file.write(data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))


def _carried_chunks(carried: Carried) -> Iterator[tuple[bytes, bytes]]:
    for kind, data in carried.png_colour:
        if not carried.icc or kind == b"cICP":  # which goes before a profile
            yield kind, data
    if carried.icc:
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(carried.icc)
    if carried.dpi:
        across, down = (round(value / METRES_PER_INCH) for value in carried.dpi)
        yield b"pHYs", struct.pack(">IIB", across, down, 1)
    if carried.exif:
        yield b"eXIf", carried.exif
    if carried.xmp:
        yield b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + carried.xmp
    if carried.iptc:
        yield b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(iptc.raw_profile(carried.iptc).encode())
    for keyword, text in carried.texts:
        name = keyword.encode("latin-1", "replace")[:79].replace(b"\0", b" ").strip() or b"Comment"
        yield b"iTXt", name + b"\0\0\0\0\0" + _utf_8(text)


def _utf_8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # a JPEG's comment, most likely in Latin-1
        return text.encode("utf-8", "surrogateescape").decode("latin-1").encode()


def _filtered_blocks(photo: Photo) -> Iterator[bytes]:
    """The picture's bytes, each row led by the number of its filter (section 9)."""
    height, width, channels = photo.pixels.shape
    pixel_bytes = (channels + (photo.alpha is not None)) * photo.pixels.itemsize
    rows = max(1, BLOCK_BYTES // (width * pixel_bytes))
    above = np.zeros((1, width * pixel_bytes), np.uint8)
    for top in range(0, height, rows):
        block = photo.pixels[top : top + rows]
        if photo.alpha is not None:
            block = np.concatenate([block, photo.alpha[top : top + rows, :, None]], axis=2)
        big_endian = np.ascontiguousarray(block, block.dtype.newbyteorder(">"))
        raw = big_endian.view(np.uint8).reshape(len(block), -1)
        yield _filter(raw, np.concatenate([above, raw[:-1]]), pixel_bytes)
        above = raw[-1:]


def _filter(raw: NDArray[np.uint8], up: NDArray[np.uint8], pixel_bytes: int) -> bytes:
    """For each row the filter whose result has the smallest sum of absolute values (section 12.7)."""
    left, corner = (np.pad(rows, ((0, 0), (pixel_bytes, 0)))[:, :-pixel_bytes] for rows in (raw, up))
    average = ((left.astype(np.uint16) + up) >> 1).astype(np.uint8)
    candidates = np.stack([raw, raw - left, raw - up, raw - average, raw - _paeth(left, up, corner)])
    cost = np.minimum(candidates, -candidates).sum(axis=2, dtype=np.uint32)
    best = cost.argmin(axis=0)
    rows = candidates[best, np.arange(len(raw))]
    return np.concatenate([best.astype(np.uint8)[:, None], rows], axis=1).tobytes()


def _paeth(left: NDArray[np.uint8], up: NDArray[np.uint8], corner: NDArray[np.uint8]) -> NDArray[np.uint8]:
    across, down = up.astype(np.int16) - corner, left.astype(np.int16) - corner
    by_left, by_up, by_corner = np.abs(across), np.abs(down), np.abs(across + down)
    return np.where((by_left <= by_up) & (by_left <= by_corner), left, np.where(by_up <= by_corner, up, corner))
