"""PNG pixels of 16 bits a channel, which Pillow would cut to 8 in colour."""

from __future__ import annotations

import struct
from typing import BinaryIO

import cv2
import numpy as np

from restore_cli.imaging.canvas import Canvas

HEADER_BYTES = 33
BAND_ROWS = 64
GREY, GREY_ALPHA = 0, 4
PICTURE_CHUNKS = (b"IHDR", b"tRNS", b"IDAT", b"IEND")


def bits_of(stream: BinaryIO) -> int:
    """Bits of a sample, as the header announces them: 1, 2, 4, 8 or 16. The stream must hold a PNG."""
    stream.seek(0)
    return stream.read(HEADER_BYTES)[24]


def read_16_bit(stream: BinaryIO, orientation: int) -> Canvas:
    """Decode a PNG whose checksums were found right. ValueError if it is damaged all the same."""
    bare = _picture_only(stream)
    colour_type, transparent = bare[25], b"tRNS" in bare[HEADER_BYTES : HEADER_BYTES + 8]
    decoded = cv2.imdecode(np.frombuffer(bare, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype != np.uint16:
        raise ValueError("the picture data is damaged")
    if decoded.ndim == 2:
        decoded = decoded[:, :, None]
    channels = 1 if colour_type in (GREY, GREY_ALPHA) else 3
    samples = [0] if channels == 1 else [2, 1, 0]  # OpenCV's order is blue, green, red
    alpha = decoded.shape[2] == 4
    canvas = Canvas(decoded.shape[:2], channels, alpha=alpha or transparent, depth=np.uint16, orientation=orientation)
    for top in range(0, len(decoded), BAND_ROWS):
        band = decoded[top : top + BAND_ROWS]
        if transparent and not alpha:
            (key,) = struct.unpack(">H", bare[HEADER_BYTES + 8 : HEADER_BYTES + 10])
            canvas.put(np.dstack([band, np.where(band == key, 0, 65_535)]), top)
        else:
            canvas.put(band[:, :, [*samples, 3] if alpha else samples], top)
    return canvas


def _picture_only(stream: BinaryIO) -> bytes:
    """The file without profiles and texts, which libpng would comment on, on the terminal."""
    stream.seek(0)
    parts = [stream.read(8)]
    while len(head := stream.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        body = stream.read(size + 4)
        if kind in PICTURE_CHUNKS:
            parts += [head, body]
    return b"".join(parts)
