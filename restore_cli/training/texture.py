"""What film, paper, lens and scanner add to the whole picture: softness, grain, halftone, noise, lost resolution.

Pictures are uint8 (H, W, 3) RGB; `scale` enlarges the lengths of a recipe (1 at its reference size).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from restore_cli.training.recipes import Recipe

Picture = NDArray[np.uint8]


def soften(picture: Picture, rng: np.random.Generator, recipe: Recipe, severity: float, scale: float) -> Picture:
    """Defocus or an old lens; now and then a short motion blur."""
    low, high = recipe.soft_sigma_px
    sigma = scale * (low + (high - low) * severity * rng.random())
    if rng.random() < 0.12:
        return _shake(picture, rng, max(2, round(3 * sigma)))
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def _shake(picture: Picture, rng: np.random.Generator, length_px: int) -> Picture:
    kernel = np.zeros((length_px, length_px), np.float32)
    angle = rng.uniform(0, np.pi)
    middle, reach = (length_px - 1) / 2, length_px / 2
    offset = reach * np.array([np.cos(angle), np.sin(angle)])
    start, end = (np.rint(16 * (middle + sign * offset)).astype(int).tolist() for sign in (-1, 1))
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_8, shift=4)
    return np.asarray(cv2.filter2D(picture, -1, kernel / max(1.0, kernel.sum())), np.uint8)


def add_grain(picture: Picture, rng: np.random.Generator, recipe: Recipe, severity: float, scale: float) -> Picture:
    """Film grain: grey noise with a correlation length, strongest in the middle tones."""
    low, high = recipe.grain_std
    std = 255 * (low + (high - low) * severity * rng.random())
    size = scale * rng.uniform(*recipe.grain_size_px)
    grain = rng.standard_normal(picture.shape[:2], dtype=np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), size)
    grain *= np.float32(std / max(1e-6, float(grain.std())))
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    ramp = np.linspace(-1, 1, 256)
    grain *= cv2.LUT(luma, (1 - 0.6 * ramp**2).astype(np.float32))
    return np.asarray(cv2.add(picture, cv2.merge([grain] * 3), dtype=cv2.CV_8U), np.uint8)


def add_sensor_noise(picture: Picture, rng: np.random.Generator, recipe: Recipe, severity: float) -> Picture:
    """Independent noise in each channel, as scanners and cameras add it."""
    low, high = recipe.sensor_noise_std
    noise = rng.standard_normal(picture.shape, dtype=np.float32)
    noise *= np.float32(255 * (low + (high - low) * severity * rng.random()))
    return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)


def halftone(picture: Picture, rng: np.random.Generator, scale: float) -> Picture:
    """The dot screen of a printed reproduction: brightness becomes dot size, softened by paper and scanner."""
    height, width = picture.shape[:2]
    pitch = scale * rng.uniform(2.5, 5.0)
    angle = rng.choice((15, 45, 75)) * np.pi / 180
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) * np.float32(2 * np.pi / pitch)
    along = np.cos(np.cos(angle) * columns + np.sin(angle) * rows)
    across = np.cos(np.cos(angle) * rows - np.sin(angle) * columns)
    screen = 0.5 + 0.25 * (along + across)
    ink = picture.astype(np.float32) / 255 - screen[..., None]
    dots = 255 / (1 + np.exp(-ink * np.float32(rng.uniform(4, 9))))
    mixed = cv2.addWeighted(dots.astype(np.float32), 0.6, picture.astype(np.float32), 0.4, 0)
    return np.rint(mixed).clip(0, 255).astype(np.uint8)


def rescan(picture: Picture, rng: np.random.Generator, recipe: Recipe) -> Picture:
    """Scanned small and enlarged again."""
    height, width = picture.shape[:2]
    share = rng.uniform(*recipe.rescan_share)
    small = (max(1, round(width * share)), max(1, round(height * share)))
    shrunk = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    back = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=back), np.uint8)
