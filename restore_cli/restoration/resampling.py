"""A large photo seen smaller, and what was found there put back to its size, without a copy of the photo as floats."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from restore_cli.restoration.box import Box
from restore_cli.restoration.pixels import Pixels, Seen

ROWS = 256
"""Enlarged at a time."""


def shrunk(image: Pixels, height: int, width: int) -> NDArray[np.float32]:
    """(H, W, C) to (height, width, C) in the photo's own levels: of each point the four pixels around it.

    That is bilinear interpolation without a filter, PyTorch's with align_corners=False, as the released code has it.
    """
    out = np.zeros((height, width, image.shape[2]), np.float32)
    for rows, row_share in _neighbours(image.shape[0], height):
        for columns, column_share in _neighbours(image.shape[1], width):
            out += (row_share[:, None] * column_share)[:, :, None] * image[rows[:, None], columns]
    return out


def halved(picture: Seen) -> Seen:
    """(H, W, C) to (H // 2, W // 2, C) by means; an odd last row or column is left out."""
    height, width = (side // 2 for side in picture.shape[:2])
    small = cv2.resize(picture[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return small.reshape(height, width, picture.shape[2])  # type: ignore[return-value]  # of the dtype that came in


def enlarged(found: NDArray[np.float32], height: int, width: int) -> Iterator[tuple[Box, NDArray[np.float32]]]:
    """Bands of (h, w) enlarged to (height, width) by repeating the nearest value, each with its place."""
    rows = np.arange(height) * found.shape[0] // height
    columns = np.arange(width) * found.shape[1] // width
    for top in range(0, height, ROWS):
        bottom = min(top + ROWS, height)
        yield Box(top, 0, bottom, width), found[rows[top:bottom, None], columns]


def _neighbours(size: int, points: int) -> list[tuple[NDArray[np.int_], NDArray[np.float32]]]:
    """The pixel before each point and the one after it, and how much each counts."""
    place = np.maximum((np.arange(points) + 0.5) * (size / points) - 0.5, 0)
    before = place.astype(np.int_)
    share = (place - before).astype(np.float32)
    return [(before, 1 - share), (np.minimum(before + 1, size - 1), share)]
