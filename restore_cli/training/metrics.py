"""Scores of restored photos and of found damage."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8] | NDArray[np.uint16]

IDENTICAL_DB = 100.0  # what identical pictures get instead of infinity, so that means stay finite
SSIM_WINDOW_PX = 11
SSIM_SIGMA_PX = 1.5
SSIM_K1, SSIM_K2 = 0.01, 0.03


@dataclass(frozen=True)
class DetectionScores:
    """How well damage was found."""

    f1: float
    auc: float


def psnr_db(picture: Picture, reference: Picture) -> float:
    """Peak signal-to-noise ratio over all pixels and channels, in dB, at most `IDENTICAL_DB`.

    Both (H, W) or (H, W, C) of one shape and dtype, uint8 or uint16; white is the peak. Raises ValueError if shapes or
    dtypes differ.
    """
    first, second = _as_levels(picture, reference)
    error = float(np.mean((first - second) ** 2))
    return IDENTICAL_DB if error == 0 else min(IDENTICAL_DB, float(10 * np.log10(255**2 / error)))


def ssim(picture: Picture, reference: Picture) -> float:
    """Structural similarity (Wang et al. 2004): Gaussian window 11 x 11 with sigma 1.5, mean over pixels and channels.

    Arguments as for `psnr_db`; the 5 pixels at each edge, where the window is not complete, do not count. Raises
    ValueError if shapes or dtypes differ, or if a side is shorter than the window.
    """
    first, second = _as_levels(picture, reference)
    if min(first.shape[:2]) < SSIM_WINDOW_PX:
        raise ValueError(f"SSIM needs at least {SSIM_WINDOW_PX} x {SSIM_WINDOW_PX} pixels")
    c1, c2 = (SSIM_K1 * 255) ** 2, (SSIM_K2 * 255) ** 2
    mean1, mean2 = _windowed(first), _windowed(second)
    variance1, variance2 = _windowed(first**2) - mean1**2, _windowed(second**2) - mean2**2
    covariance = _windowed(first * second) - mean1 * mean2
    luminance = (2 * mean1 * mean2 + c1) / (mean1**2 + mean2**2 + c1)
    structure = (2 * covariance + c2) / (variance1 + variance2 + c2)
    margin = SSIM_WINDOW_PX // 2
    inner = (luminance * structure)[margin:-margin, margin:-margin]
    return float(inner.mean())


def detection_scores(
    probability: NDArray[np.float32], mask: NDArray[np.bool_], threshold: float = 0.4
) -> DetectionScores:
    """F1 at a threshold and the area under the ROC curve. Both arrays flat or of equal shape."""
    probability, mask = probability.ravel(), mask.ravel()
    found = probability > threshold
    hits = float((found & mask).sum())
    f1 = 2 * hits / max(float(found.sum() + mask.sum()), 1.0)
    return DetectionScores(f1, _area_under_roc(probability, mask))


def _area_under_roc(probability: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """The chance that a damaged pixel scores above a sound one; equal scores count half (Mann and Whitney's U)."""
    _, level, sizes = np.unique(probability, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[level]
    positive, negative = int(mask.sum()), int((~mask).sum())
    u = float(ranks[mask].sum()) - positive * (positive + 1) / 2
    return u / max(positive * negative, 1)


def _as_levels(picture: Picture, reference: Picture) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as float64 with 255 for white."""
    if picture.shape != reference.shape or picture.dtype != reference.dtype:
        raise ValueError(f"cannot compare {picture.shape} {picture.dtype} with {reference.shape} {reference.dtype}")
    scale = 255 / np.iinfo(picture.dtype).max
    return picture.astype(np.float64) * scale, reference.astype(np.float64) * scale


def _windowed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    window = (SSIM_WINDOW_PX, SSIM_WINDOW_PX)
    return np.asarray(cv2.GaussianBlur(values, window, SSIM_SIGMA_PX), np.float64)
