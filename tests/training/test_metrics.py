from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from restore_cli.training.metrics import IDENTICAL_DB, detection_scores, psnr_db, ssim

Picture = NDArray[np.uint8]


def pair(channels: int) -> tuple[Picture, Picture]:
    """A noisy, darker copy of a wavy picture, and the picture."""
    rows, columns, channel = np.mgrid[0:32, 0:40, 0:channels]
    clean = np.rint(120 + 60 * np.sin(rows / 3) + 40 * np.cos(columns / (2 + channel))).astype(np.uint8)
    noise = np.random.default_rng(7).integers(-20, 15, clean.shape)
    return (clean.astype(int) + noise).clip(0, 255).astype(np.uint8), clean


# structural_similarity(..., gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255) and
# peak_signal_noise_ratio of scikit-image 0.26.0 on the same pairs. The tolerance covers float64 summation order.
@pytest.mark.parametrize(
    ("channels", "expected_ssim", "expected_psnr_db"),
    [(1, 0.9300692547546372, 27.742119313290402), (3, 0.9106666912493973, 27.784111785129063)],
)
def test_scores_agree_with_scikit_image(channels: int, expected_ssim: float, expected_psnr_db: float) -> None:
    noisy, clean = pair(channels)
    assert ssim(noisy, clean) == pytest.approx(expected_ssim, abs=1e-9)
    assert psnr_db(noisy, clean) == pytest.approx(expected_psnr_db, abs=1e-9)


def test_psnr_of_a_known_error() -> None:
    """An error of 5 everywhere: 20 log10(255 / 5)."""
    clean = np.full((12, 12, 3), 100, np.uint8)
    assert psnr_db(clean + np.uint8(5), clean) == pytest.approx(34.15140352, abs=1e-8)


def test_identical_pictures_have_finite_scores() -> None:
    clean = pair(3)[1]
    assert psnr_db(clean, clean) == IDENTICAL_DB
    assert ssim(clean, clean) == pytest.approx(1, abs=1e-12)


def test_sixteen_bits_score_like_eight() -> None:
    noisy, clean = pair(3)
    wide = [array.astype(np.uint16) * 257 for array in (noisy, clean)]
    assert psnr_db(wide[0], wide[1]) == pytest.approx(psnr_db(noisy, clean), abs=1e-9)
    assert ssim(wide[0], wide[1]) == pytest.approx(ssim(noisy, clean), abs=1e-9)


@pytest.mark.parametrize("score", [psnr_db, ssim])
def test_different_shapes_or_depths_are_refused(score: object) -> None:
    assert callable(score)
    clean = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(ValueError, match="cannot compare"):
        score(clean[:, :15], clean)
    with pytest.raises(ValueError, match="uint16"):
        score(clean.astype(np.uint16), clean)


def test_ssim_refuses_pictures_smaller_than_its_window() -> None:
    small = np.zeros((10, 30, 3), np.uint8)
    with pytest.raises(ValueError, match="11 x 11"):
        ssim(small, small)


def test_perfect_detection() -> None:
    mask = np.arange(20) < 4
    scores = detection_scores(np.where(mask, 0.9, 0.1).astype(np.float32), mask)
    assert (scores.f1, scores.auc) == (1.0, 1.0)


def test_detection_that_knows_nothing_has_half_the_area() -> None:
    """All probabilities equal: no ranking, whatever the order of the pixels."""
    mask = np.arange(20) < 4
    assert detection_scores(np.full(20, 0.1, np.float32), mask).auc == 0.5


def test_detection_scores_by_hand() -> None:
    """Damaged 0.9, 0.5, 0.2, sound 0.5, 0.3, 0.1: 3 + 2.5 + 1 of nine pairs in order; 2 hits, 1 miss, 1 false."""
    probability = np.array([0.9, 0.5, 0.2, 0.5, 0.3, 0.1], np.float32)
    mask = np.array([True, True, True, False, False, False])
    scores = detection_scores(probability, mask)
    assert scores.auc == pytest.approx(6.5 / 9)
    assert scores.f1 == pytest.approx(4 / 6)
