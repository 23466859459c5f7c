"""Outlines of real damage, turned, resized and pasted into an opacity canvas."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.prints import log_uniform

Canvas = NDArray[np.uint8]


def paste_outline(
    canvas: Canvas, rng: np.random.Generator, outlines: DamageOutlines, scale: float, *, largest_px: float
) -> None:
    """Paste one outline at a random place, possibly over the edge; the canvas keeps the larger opacity.

    The outline is made so small that it covers at most `largest_px` pixels at scale 1. That is no share of the canvas,
    or a crop to train on would never hold a blot as large as the whole picture has.
    """
    height, width = canvas.shape
    outline = outlines.draw(rng, (max(16, round(1.2 * height / scale)), max(16, round(1.2 * width / scale))))
    if outline is None:
        return
    outline = turned(outline, rng)
    factor = scale * log_uniform(rng, 0.25, 1.0)
    largest = scale * np.sqrt(largest_px / max(1, cv2.countNonZero(outline)))
    factor = min(factor, largest)
    target = (max(2, round(outline.shape[1] * factor)), max(2, round(outline.shape[0] * factor)))
    shaped = cv2.resize(outline, target, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    if factor < 1:
        # Averaging makes thin hairs faint; on a print they get thin, not faint.
        shaped = cv2.convertScaleAbs(shaped, alpha=min(2.5, 1 / factor))
    top = int(rng.integers(-shaped.shape[0] // 2, height - shaped.shape[0] // 2))
    left = int(rng.integers(-shaped.shape[1] // 2, width - shaped.shape[1] // 2))
    _paste_brighter(canvas, np.asarray(shaped, np.uint8), top, left)


def turned(outline: Canvas, rng: np.random.Generator) -> Canvas:
    """One of the eight turns and flips."""
    if rng.random() < 0.5:
        outline = outline.T
    if rng.random() < 0.5:
        outline = outline[::-1]
    if rng.random() < 0.5:
        outline = outline[:, ::-1]
    return np.ascontiguousarray(outline)


def _paste_brighter(canvas: Canvas, shaped: Canvas, top: int, left: int) -> None:
    height, width = canvas.shape
    rows = slice(max(0, top), min(height, top + shaped.shape[0]))
    columns = slice(max(0, left), min(width, left + shaped.shape[1]))
    if rows.start < rows.stop and columns.start < columns.stop:
        part = shaped[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        np.maximum(canvas[rows, columns], part, out=canvas[rows, columns])
