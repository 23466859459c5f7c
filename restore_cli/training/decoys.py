"""Small things that belong to the scene and look like damage: moles, blossoms, buttons, masts, wires.

Photos to train with have few of them on plain ground, and a detector takes those of real prints for specks and
scratches. Here they are drawn before lens, film and decades: their edges are as soft as those of the photo, its grain
goes over them and they have faded with it. That is what sets them apart from dust on the print.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from restore_cli.training import strokes
from restore_cli.training.fading import is_grey
from restore_cli.training.prints import Canvas, Colour, DamagedPrint, Picture, log_uniform
from restore_cli.training.recipes import Recipe

MOST_GROUPS = 3
MOST_OF_A_KIND = 8
PATCH_PX = (2, 30)
"""Radius at scale 1: from a button to a shirt."""


def with_decoys(scene: Picture, rng: np.random.Generator, recipe: Recipe, scale: float) -> Picture:
    """A scene, uint8 (H, W, 3) RGB, with up to three groups of small things in it, each of one kind and colour."""
    photo, grey = DamagedPrint(scene, rng, recipe, scale), is_grey(scene)
    for _ in range(int(rng.integers(1, MOST_GROUPS + 1))):
        canvas = photo.canvas()
        draw: Callable[[DamagedPrint, Canvas, int], None] = (_dots, _patches, _lines)[int(rng.integers(3))]
        draw(photo, canvas, int(rng.integers(1, MOST_OF_A_KIND + 1)))
        soft_px, opacity = scale * rng.uniform(0.3, 0.8), rng.uniform(0.6, 1)
        if rng.random() < 0.4:  # darker than what is around, as moles are
            photo.tint(canvas, _shade(rng, grey=grey), soft_px=soft_px, uneven=rng.uniform(0, 0.4), opacity=opacity)
        else:
            colour = _colour_of_scene(scene, rng, grey=grey)
            photo.cover(canvas, colour, soft_px=soft_px, uneven=rng.uniform(0, 0.4), opacity=opacity)
    drawn: Picture = photo.picture
    return drawn


def _dots(photo: DamagedPrint, canvas: Canvas, count: int) -> None:
    radii = photo.scale * np.exp(photo.rng.uniform(-0.3, 1.8, count))
    for centre, radius in zip(photo.anywhere(count), radii, strict=True):
        strokes.dot(canvas, centre, radius, 255)


def _patches(photo: DamagedPrint, canvas: Canvas, count: int) -> None:
    radii = np.array([photo.scale * log_uniform(photo.rng, *PATCH_PX) for _ in range(count)])
    for outline in strokes.blobs(photo.rng, photo.anywhere(count), radii, photo.rng.uniform(0.1, 0.6)):
        strokes.fill(canvas, outline)


def _lines(photo: DamagedPrint, canvas: Canvas, count: int) -> None:
    rng = photo.rng
    for start in photo.anywhere(count):
        angle, length = rng.uniform(0, 2 * np.pi), photo.scale * log_uniform(rng, 8, 120)
        end = start + length * np.array((np.cos(angle), np.sin(angle)))
        strokes.draw_line(canvas, np.stack((start, end)), photo.line_width(0.8, 3))


def _shade(rng: np.random.Generator, *, grey: bool) -> Colour:
    tint = (1.0, 1.0, 1.0) if grey else (1.0, rng.uniform(0.85, 1), rng.uniform(0.75, 1))
    return rng.uniform(0.3, 0.75) * np.array(tint)


def _colour_of_scene(scene: Picture, rng: np.random.Generator, *, grey: bool) -> Colour:
    """One that the scene has somewhere, or nearly white, or nearly black."""
    kind = rng.random()
    if kind < 0.4:
        row, column = rng.integers(scene.shape[0]), rng.integers(scene.shape[1])
        return np.asarray(scene[row, column], np.float64)
    level = rng.uniform(190, 255) if kind < 0.75 else rng.uniform(5, 60)
    tints = np.zeros(3) if grey else rng.normal(0, 8, 3)
    return np.asarray(np.clip(level + tints, 0, 255))
