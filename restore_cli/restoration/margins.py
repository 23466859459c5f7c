"""Paper around a picture, as on scans of prints and plates: beside what is black with age, a detector that judges by
colour takes it for damage, and the black would be drawn out over it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from restore_cli.restoration.box import Box
from restore_cli.restoration.pixels import Pixels
from restore_cli.restoration.resampling import halved

SEEN_PX = 400
"""A photo is looked at with a short side of this to twice this: its grain is averaged, its margins are there."""
SMALLEST_PX = 64
BROADEST = 0.15
"""Of the photo's height or width."""
ALONG = 0.75
"""Of a side: how much of it is margin at least."""
BEYOND = 0.1
"""Of its length: where so much goes on in the same colour farther in, it is a sky or a wall."""
SAME_LEVELS = 10
"""Of 255: what a margin's colour may differ from the median along the side."""


@dataclass(frozen=True)
class Margins:
    """Where a photo shows one even colour along a side and something else farther in."""

    height: int
    width: int
    found: NDArray[np.bool_]
    """(h, w) of the photo seen smaller, True = margin."""

    def within(self, box: Box) -> NDArray[np.bool_]:
        """(h, w) for a box of the photo."""
        rows, columns = np.arange(box.top, box.bottom), np.arange(box.left, box.right)
        height, width = self.found.shape
        inside: NDArray[np.bool_] = self.found[(rows * height // self.height)[:, None], columns * width // self.width]
        return inside


def margins_of(photo: Pixels) -> Margins | None:
    """Of a photo (H, W, C); None where it has none."""
    small = photo
    while _is_large(*small.shape[:2]):
        small = halved(small)  # type: ignore[assignment]  # of the dtype that came in
    levels = np.asarray(small * np.float32(255 / np.iinfo(photo.dtype).max), np.float32)
    found: NDArray[np.bool_] = np.zeros(levels.shape[:2], bool)
    for turns in range(4 if min(levels.shape[:2]) >= SMALLEST_PX else 0):
        along_top = _along_top(np.rot90(levels, turns))
        np.rot90(found, turns)[: along_top.shape[0]] |= along_top
    return Margins(photo.shape[0], photo.shape[1], found) if found.any() else None


def _is_large(height: int, width: int) -> bool:
    """Larger than need be, or a panorama whose floats would take much memory."""
    short, long = sorted((height, width))
    return short >= 2 * SEEN_PX or (long >= 8 * SEEN_PX and short >= 2 * SMALLEST_PX)


def _along_top(levels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """levels: (H, W, C). Returns (h, W) for the first rows: the margin in them, or nothing."""
    rows = levels[: round(BROADEST * levels.shape[0])]
    same = (np.abs(rows - np.median(rows[0], axis=0)) <= SAME_LEVELS).all(axis=2)
    _, parts = cv2.connectedComponents(same.astype(np.uint8), connectivity=4)
    margin = same & np.isin(parts, np.unique(parts[0][same[0]]))
    is_margin = margin[0].mean() >= ALONG and margin[-1].mean() <= BEYOND
    return margin if is_margin else np.zeros_like(margin)
