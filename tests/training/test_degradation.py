from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from restore_cli.training import degradation
from restore_cli.training.noise import gaussian
from restore_cli.training.recipes import PUBLISHED

Picture = NDArray[np.uint8]


def roughness(picture: Picture) -> float:
    """Mean step between neighbours."""
    return float(np.abs(np.diff(picture.astype(float), axis=1)).mean())


def test_each_step_runs_with_its_chance(photo: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted on steps that do nothing, since a real step may by chance change nothing."""
    calls: list[str] = []
    for name in ("_blur", "add_noise", "_resize_and_back", "_jpeg"):
        monkeypatch.setattr(degradation, name, lambda picture, rng, recipe, name=name: calls.append(name) or picture)
    rng = np.random.default_rng(0)
    orders = set()
    for _ in range(500):
        start = len(calls)
        degradation.degrade_published(photo, rng, PUBLISHED)
        orders.add(tuple(calls[start:]))
    for name in set(calls):
        assert calls.count(name) / 500 == pytest.approx(0.7, abs=0.062)  # three standard errors
    assert sum(len(order) == 4 for order in orders) == 24  # every order of all four occurs


def test_no_step_leaves_the_photo(photo: Picture) -> None:
    none = replace(PUBLISHED, step_chance=0)
    assert np.array_equal(degradation.degrade_published(photo, np.random.default_rng(0), none), photo)


def test_blur_smooths() -> None:
    """Even the weakest blur leaves under half the steps of white noise; every blur keeps the mean."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for seed in range(5):
        blurred = degradation._blur(noise, np.random.default_rng(seed), PUBLISHED)
        assert roughness(blurred) < 0.5 * roughness(noise)
        assert abs(float(blurred.mean()) - float(noise.mean())) < 1


def test_noise_has_the_std_asked_for() -> None:
    """The three kinds are told apart by what they do to a half-grey and a dark picture."""
    grey, dark = np.full((64, 64, 3), 128, np.uint8), np.full((64, 64, 3), 32, np.uint8)
    recipe = replace(PUBLISHED, noise_std=(20 / 255, 20 / 255), salt_pepper_amount=(0.01, 0.01))
    kinds = set()
    for seed in range(20):
        on_grey = degradation.add_noise(grey, np.random.default_rng(seed), recipe).astype(float)
        on_dark = degradation.add_noise(dark, np.random.default_rng(seed), recipe).astype(float)
        if set(np.unique(on_grey)) <= {0, 128, 255}:
            kinds.add("salt and pepper")
            assert 0 < (on_grey != 128).any(axis=2).mean() < 0.02
        elif np.std(on_dark) > 12:
            kinds.add("gaussian")
            assert np.std(on_grey) == pytest.approx(20, rel=0.03)
        else:
            kinds.add("speckle")
            assert np.std(on_grey) == pytest.approx(20 * 128 / 255, rel=0.03)
            assert np.std(on_dark) == pytest.approx(20 * 32 / 255, rel=0.05)
    assert kinds == {"salt and pepper", "gaussian", "speckle"}


def test_resizing_keeps_the_size_and_loses_detail(photo: Picture) -> None:
    for seed in range(5):
        back = degradation._resize_and_back(photo, np.random.default_rng(seed), PUBLISHED)
        assert back.shape == photo.shape
        assert not np.array_equal(back, photo)


def test_jpeg_loses_more_at_lower_quality(photo: Picture) -> None:
    errors = [np.abs(degradation.through_jpeg(photo, quality).astype(int) - photo).mean() for quality in (95, 60, 20)]
    assert 0 < errors[0] < errors[1] < errors[2]


def test_jpeg_keeps_the_channels_in_order() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    assert np.abs(degradation.through_jpeg(red, 90).astype(int) - red).max() <= 3


def test_quick_gaussian_numbers_are_gaussian() -> None:
    """Mean, spread, tails: each within four standard errors for 200,000 numbers."""
    values = gaussian(np.random.default_rng(0), (400, 500)).astype(np.float64)
    assert abs(values.mean()) < 4 / 447
    assert abs(values.std() - 1) < 4 / 632
    assert np.mean(np.abs(values) > 1.959964) == pytest.approx(0.05, abs=0.002)
    assert np.abs(values).max() > 4
    assert abs(np.corrcoef(values[:, :-1].ravel(), values[:, 1:].ravel())[0, 1]) < 4 / 447
