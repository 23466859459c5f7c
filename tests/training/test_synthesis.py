from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from restore_cli.training import decoys, fading
from restore_cli.training.recipes import MIXED, PUBLISHED, REALISTIC, RECIPES, Recipe, by_name
from restore_cli.training.synthesis import Aged, age, damage_scale

Picture = NDArray[np.uint8]

# A realistic recipe that does nothing to the whole print.
NOTHING = replace(
    REALISTIC,
    grey_chance=0,
    border_chance=0,
    fade_chance=0,
    cast_chance=0,
    uneven_chance=0,
    blur_chance=0,
    grain_chance=0,
    paper_chance=0,
    halftone_chance=0,
    sensor_noise_chance=0,
    rescan_chance=0,
    jpeg_chance=0,
    damage_chance=0,
)


def aged(photo: Picture, recipe: Recipe, seed: int) -> Aged:
    return age(photo, np.random.default_rng(seed), recipe)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_the_same_seed_gives_the_same_old_photo(photo: Picture, name: str) -> None:
    first, again, other = (aged(photo, by_name(name), seed) for seed in (5, 5, 6))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.mask, again.mask)
    assert np.array_equal(first.target, again.target)
    assert not np.array_equal(first.image, other.image)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 10_000), st.sampled_from(sorted(RECIPES)))
def test_any_size_is_aged_without_touching_the_clean_photo(height: int, width: int, seed: int, name: str) -> None:
    clean = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = clean.copy()
    result = aged(clean, by_name(name), seed)
    assert result.image.shape == result.target.shape == clean.shape
    assert result.mask.shape == clean.shape[:2]
    assert (result.image.dtype, result.target.dtype, result.mask.dtype) == (np.uint8, np.uint8, bool)
    assert np.array_equal(clean, before)


def test_published_holes_are_white_and_the_mask_is_exactly_the_holes(photo: Picture) -> None:
    recipe = replace(PUBLISHED, step_chance=0)
    for seed in range(5):
        result = aged(photo, recipe, seed)
        assert (result.image[result.mask] == 255).all()
        assert np.array_equal(result.image[~result.mask], photo[~result.mask])
        assert result.mask.any()


def test_published_holes_cover_about_what_the_recipe_asks(photo: Picture) -> None:
    """The last shape may overshoot, so the mean over many pictures is held to the range, not each picture."""
    coverage = [aged(photo, PUBLISHED, seed).mask.mean() for seed in range(40)]
    low, high = PUBLISHED.hole_coverage
    assert low < np.mean(coverage) < high
    assert min(coverage) > low / 2


def test_no_holes_when_the_recipe_wants_none(photo: Picture) -> None:
    recipe = replace(PUBLISHED, holes_chance=0)
    assert not any(aged(photo, recipe, seed).mask.any() for seed in range(10))


def test_a_realistic_recipe_without_anything_returns_the_photo(photo: Picture) -> None:
    result = aged(photo, NOTHING, 1)
    assert np.array_equal(result.image, photo)
    assert np.array_equal(result.target, photo)
    assert not result.mask.any()


def test_a_grey_print_has_a_target_without_colours(photo: Picture) -> None:
    """Nobody can bring back colours that the print does not have."""
    result = aged(photo, replace(NOTHING, grey_chance=1, toned_share=0), 3)
    assert np.ptp(result.target, axis=2).max() == 0
    assert abs(float(result.target.mean()) - float(photo.mean())) < 20


def test_a_toned_print_keeps_its_tone(photo: Picture) -> None:
    """Sepia was meant: it is no damage."""
    result = aged(photo, replace(NOTHING, grey_chance=1, toned_share=1), 3)
    assert np.ptp(result.target, axis=2).max() > 0
    assert np.array_equal(result.image, result.target)


def test_burnt_highlights_are_no_damage(photo: Picture) -> None:
    """A white sky is white in the target too, and a detector learns to leave it alone."""
    result = aged(photo, replace(NOTHING, burnt_chance=1, burnt_gain=(2.0, 2.0)), 4)
    assert np.array_equal(result.image, result.target)
    assert np.array_equal(result.target, np.minimum(photo.astype(int) * 2, 255))
    assert not result.mask.any()


def test_a_margin_stays_in_the_target(photo: Picture) -> None:
    """A restored print keeps its border: it is no damage."""
    result = aged(photo, replace(NOTHING, border_chance=1), 2)
    assert np.array_equal(result.image, result.target)
    assert not np.array_equal(result.target, photo)
    assert not result.mask.any()


def test_some_training_photos_are_sound(photo: Picture) -> None:
    """A model that never saw a sound photo would harm it."""
    changes = ("grey_chance", "burnt_chance", "decoy_chance", "oversharp_chance", "published_share")
    recipe = replace(MIXED, sound_chance=1, **dict.fromkeys(changes, 0))
    results = [aged(photo, recipe, seed) for seed in range(20)]
    worst = max(float(np.abs(result.image.astype(int) - photo).mean()) for result in results)
    assert worst < 8
    assert any(np.array_equal(result.image, photo) for result in results)


