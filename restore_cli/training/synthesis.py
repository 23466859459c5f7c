"""A clean photo becomes an old one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from restore_cli.training import fading, texture
from restore_cli.training.damage import damage
from restore_cli.training.decoys import with_decoys
from restore_cli.training.degradation import degrade_published, through_jpeg
from restore_cli.training.holes import irregular_holes
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.prints import log_uniform
from restore_cli.training.recipes import REFERENCE_SIDE_PX, Recipe

Picture = NDArray[np.uint8]

LARGEST_DAMAGE_SCALE = 8.0
LARGEST_OPTICS_SCALE = (
    3.0  # grain and blur of a large scan are larger, but scans of that size also come from better prints
)
HOLE_VALUE = 255  # the published method paints holes white


@dataclass(frozen=True, kw_only=True)
class Aged:
    """A synthetic old photo, what it should be restored to, and where it is damaged."""

    image: Picture
    """(H, W, 3) RGB."""
    target: Picture
    """(H, W, 3): the clean photo; grey or toned where the old print is, with a paper margin where that has one."""
    mask: NDArray[np.bool_]
    """(H, W), 1 where local damage visibly changed the picture; fading, grain and noise do not count."""


def damage_scale(height: int, width: int) -> float:
    """How much larger damage is than at the recipe's reference size; crops below that size count as parts of it."""
    return float(np.clip(min(height, width) / REFERENCE_SIDE_PX, 1.0, LARGEST_DAMAGE_SCALE))


def age(clean: Picture, rng: np.random.Generator, recipe: Recipe, outlines: DamageOutlines | None = None) -> Aged:
    """Age a clean photo, uint8 (H, W, 3) RGB of any size, which is not changed.

    The result depends on the photo, the generator's state, the recipe and the outlines, on nothing else.
    """
    if recipe.fine_scan_chance and rng.random() < recipe.fine_scan_chance:
        return _age_and_enlarge(clean, rng, recipe, outlines)
    scale = damage_scale(*clean.shape[:2]) * log_uniform(rng, *recipe.enlarge)
    if recipe.burnt_chance and rng.random() < recipe.burnt_chance:
        clean = cv2.convertScaleAbs(clean, alpha=rng.uniform(*recipe.burnt_gain))  # type: ignore[assignment]
    if recipe.decoy_chance and rng.random() < recipe.decoy_chance:
        clean = with_decoys(clean, rng, recipe, min(scale, LARGEST_OPTICS_SCALE))
    if rng.random() < recipe.published_share:
        return _age_as_published(clean, rng, recipe, scale, outlines)
    return _age_as_print(clean, rng, recipe, scale, outlines)


def _age_and_enlarge(clean: Picture, rng: np.random.Generator, recipe: Recipe, outlines: DamageOutlines | None) -> Aged:
    """A print of fewer pixels, scanned at the size of `clean`."""
    height, width = clean.shape[:2]
    times = log_uniform(rng, *recipe.fine_scan)
    print_size = (max(1, round(width / times)), max(1, round(height / times)))
    small = np.asarray(cv2.resize(clean, print_size, interpolation=cv2.INTER_AREA), np.uint8)
    aged = age(small, rng, replace(recipe, fine_scan_chance=0.0), outlines)

    def scanned(picture: Picture) -> Picture:
        return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)

    mask = scanned(aged.mask.astype(np.uint8) * 255) > 127
    return Aged(image=scanned(aged.image), target=scanned(aged.target), mask=mask)


def _age_as_published(
    clean: Picture, rng: np.random.Generator, recipe: Recipe, scale: float, outlines: DamageOutlines | None
) -> Aged:
    image = degrade_published(clean, rng, recipe).copy()
    size = (clean.shape[0], clean.shape[1])
    mask: NDArray[np.bool_] = np.zeros(size, bool)
    if rng.random() < recipe.holes_chance:
        mask = irregular_holes(size, rng, recipe, scale, outlines)
        image[mask] = HOLE_VALUE
    return Aged(image=image, target=clean, mask=mask)


