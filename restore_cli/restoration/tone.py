"""What happens to a result after the networks: tone, strength, and whether anything was changed at all."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from restore_cli.restoration.pixels import Pixels, quantise, to_unit_pixels

SOUND_MEAN = 1.0 / 255
SOUND_PEAK = 8.0 / 255
"""A photo without damage whose result differs by less than this on average, and at the 99.9th percentile, is sound."""
ROWS = 256
"""Looked at together: of a large photo, floats of all of it would take as much as many photos."""


def stretch(unit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Darkest value to 0, brightest to 1, over all channels together: what the released code does to every result.

    In place, and returned.
    """
    low, high = float(unit.min()), float(unit.max())
    unit -= low
    unit /= max(high - low, 1e-5)
    return unit


def blend(image: Pixels, unit: NDArray[np.float32], strength: float) -> Pixels:
    """The photo (H, W, C) moved towards the result (H, W, 3 or C) in [0, 1] by `strength`; grey stays grey (luma).

    Returns the photo's dtype and shape; strength 0 gives its pixels exactly.
    """
    if strength == 0:
        return image
    if image.shape[2] == 1 and unit.shape[2] == 3:
        unit = cv2.cvtColor(np.ascontiguousarray(unit), cv2.COLOR_RGB2GRAY)[:, :, None].astype(np.float32)
    if strength < 1:
        before = to_unit_pixels(image)
        unit = before + strength * (unit - before)
    return quantise(unit, image.dtype)


def blend_levels(image: Pixels, restored: Pixels, strength: float) -> Pixels:
    """`blend` with a result that has levels already, the photo's shape and dtype; changed in place, and returned."""
    if strength < 1:
        for top in range(0, len(image), ROWS):
            rows = slice(top, top + ROWS)
            restored[rows] = blend(image[rows], to_unit_pixels(restored[rows]), strength)
    return restored


def is_sound(image: Pixels, restored: Pixels) -> bool:
    """Whether the result says that nothing was wrong with the photo, beyond what an eye or a scanner would notice."""
    scale, total, beyond = np.iinfo(image.dtype).max, 0, 0
    for top in range(0, len(image), ROWS):
        before, after = image[top : top + ROWS], restored[top : top + ROWS]
        difference = np.abs(after.astype(np.int32) - before.astype(np.int32))
        total += int(difference.sum())
        beyond += int((difference > SOUND_PEAK * scale).sum())
    return total < SOUND_MEAN * scale * image.size and beyond < 0.001 * image.size