def step(picture: Picture) -> float:
    return float(np.abs(np.diff(picture.astype(int), axis=1)).mean())


def test_some_sound_photos_are_sharper_than_any_lens(photo: Picture) -> None:
    """And meant to stay so: hard edges are no damage."""
    plain = {"published_share": 0, "grey_chance": 0, "burnt_chance": 0, "decoy_chance": 0}
    recipe = replace(MIXED, sound_chance=1, oversharp_chance=1, **plain)
    results = [aged(photo, recipe, seed) for seed in range(20)]
    assert np.median([step(result.target) for result in results]) > 1.2 * step(photo)
    assert not any(result.mask.any() for result in results)


def test_severity_widens_the_change(photo: Picture) -> None:
    def change(severity: float) -> float:
        recipe = replace(REALISTIC, severity=(severity, severity), grey_chance=0, damage_chance=0)
        return float(np.mean([np.abs(aged(photo, recipe, s).image.astype(int) - photo).mean() for s in range(12)]))

    assert change(0.1) < 0.6 * change(1.0)


def test_damage_grows_with_the_picture_within_limits() -> None:
    assert damage_scale(160, 160) == 1.0
    assert damage_scale(640, 900) == pytest.approx(2.0)
    assert damage_scale(30_000, 20_000) == 8.0


def test_grain_of_an_enlarged_crop_is_as_coarse_as_on_a_large_photo() -> None:
    """Small crops stand for whole photos in training; their grain must not stay finer than what photos come with."""
    flat = np.full((192, 192, 3), 128, np.uint8)
    grainy = replace(NOTHING, grain_chance=1, severity=(1, 1), dye_share=0, grain_std=(0.08, 0.08))

    def likeness(enlarge: float) -> float:
        levels = aged(flat, replace(grainy, enlarge=(enlarge, enlarge)), 3).image[..., 0].astype(float)
        levels -= levels.mean()
        return float((levels[:, 2:] * levels[:, :-2]).mean() / levels.var())

    assert likeness(2.0) > likeness(1.0) + 0.2


def test_a_fine_scan_shows_the_print_its_grain_and_its_damage_enlarged(photo: Picture) -> None:
    """Nothing on it is finer than the print's own pixels, three of the scan's wide here; its damage is broader."""
    worn = replace(NOTHING, damage_chance=1, film_chance=0, scratch_chance=1, grain_chance=1, severity=(1, 1))
    fine = replace(worn, fine_scan_chance=1, fine_scan=(3, 3))
    scans, usual = ([aged(photo, recipe, seed) for seed in range(8)] for recipe in (fine, worn))

    def finest(results: list[Aged]) -> float:
        return float(np.mean([np.abs(np.diff(r.image.astype(int), n=2, axis=1)).mean() for r in results]))

    def edge_share(results: list[Aged]) -> float:
        edges = sum(np.count_nonzero(r.mask[:, 1:] != r.mask[:, :-1]) for r in results)
        return edges / sum(np.count_nonzero(r.mask) for r in results)

    assert finest(scans) < 0.4 * finest(usual)
    assert edge_share(scans) < 0.6 * edge_share(usual)
    changed = [np.abs(r.image.astype(int) - r.target).mean(axis=2) for r in scans]
    assert all(c[r.mask].mean() > c[~r.mask].mean() for c, r in zip(changed, scans, strict=True) if r.mask.any())


def test_decoys_belong_to_the_scene(photo: Picture) -> None:
    """They are in the clean picture, too, and no damage."""
    plain = aged(photo, NOTHING, 3)
    with_some = aged(photo, replace(NOTHING, decoy_chance=1.0), 3)
    assert np.array_equal(with_some.image, with_some.target)
    assert not with_some.mask.any()
    changed = (with_some.target != photo).any(axis=2).mean()
    assert 0 < changed < 0.5
    assert np.array_equal(plain.target, photo)


def test_decoys_leave_a_grey_photo_grey(photo: Picture) -> None:
    grey = fading.to_grey(photo)
    for seed in range(20):
        assert fading.is_grey(decoys.with_decoys(grey, np.random.default_rng(seed), MIXED, 1.0))


def test_some_prints_have_little_damage(photo: Picture) -> None:
    """Detectors that only ever saw much of it take a print with a few specks for a sound one."""
    kinds = {name: getattr(MIXED, name) for name in ("scratch_chance", "dust_chance", "hair_chance", "scratch_rate")}
    much = replace(NOTHING, damage_chance=1.0, **kinds)
    little = replace(much, sparse_chance=1.0)
    shares = [np.median([aged(photo, recipe, seed).mask.mean() for seed in range(30)]) for recipe in (little, much)]
    assert 0 < shares[0] < 0.5 * shares[1]
