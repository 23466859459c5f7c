"""A local model over bands of rows is the same model on the whole photo: no seam can show because none exists."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from restore_cli.networks import Mapping
from restore_cli.restoration.model import RestorationModel
from restore_cli.restoration.passes import Task, prepare, whole
from restore_cli.restoration.way_rows import streamed

HEIGHT, WIDTH = 150, 187  # neither a multiple of 4, nor of the attention's window


def task(folder: Path, mask: np.ndarray) -> Task:
    model = RestorationModel.load(folder, device="cpu", precision="fp32")
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return prepare(model.way("scratch"), image, mask, device=model.device, dtype=model.dtype)


def put_together(work: Task, rows: int) -> torch.Tensor:
    together, done = torch.full((1, 3, HEIGHT, WIDTH), torch.nan), 0
    for box, pixels in streamed(work, rows):
        assert (box.top, box.left, box.right) == (done, 0, WIDTH)
        together[:, :, box.top : box.bottom] = pixels
        done = box.bottom
    return together


def mask_of(*damaged: tuple[slice, slice]) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for place in damaged:
        mask[place] = True
    return mask


SCRATCHES = mask_of((slice(20, 40), slice(30, 140)), (slice(90, 92), slice(None)), (slice(None), slice(121, 122)))
SPECKS = mask_of(*((slice(y, y + 1), slice(x, x + 2)) for y in (0, 63, 149) for x in (0, 31, 63, 128, 185)))


@torch.inference_mode()
@pytest.mark.parametrize("rows", [4, 16, 64, 152])
@pytest.mark.parametrize("mask", [SCRATCHES, SPECKS, mask_of()], ids=["scratches", "specks", "sound"])
def test_bands_equal_the_whole(tiny_model: Path, rows: int, mask: np.ndarray) -> None:
    """Values are of the order of 1; 2e-5 is what another order of summation may do."""
    work = task(tiny_model, mask)
    expected = whole(work)
    assert expected.std() > 0.1
    assert torch.allclose(put_together(work, rows), expected, atol=2e-5)


@torch.inference_mode()
def test_no_band_border_shows(tiny_model: Path) -> None:
    """Of 255 grey levels, on average: on borders at most 1.1 times the rest, or below 0.05, which cannot be seen.

    The second is what holds here. All differences are rounding, and a ratio of roundings means nothing.
    """
    work = task(tiny_model, SCRATCHES)
    by_row = 127.5 * (put_together(work, 16) - whole(work)).abs().mean(dim=(0, 1, 3))
    border = (torch.arange(HEIGHT) % 16 == 0) | (torch.arange(HEIGHT) % 16 == 15)
    assert by_row[border].mean() <= max(1.1 * by_row[~border].mean(), 0.05)


def test_a_model_that_sees_the_whole_photo_is_refused(tiny_model: Path) -> None:
    work = task(tiny_model, np.zeros((HEIGHT, WIDTH), bool))
    norms = Mapping(replace(work.way.mapping.config, norm="instance", window=None))
    with pytest.raises(ValueError, match="whole photo"):
        next(streamed(replace(work, way=replace(work.way, mapping=norms)), 16))


def test_damage_is_guessed_only_for_a_mapping_that_learned_with_guesses(tiny_model: Path) -> None:
    """The others, the released ones among them, expect it painted white by the encoder's own door."""
    model = RestorationModel.load(tiny_model, device="cpu", precision="fp32")
    way = model.way("scratch")
    image = np.full((40, 40, 3), 90, np.uint8)
    mask = np.zeros((40, 40), bool)
    mask[10:14] = True
    image[mask] = 255
    assert prepare(way, image, mask, device=model.device, dtype=model.dtype).image is image
    guessing = replace(way, mapping=Mapping(replace(way.mapping.config, guess=True)))
    guessed = prepare(guessing, image, mask, device=model.device, dtype=model.dtype)
    assert np.abs(guessed.image.astype(int) - 90).max() <= 3  # fast marching rounds as it goes
    assert (image[mask] == 255).all()


@torch.inference_mode()
def test_damage_everywhere_still_gives_numbers(tiny_model: Path) -> None:
    work = task(tiny_model, np.ones((HEIGHT, WIDTH), bool))
    assert put_together(work, 64).isfinite().all()
