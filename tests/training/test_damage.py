from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from restore_cli.training import damage as kinds
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.prints import DamagedPrint
from restore_cli.training.recipes import REALISTIC, Recipe

Picture = NDArray[np.uint8]

PROCEDURAL = [
    kinds.add_stains,
    kinds.add_folds,
    kinds.add_cracks,
    kinds.add_losses,
    kinds.add_scratches,
    kinds.add_dust,
    kinds.add_hairs,
    kinds.add_torn_corner,
    kinds.add_torn_edge,
]


PICKY = replace(REALISTIC, visible_step=10.0, hidden_by_grain=1.5)


def print_of(photo: Picture, seed: int, recipe: Recipe = PICKY) -> DamagedPrint:
    return DamagedPrint(photo, np.random.default_rng(seed), recipe, 1.0)


@pytest.mark.parametrize("add", PROCEDURAL, ids=lambda add: add.__name__)
def test_the_mask_marks_what_changed(photo: Picture, add: Callable[[DamagedPrint], None]) -> None:
    """Outside the mask each layer changes less than the visible step; a kind paints at most eight layers."""
    marked = 0.0
    for seed in range(8):
        sheet = print_of(photo, seed, replace(PICKY, hidden_by_grain=0.0))
        add(sheet)
        change = np.abs(sheet.picture.astype(int) - photo).mean(axis=2)
        assert change[~sheet.mask].max(initial=0) < 8 * PICKY.visible_step
        assert (change[~sheet.mask] < PICKY.visible_step).mean() > 0.995
        marked += sheet.mask.mean()
    assert marked > 0


def test_what_the_grain_hides_is_not_damage(photo: Picture) -> None:
    """Nobody could find it, and a detector that is told to would call grain damage."""
    grainy = np.clip(photo + np.random.default_rng(0).normal(0, 40, photo.shape), 0, 255).astype(np.uint8)
    canvas = np.zeros(photo.shape[:2], np.uint8)
    canvas[20:40, 30:50] = 255
    plain, hidden = print_of(photo, 0), print_of(grainy, 0)
    for sheet in (plain, hidden):
        sheet.cover(canvas, np.full(3, 255.0), soft_px=0, opacity=0.15)
    assert plain.mask[20:40, 30:50].mean() > 0.9
    assert hidden.mask[20:40, 30:50].mean() < 0.2


def test_the_mask_is_generous_by_no_more_than_one_pixel(photo: Picture) -> None:
    sheet = print_of(photo, 0)
    canvas = sheet.canvas()
    canvas[20:40, 30:50] = 255
    sheet.cover(canvas, np.full(3, 255.0), soft_px=0, opacity=1)
    assert (sheet.picture[20:40, 30:50] == 255).all()
    changed = (sheet.picture != photo).any(axis=2)
    assert changed.sum() == 400
    assert sheet.mask[changed].all()
    assert sheet.mask.sum() == 400  # a sharp edge has no soft rim to include


def test_faint_damage_is_not_marked(photo: Picture) -> None:
    """What nobody sees would teach the detector to see things."""
    sheet = print_of(photo, 0)
    canvas = sheet.canvas()
    canvas[:] = 255
    sheet.cover(canvas, photo.reshape(-1, 3).mean(axis=0), soft_px=0, opacity=0.02)
    assert not sheet.mask.any()


def test_a_tint_darkens_by_its_factor(photo: Picture) -> None:
    sheet = print_of(photo, 0)
    canvas = sheet.canvas()
    canvas[10:60, 10:60] = 255
    sheet.tint(canvas, np.array((1.0, 0.5, 0.25)), soft_px=0, uneven=0, opacity=1)
    inside = (slice(10, 60), slice(10, 60))
    expected = photo[inside] * np.array((1.0, 0.5, 0.25))
    assert np.abs(sheet.picture[inside] - expected).max() <= 1  # rounded twice
    assert sheet.mask[inside].all()


