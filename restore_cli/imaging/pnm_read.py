"""PGM and PPM pixels of more than 8 bits, as scanning programs write them, which Pillow would cut to 8 in colour."""

from __future__ import annotations

import re
from typing import BinaryIO

import numpy as np

from restore_cli.imaging.canvas import Canvas
from restore_cli.imaging.levels import to_16_bits

HEADER_BYTES = 2**16
"""At most: it holds four words, and comments."""
BAND_ROWS = 64
PLAIN, COLOUR = (b"2", b"3"), (b"3", b"6")
_HEADER = re.compile(rb"P([2356])" + rb"(?:\s|#[^\r\n]*[\r\n])+(\d+)" * 3 + rb"\s")


def white_of(stream: BinaryIO) -> int:
    """The value of white, 1 to 65535; 255 for kinds that state none. The stream must hold a file of the PNM family."""
    stream.seek(0)
    header = _HEADER.match(stream.read(HEADER_BYTES))
    return int(header[4]) if header else 255


def read_deep(stream: BinaryIO, orientation: int) -> Canvas:
    """Decode a file whose white is above 255 and that was found whole. Its white becomes 65535."""
    stream.seek(0)
    content = stream.read()
    header = _HEADER.match(content)
    assert header is not None  # white_of has found it
    width, height, white = (int(header[index]) for index in (2, 3, 4))
    channels = 3 if header[1] in COLOUR else 1
    if header[1] in PLAIN:
        values = np.array(content[header.end() :].split(), np.uint16)
    else:
        values = np.frombuffer(content, ">u2", width * height * channels, header.end())
    stored = values.reshape(height, width, channels)
    canvas = Canvas((height, width), channels, alpha=False, depth=np.uint16, orientation=orientation)
    for top in range(0, height, BAND_ROWS):
        canvas.put(to_16_bits(stored[top : top + BAND_ROWS], white), top)
    return canvas