def _age_as_print(
    clean: Picture, rng: np.random.Generator, recipe: Recipe, scale: float, outlines: DamageOutlines | None
) -> Aged:
    optics = min(scale, LARGEST_OPTICS_SCALE)
    if rng.random() < recipe.sound_chance:
        return _age_hardly(clean, rng, recipe, optics)
    severity = rng.uniform(*recipe.severity)
    target = clean
    if rng.random() < recipe.border_chance:
        target = _with_border(target, rng, scale)
    if rng.random() < recipe.grey_chance:
        target = fading.to_grey(target)
    grey = fading.is_grey(target)
    if grey and rng.random() < recipe.toned_share:
        target = fading.tone_grey(target, rng)
    image = _expose(target, rng, recipe, severity, optics, grey=grey)
    image = _fade(image, rng, recipe, severity, grey=grey)
    mask: NDArray[np.bool_] = np.zeros(clean.shape[:2], bool)
    if rng.random() < recipe.damage_chance:
        image, mask = damage(image, rng, recipe, scale, outlines)
    return Aged(image=_scan(image, rng, recipe, severity), target=target, mask=mask)


def _age_hardly(clean: Picture, rng: np.random.Generator, recipe: Recipe, optics: float) -> Aged:
    """A sound photo: untouched, or with a little grain and a careful JPEG."""
    target = fading.to_grey(clean) if rng.random() < recipe.grey_chance else clean
    if recipe.oversharp_chance and rng.random() < recipe.oversharp_chance:
        target = texture.oversharpen(target, rng, recipe)
    image = target
    if rng.random() < 0.4:
        image = texture.add_grain(image, rng, recipe, 0.1, optics, grey=fading.is_grey(image))
    if rng.random() < 0.5:
        image = through_jpeg(image, int(rng.integers(80, 99)))
    return Aged(image=image, target=target, mask=np.zeros(clean.shape[:2], bool))


def _with_border(clean: Picture, rng: np.random.Generator, scale: float) -> Picture:
    """A paper margin or the black edge of a film frame, on up to four sides; a restored print keeps it."""
    bordered: Picture = clean.copy()
    brightness = rng.uniform(225, 252) if rng.random() < 0.7 else rng.uniform(2, 25)
    value = np.rint(brightness * np.array((1.0, 0.99, 0.96)))
    height, width = clean.shape[:2]
    margins = np.minimum(scale * rng.uniform(3, 18, 4), min(height, width) / 4) * (rng.random(4) < 0.8)
    top, bottom, left, right = np.rint(margins).astype(int)
    bordered[:top], bordered[height - bottom :] = value, value
    bordered[:, :left], bordered[:, width - right :] = value, value
    return bordered


def _expose(
    target: Picture, rng: np.random.Generator, recipe: Recipe, severity: float, optics: float, *, grey: bool
) -> Picture:
    """What lens, film and printing press make of the scene."""
    image = target
    if rng.random() < recipe.blur_chance:
        image = texture.soften(image, rng, recipe, severity, optics)
    if rng.random() < recipe.halftone_chance:
        image = texture.halftone(image, rng, optics)
    if rng.random() < recipe.paper_chance:
        image = texture.press_paper(image, rng, severity, optics)
    if rng.random() < recipe.grain_chance:
        image = texture.add_grain(image, rng, recipe, severity, optics, grey=grey)
    return image


def _fade(image: Picture, rng: np.random.Generator, recipe: Recipe, severity: float, *, grey: bool) -> Picture:
    if rng.random() < recipe.fade_chance:
        image = fading.fade(image, rng, recipe, severity, grey=grey)
    if rng.random() < recipe.cast_chance:
        image = fading.cast(image, rng, recipe, severity, grey=grey)
    if rng.random() < recipe.uneven_chance:
        image = fading.fade_unevenly(image, rng, recipe, severity)
    return image


def _scan(image: Picture, rng: np.random.Generator, recipe: Recipe, severity: float) -> Picture:
    if rng.random() < recipe.rescan_chance:
        image = texture.rescan(image, rng, recipe)
    if rng.random() < recipe.sensor_noise_chance:
        image = texture.add_sensor_noise(image, rng, recipe, severity)
    if rng.random() < recipe.jpeg_chance:
        image = through_jpeg(image, round(rng.uniform(*recipe.jpeg_quality)))
    return image
