"""JPEG 2000 pixels of more than 8 bits a channel, which Pillow would cut to 8 in colour."""

from __future__ import annotations

from typing import BinaryIO

import cv2
import numpy as np

from restore_cli.errors import PhotoUnreadable
from restore_cli.imaging.boxes import jp2_bits
from restore_cli.imaging.canvas import Canvas
from restore_cli.imaging.levels import to_16_bits

MODES = ("RGB", "RGBA", "I;16")
"""Pillow's, of the pictures that are read here."""
BAND_ROWS = 64


def read_deep(stream: BinaryIO, orientation: int) -> Canvas:
    """Decode a picture that was found whole. Its white becomes 65535. PhotoUnreadable if OpenCV knows not its kind."""
    white = 2 ** jp2_bits(stream) - 1
    stream.seek(0)
    decoded = cv2.imdecode(np.frombuffer(stream.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype != np.uint16:
        raise PhotoUnreadable(
            "this kind of JPEG 2000 is not read with all its bits", hint="Convert it to a 16-bit TIFF first."
        )
    decoded = np.atleast_3d(decoded)
    samples = [0] if decoded.shape[2] == 1 else [2, 1, 0]  # OpenCV's order is blue, green, red
    alpha = decoded.shape[2] == 4
    canvas = Canvas(decoded.shape[:2], len(samples), alpha=alpha, depth=np.uint16, orientation=orientation)
    for top in range(0, len(decoded), BAND_ROWS):
        band = to_16_bits(decoded[top : top + BAND_ROWS], white)
        canvas.put(band[:, :, [*samples, 3] if alpha else samples], top)
    return canvas
