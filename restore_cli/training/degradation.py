"""The published degradation of clean photos (Wan et al., CVPR 2020): four steps in random order.

Pictures are uint8 (H, W, 3) RGB.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from restore_cli.training.noise import gaussian
from restore_cli.training.recipes import Recipe

Picture = NDArray[np.uint8]


def degrade_published(picture: Picture, rng: np.random.Generator, recipe: Recipe) -> Picture:
    """Blur, noise, resize and JPEG in random order, each with `recipe.step_chance`."""
    steps = (_blur, add_noise, _resize_and_back, _jpeg)
    for index in rng.permutation(len(steps)):
        if rng.random() < recipe.step_chance:
            picture = steps[index](picture, rng, recipe)
    return picture


def _blur(picture: Picture, rng: np.random.Generator, recipe: Recipe) -> Picture:
    kernel = int(rng.choice((3, 5, 7)))
    return np.asarray(cv2.GaussianBlur(picture, (kernel, kernel), rng.uniform(*recipe.blur_sigma_px)), np.uint8)


def add_noise(picture: Picture, rng: np.random.Generator, recipe: Recipe) -> Picture:
    """One of Gaussian noise, speckle, salt and pepper, with even odds."""
    kind = rng.integers(3)
    if kind == 2:
        return _salt_and_pepper(picture, rng, recipe)
    noise = gaussian(rng, picture.shape)
    noise *= np.float32(255 * rng.uniform(*recipe.noise_std))
    if kind == 1:
        noise *= picture * np.float32(1 / 255)
    return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)


def _salt_and_pepper(picture: Picture, rng: np.random.Generator, recipe: Recipe) -> Picture:
    """Whole pixels turn white or black."""
    height, width = picture.shape[:2]
    count = rng.binomial(height * width, rng.uniform(*recipe.salt_pepper_amount))
    positions = rng.integers(height * width, size=count)
    salted = rng.random(count) < rng.uniform(*recipe.salt_share)
    noisy = picture.copy()
    noisy.reshape(-1, 3)[positions] = np.where(salted, 255, 0).astype(np.uint8)[:, None]
    return np.asarray(noisy, np.uint8)


def _resize_and_back(picture: Picture, rng: np.random.Generator, recipe: Recipe) -> Picture:
    height, width = picture.shape[:2]
    small = (
        max(1, round(width * rng.uniform(*recipe.resize_share))),
        max(1, round(height * rng.uniform(*recipe.resize_share))),
    )
    back = cv2.INTER_NEAREST if rng.random() < 0.5 else cv2.INTER_LINEAR
    shrunk = cv2.resize(picture, small, interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=back), np.uint8)


def _jpeg(picture: Picture, rng: np.random.Generator, recipe: Recipe) -> Picture:
    return through_jpeg(picture, round(rng.uniform(*recipe.jpeg_quality)))


def through_jpeg(picture: Picture, quality: int) -> Picture:
    """Encode as JPEG with 4:2:0 colour and decode again."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
