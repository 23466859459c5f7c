"""Crops of clean photos, before they are aged. Photos are uint8 (H, W, 3) RGB."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def random_crop(photo: Pixels, side: int, scale: tuple[float, float], rng: np.random.Generator) -> Pixels:
    """A square of `side` px cut at a random place and scale, flipped half of the time; small photos are enlarged."""
    height, width = photo.shape[:2]
    factor = max(float(rng.uniform(*scale)), side / min(height, width))
    cut = min(round(side / factor), height, width)
    top, left = int(rng.integers(height - cut + 1)), int(rng.integers(width - cut + 1))
    crop = photo[top : top + cut, left : left + cut]
    if cut != side:
        way = cv2.INTER_AREA if cut > side else cv2.INTER_CUBIC
        crop = np.asarray(cv2.resize(crop, (side, side), interpolation=way), np.uint8)
    return np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop).astype(np.uint8, copy=False)


def make_grey(photo: Pixels) -> Pixels:
    """(H, W, 3) with all channels set to the luma of Rec. 601, as PIL's "L"."""
    return np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)  # type: ignore[return-value]
