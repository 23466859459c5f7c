"""Irregular holes of the published recipe: strokes, blobs and real outlines until a share of the picture is gone."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from restore_cli.training import strokes
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.pasting import paste_outline
from restore_cli.training.prints import log_uniform
from restore_cli.training.recipes import Recipe

MOST_SHAPES = 60


def irregular_holes(
    size: tuple[int, int],
    rng: np.random.Generator,
    recipe: Recipe,
    scale: float,
    outlines: DamageOutlines | None = None,
) -> NDArray[np.bool_]:
    """(H, W) mask, 1 where the picture is gone; it covers about a share drawn from `recipe.hole_coverage`."""
    canvas = np.zeros(size, np.uint8)
    wanted = canvas.size * log_uniform(rng, *recipe.hole_coverage)
    use_outlines = outlines is not None and rng.random() < recipe.outline_chance
    for _ in range(MOST_SHAPES):
        _add_hole(canvas, rng, scale, recipe, outlines if use_outlines else None)
        if cv2.countNonZero(canvas) >= wanted:
            break
    return canvas > 127


def _add_hole(
    canvas: strokes.Canvas,
    rng: np.random.Generator,
    scale: float,
    recipe: Recipe,
    outlines: DamageOutlines | None,
) -> None:
    height, width = size = (canvas.shape[0], canvas.shape[1])
    if outlines is not None and rng.random() < 0.6:
        paste_outline(canvas, rng, outlines, scale, largest_px=recipe.outline_px)
        return
    kind = rng.random()
    if kind < 0.35:
        strokes.draw_line(canvas, strokes.scratch(rng, size, scale), scale * rng.uniform(1, 4))
    elif kind < 0.6:
        thickest = scale * rng.uniform(1, 4)
        for path, thickness in strokes.crack(rng, size, scale):
            strokes.draw_line(canvas, path, thickness * thickest)
    elif kind < 0.75:
        strokes.draw_line(canvas, strokes.hair(rng, size, scale), scale * rng.uniform(1, 6))
    else:
        count = int(rng.integers(1, 6))
        radii = scale * np.exp(rng.uniform(np.log(1), np.log(14), count))
        for outline in strokes.blobs(rng, rng.uniform((0, 0), (width, height), (count, 2)), radii, rng.uniform(0, 0.6)):
            strokes.fill(canvas, outline)