def test_light_and_dark_damage_occur_as_often_as_the_recipe_says(photo: Picture) -> None:
    sheet = print_of(photo, 0, replace(REALISTIC, light_share=0.7))
    light = np.mean([sheet.light_or_dark().mean() > 128 for _ in range(400)])
    assert light == pytest.approx(0.7, abs=0.07)  # three standard errors


def test_a_torn_corner_takes_the_corner(photo: Picture) -> None:
    corners = 0
    for seed in range(6):
        sheet = print_of(photo, seed)
        kinds.add_torn_corner(sheet)
        corners += int(sum(sheet.mask[y, x] for y in (0, -1) for x in (0, -1)))
    assert corners >= 6


def test_a_torn_edge_takes_a_side(photo: Picture) -> None:
    """Whole sides, of every direction, but never much of the picture."""
    torn = []
    for seed in range(12):
        sheet = print_of(photo, seed)
        kinds.add_torn_edge(sheet)
        shares = [sheet.mask[0].mean(), sheet.mask[-1].mean(), sheet.mask[:, 0].mean(), sheet.mask[:, -1].mean()]
        torn.append(int(np.argmax(shares)))
        assert max(shares) > 0.5
        assert sheet.mask.mean() < 0.25
    assert set(torn) == {0, 1, 2, 3}


def test_no_damage_leaves_the_picture_alone(photo: Picture) -> None:
    none = replace(REALISTIC, **{name: 0.0 for name in vars(REALISTIC) if name.endswith("_chance")})
    picture, mask = kinds.damage(photo, np.random.default_rng(0), none, 1.0)
    assert np.array_equal(picture, photo)
    assert not mask.any()


def test_real_outlines_are_pasted(photo: Picture, tmp_path: Path) -> None:
    outline = np.zeros((40, 40), np.uint8)
    outline[5:35, 18:22] = 255
    cv2.imwrite(str(tmp_path / "one.png"), outline)
    sheet = print_of(photo, 1)
    kinds.add_outlines(sheet, DamageOutlines.load(tmp_path))
    assert 0 < sheet.mask.mean() < 0.5


def test_film_damage_lies_all_over_the_print_at_the_maps_own_size(photo: Picture, tmp_path: Path) -> None:
    """A map with a speck of 8 x 8 in every 40 x 40: a print of that size at zoom 1 has as many, and as large."""
    frame = np.zeros((1200, 1600), np.uint8)
    for top in range(0, 1200, 40):
        for left in range(0, 1600, 40):
            frame[top : top + 8, left : left + 8] = 255
    cv2.imwrite(str(tmp_path / "frame.png"), frame)
    recipe = replace(PICKY, film_layers=(1, 1), film_zoom=(1.0, 1.0), opacity=(1.0, 1.0))
    sheet = print_of(photo, 3, recipe)
    kinds.add_film(sheet, DamageOutlines.load(tmp_path))
    specks = cv2.connectedComponents(sheet.mask.astype(np.uint8))[0] - 1
    assert specks == pytest.approx(photo.shape[0] * photo.shape[1] / 1600, rel=0.5)  # cut at the edges, or unseen
    assert sheet.mask.mean() == pytest.approx(0.04, rel=0.6)
    height, width = (size // 2 for size in photo.shape[:2])
    quarters = [sheet.mask[y : y + height, x : x + width].any() for y in (0, height) for x in (0, width)]
    assert all(quarters)


@pytest.mark.parametrize("outlines_given", [False, True])
def test_the_realistic_recipe_damages_prints_without_maps_too(
    photo: Picture, tmp_path: Path, outlines_given: bool
) -> None:
    """A folder of photos is enough: `--damage` may be missing, or hold no whole frames."""
    cv2.imwrite(str(tmp_path / "small.png"), np.full((9, 9), 255, np.uint8))
    outlines = DamageOutlines.load(tmp_path) if outlines_given else None
    recipe = replace(REALISTIC, fold_chance=0.0)
    assert all(kinds.damage(photo, np.random.default_rng(seed), recipe, 1.0, outlines)[1].any() for seed in range(5))
