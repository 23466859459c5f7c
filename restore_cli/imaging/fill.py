"""A first guess for damaged pixels, from what surrounds them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from restore_cli.imaging.photo import Pixels

RADIUS_PX = 3


def fill_from_surroundings(pixels: Pixels, mask: NDArray[np.bool_]) -> Pixels:
    """(H, W, C) uint8 or uint16, C = 1 or 3, with the pixels of the mask (H, W) filled in by fast marching.

    Source: Telea 2004, as OpenCV has it. OpenCV fills 8 bits only; in a 16-bit photo the filled pixels, and no others,
    have 8 bits of depth, and the networks that see them replace them. A photo damaged everywhere stays as it is.
    """
    if not mask.any() or mask.all():
        return pixels
    deep = pixels.dtype == np.uint16
    eight = (pixels >> 8).astype(np.uint8) if deep else pixels
    guess = cv2.inpaint(np.ascontiguousarray(eight), mask.astype(np.uint8), RADIUS_PX, cv2.INPAINT_TELEA)
    guess = guess.reshape(pixels.shape)
    filled: Pixels = pixels.copy()
    filled[mask] = guess[mask].astype(np.uint16) * 257 if deep else guess[mask]
    return filled
