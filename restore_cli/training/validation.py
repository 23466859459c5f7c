"""Photos kept for validation: the middle of each, aged the same way in every run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from restore_cli.training.config import DataConfig
from restore_cli.training.crops import Pixels
from restore_cli.training.data import PhotoCache, Sample, to_tensor
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.recipes import by_name
from restore_cli.training.synthesis import age

log = logging.getLogger(__name__)
VALIDATION_RECIPES = ("published", "realistic")
MULTIPLE = 32
"""Of the sides of a sample, in pixels."""


def validation_samples(
    paths: Sequence[Path],
    config: DataConfig,
    *,
    damage: DamageOutlines | None,
    recipes: Sequence[str] = VALIDATION_RECIPES,
) -> dict[str, list[Sample]]:
    """By recipe a sample of each photo that can be used: the same keys as AgedCrops, no batch axis."""
    found = list(middles(paths, PhotoCache(config.cache_mb * 2**20), config.validation_crop))
    return {
        recipe: [_aged(clean, np.random.default_rng([7, number]), recipe, damage) for number, clean in found]
        for recipe in recipes
    }


def middles(paths: Sequence[Path], cache: PhotoCache, largest_px: int) -> Iterator[tuple[int, Pixels]]:
    """The number and the middle of each photo, its sides multiples of 32 px and at most `largest_px`.

    Photos that cannot be read or are smaller than that are left out, which is told once.
    """
    left_out = 0
    for number, path in enumerate(paths):
        photo = cache.get(path)
        if photo is None or min(photo.shape[:2]) < MULTIPLE:
            left_out += 1
            continue
        height, width = (min(side - side % MULTIPLE, largest_px) for side in photo.shape[:2])
        top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
        yield number, np.ascontiguousarray(photo[top : top + height, left : left + width])
    if left_out:
        log.warning(
            "%d of %d photos kept for validation cannot be read or have fewer than %d pixels a side: left out",
            left_out,
            len(paths),
            MULTIPLE,
        )


def with_sound(samples: Mapping[str, Sequence[Sample]]) -> dict[str, Sequence[Sample]]:
    """The samples, and "sound": the clean photos of the first recipe, which should come back as they are."""
    first = next(iter(samples.values()))
    sound = [sample | {"aged": sample["clean"], "mask": torch.zeros_like(sample["mask"])} for sample in first]
    return {**samples, "sound": sound}


def means(scores: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The mean of each figure; one that no photo has is left out."""
    return {name: float(np.mean(values)) for name, values in scores.items() if values}


def _aged(clean: Pixels, rng: np.random.Generator, recipe: str, damage: DamageOutlines | None) -> Sample:
    aged = age(clean, rng, by_name(recipe), damage)
    mask = torch.from_numpy(aged.mask.astype(np.float32))[None]
    return {"clean": to_tensor(aged.target), "aged": to_tensor(aged.image), "mask": mask}
