"""A first guess for damaged pixels, from what surrounds them."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from restore_cli.imaging.photo import Pixels

RADIUS_PX = 3
MARGIN_PX = 8
"""Around damage: nothing farther away has a say in how it is filled."""
SMALL_PX = 2**16
"""A box of so many pixels is not parted any more."""
LEAST_SIDE = 3
"""OpenCV reads beyond thinner grey pictures."""

Span = tuple[int, int]


def fill_from_surroundings(pixels: Pixels, mask: NDArray[np.bool_]) -> Pixels:
    """(H, W, C) uint8 or uint16, C = 1 or 3, with the pixels of the mask (H, W) filled in by fast marching.

    Source: Telea 2004, as OpenCV has it, in boxes that damage far from theirs does not reach: the same pixels, with
    memory for the largest box. OpenCV fills 8 bits only; in a 16-bit photo the filled pixels, and no others, have 8
    bits of depth, and the networks that see them replace them. A photo damaged everywhere stays as it is.
    """
    if not mask.any() or mask.all():
        return pixels
    filled = pixels
    for (top, bottom), (left, right) in _boxes(mask, (0, mask.shape[0]), (0, mask.shape[1])):
        rows = slice(max(top - MARGIN_PX, 0), bottom + MARGIN_PX)
        columns = slice(max(left - MARGIN_PX, 0), right + MARGIN_PX)
        holes = mask[rows, columns]
        guess = _telea(pixels[rows, columns], holes)
        filled = pixels.copy() if filled is pixels else filled  # not before the first box, which may be all there is
        filled[rows, columns][holes] = guess[holes]
    return filled


def _telea(pixels: Pixels, mask: NDArray[np.bool_]) -> Pixels:
    height, width = mask.shape
    if min(height, width) < LEAST_SIDE:
        sides = ((0, max(LEAST_SIDE - height, 0)), (0, max(LEAST_SIDE - width, 0)))
        pixels, mask = np.pad(pixels, (*sides, (0, 0)), mode="edge"), np.pad(mask, sides, mode="edge")  # type: ignore[assignment]
    deep = pixels.dtype == np.uint16
    eight = np.ascontiguousarray(pixels >> 8 if deep else pixels, np.uint8)
    guess = cv2.inpaint(eight, np.ascontiguousarray(mask).view(np.uint8), RADIUS_PX, cv2.INPAINT_TELEA)
    guess = guess.reshape(pixels.shape)[:height, :width]
    return guess.astype(np.uint16) * np.uint16(257) if deep else guess  # type: ignore[return-value]


def _boxes(mask: NDArray[np.bool_], rows: Span, columns: Span) -> Iterator[tuple[Span, Span]]:
    """Boxes that hold all damage of a part of the mask, each two margins apart from the others."""
    part = mask[slice(*rows), slice(*columns)]
    row_runs = _runs(np.asarray(part.any(axis=1)), rows[0])
    for run in row_runs:
        column_runs = _runs(np.asarray(mask[slice(*run), slice(*columns)].any(axis=0)), columns[0])
        for across in column_runs:
            is_whole = len(row_runs) == len(column_runs) == 1
            if is_whole or (run[1] - run[0]) * (across[1] - across[0]) <= SMALL_PX:
                yield run, across
            else:
                yield from _boxes(mask, run, across)


def _runs(damaged: NDArray[np.bool_], first: int) -> list[Span]:
    """Runs of damaged lines, those joined that are closer than two margins. first: number of the first line."""
    lines = np.flatnonzero(damaged)
    gaps = np.flatnonzero(np.diff(lines) > 2 * MARGIN_PX)
    starts, stops = lines[np.r_[0, gaps + 1]], lines[np.r_[gaps, len(lines) - 1]]
    return [(int(start) + first, int(stop) + first + 1) for start, stop in zip(starts, stops, strict=True)]
