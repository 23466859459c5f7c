"""What lens, film, paper and scanner add to the whole picture: softness, grain, screens, noise, lost resolution.

Pictures are uint8 (H, W, 3) RGB; `scale` enlarges the lengths of a recipe (1 at its reference size); `severity` is in
[0, 1].
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from restore_cli.training.noise import gaussian
from restore_cli.training.recipes import Range, Recipe

Picture = NDArray[np.uint8]

# Grain is strongest in the middle tones and weak in paper white and in full black.
GRAIN_BY_TONE = (1 - 0.6 * np.linspace(-1, 1, 256) ** 2).astype(np.float32)


def soften(picture: Picture, rng: np.random.Generator, recipe: Recipe, severity: float, scale: float) -> Picture:
    """Defocus or an old lens; now and then a short movement of the camera."""
    sigma = scale * _strength(rng, recipe.soft_sigma_px, severity)
    if rng.random() < 0.12:
        return _shake(picture, rng, max(2, round(3 * sigma)))
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def _shake(picture: Picture, rng: np.random.Generator, length_px: int) -> Picture:
    angle = rng.uniform(0, np.pi)
    middle = (length_px - 1) / 2
    reach = middle * np.array([np.cos(angle), np.sin(angle)])
    ends = [np.rint(16 * (middle + sign * reach)).astype(int).tolist() for sign in (-1, 1)]
    kernel = np.zeros((length_px, length_px), np.float32)
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_8, 4)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.uint8)


def add_grain(
    picture: Picture, rng: np.random.Generator, recipe: Recipe, severity: float, scale: float, *, grey: bool
) -> Picture:
    """Film grain: noise with a correlation length; some colour prints have grains of dye."""
    std = 255 * _strength(rng, recipe.grain_std, severity)
    size = scale * rng.uniform(*recipe.grain_size_px)
    channels = 3 if rng.random() < recipe.dye_share and not grey else 1
    grain = gaussian(rng, (*picture.shape[:2], channels))
    grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), size), np.float32)
    grain *= np.float32(std / max(1e-6, cv2.meanStdDev(grain)[1].mean()))
    if channels == 1:
        luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        grain = np.asarray(cv2.merge([grain * cv2.LUT(luma, GRAIN_BY_TONE)] * 3), np.float32)
    return np.asarray(cv2.add(picture, grain, dtype=cv2.CV_8U), np.uint8)


def oversharpen(picture: Picture, rng: np.random.Generator, recipe: Recipe) -> Picture:
    """Sharper than a lens draws: fine detail added once more, or shrunk without averaging and mirrored to its old size.

    Modern photos often are, and their edges and specks are as hard as dust.
    """
    height, width = picture.shape[:2]
    if rng.random() < 0.5:
        share = rng.uniform(*recipe.subsampling)
        size = max(1, round(share * width)), max(1, round(share * height))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST)
        below, right = height - small.shape[0], width - small.shape[1]
        return np.asarray(cv2.copyMakeBorder(small, 0, below, 0, right, cv2.BORDER_REFLECT_101), np.uint8)
    amount, sigma = rng.uniform(*recipe.sharpening), rng.uniform(0.6, 1.6)
    soft = cv2.GaussianBlur(picture, (0, 0), sigma)
    return np.asarray(cv2.addWeighted(picture, 1 + amount, soft, -amount, 0), np.uint8)


def add_sensor_noise(picture: Picture, rng: np.random.Generator, recipe: Recipe, severity: float) -> Picture:
    """Independent noise in each channel, as scanners and cameras add it."""
    noise = gaussian(rng, picture.shape)
    noise *= np.float32(255 * _strength(rng, recipe.sensor_noise_std, severity))
    return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)


def halftone(picture: Picture, rng: np.random.Generator, scale: float) -> Picture:
    """The dot screen of a printed reproduction: brightness becomes dot size, softened by paper and scanner."""
    size = (picture.shape[0], picture.shape[1])
    screen = _lattice(size, scale * rng.uniform(2.5, 5.0), rng.choice((15, 45, 75)) * np.pi / 180)
    ink = picture * np.float32(1 / 255) - (0.5 + 0.25 * screen)[..., None]
    dots = 255 / (1 + np.exp(-ink * np.float32(rng.uniform(4, 9))))
    return np.asarray(cv2.addWeighted(dots, 0.6, picture.astype(np.float32), 0.4, 0, dtype=cv2.CV_8U), np.uint8)


def press_paper(picture: Picture, rng: np.random.Generator, severity: float, scale: float) -> Picture:
    """The silk or honeycomb surface of portrait papers, whose relief the scanner's lamp shows."""
    relief = _lattice((picture.shape[0], picture.shape[1]), scale * rng.uniform(3, 7), rng.uniform(0, np.pi))
    gain = 1 + np.float32(0.02 + 0.05 * severity * rng.random()) * relief
    return np.asarray(cv2.multiply(picture, cv2.merge([gain] * 3), dtype=cv2.CV_8U), np.uint8)


def _lattice(size: tuple[int, int], pitch_px: float, angle: float) -> NDArray[np.float32]:
    """(H, W) in [-2, 2]: the sum of two waves at right angles."""
    rows = np.arange(size[0], dtype=np.float32)[:, None] * np.float32(2 * np.pi / pitch_px)
    columns = np.arange(size[1], dtype=np.float32)[None] * np.float32(2 * np.pi / pitch_px)
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return np.asarray(np.cos(cosine * columns + sine * rows) + np.cos(cosine * rows - sine * columns))


def rescan(picture: Picture, rng: np.random.Generator, recipe: Recipe) -> Picture:
    """Scanned small and enlarged again."""
    height, width = picture.shape[:2]
    share = rng.uniform(*recipe.rescan_share)
    small = (max(1, round(width * share)), max(1, round(height * share)))
    shrunk = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    back = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=back), np.uint8)


def _strength(rng: np.random.Generator, values: Range, severity: float) -> float:
    low, high = values
    return low + (high - low) * severity * rng.random()
