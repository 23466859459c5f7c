"""Samples for training: photos from a folder, cropped and aged on the fly.

Sample number i is a function of the seed and i alone: neither the number of workers nor that of processes changes it,
and a resumed run goes on with the very sample it would have seen. Photos are decoded once per worker and kept.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from restore_cli import imaging
from restore_cli.errors import PhotoUnreadable, TrainingStopped
from restore_cli.networks.tone import thumbnail
from restore_cli.training.ageing import to_rgb8
from restore_cli.training.config import DataConfig
from restore_cli.training.crops import Pixels, make_grey, random_crop
from restore_cli.training.holes import irregular_holes
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.recipes import REFERENCE_SIDE_PX, Recipe, from_table
from restore_cli.training.synthesis import age

log = logging.getLogger(__name__)
Sample = dict[str, Tensor]

MOST_MISSED = 0.6
"""Share of the damage that `as_detected` may leave out."""
CALLED_WRONGLY = (0.001, 0.03)
"""Share of the picture that it calls damaged where nothing is."""


class NoPhotoReadable(TrainingStopped):
    """All photos were tried in vain."""

    def __init__(self, message: object = None) -> None:
        """message: left out. torch hands an error of a worker process on with a traceback in it."""
        super().__init__("none of the training photos can be read", hint="check the folders given to train")


def to_tensor(pixels: Pixels) -> Tensor:
    """(H, W, 3) uint8 to (3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float().div_(127.5).sub_(1)


class PhotoCache:
    """Decoded photos, the least used ones dropped beyond a limit. An unreadable photo is logged and counted once.

    Each worker process has photos of its own; the marks of what is unreadable lie in memory that all of them share.
    """

    def __init__(self, limit_bytes: int, paths: Sequence[Path] = ()) -> None:
        """paths: the photos whose readability all processes are to know of."""
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self.unreadable: set[Path] = set()
        self._photos: OrderedDict[Path, Pixels] = OrderedDict()
        self._numbers = {path: number for number, path in enumerate(paths)}
        self._marks = torch.zeros(len(paths), dtype=torch.uint8).share_memory_()  # type: ignore[no-untyped-call]

    @property
    def unreadable_count(self) -> int:
        """How many of the given photos no process could read."""
        return int(self._marks.sum())

    def get(self, path: Path) -> Pixels | None:
        """The photo as (H, W, 3) uint8, or None if it cannot be read."""
        if path in self._photos:
            self._photos.move_to_end(path)
            return self._photos[path]
        if path in self.unreadable:
            return None
        try:
            pixels = self.decode(path)
        except PhotoUnreadable as error:
            self.unreadable.add(path)
            if self._is_news(path):
                log.warning("left out of training: %s", error)
            return None
        self._photos[path] = pixels
        self.held_bytes += pixels.nbytes
        while self.held_bytes > self.limit_bytes and len(self._photos) > 1:
            _, dropped = self._photos.popitem(last=False)
            self.held_bytes -= dropped.nbytes
        return pixels

    def decode(self, path: Path) -> Pixels:
        """What is kept of a file: (H, W, 3) uint8. Raises PhotoUnreadable."""
        return to_rgb8(imaging.read(path))

    def _is_news(self, path: Path) -> bool:
        """Mark the photo as unreadable for all processes; False if one had done so already."""
        number = self._numbers.get(path)
        if number is None:
            return True
        is_news = not self._marks[number]
        self._marks[number] = 1
        return is_news


class AgedCrops(Dataset[Sample]):
    """Clean crops with their aged version: {"clean", "aged": (3, S, S) in [-1, 1], "mask": (1, S, S), 1 = damaged}.

    "number" is the sample's own, for whatever else is drawn for it.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        config: DataConfig,
        *,
        seed: int,
        damage: DamageOutlines | None = None,
        surroundings_px: int = 0,
    ) -> None:
        """surroundings_px: adds "surroundings", the thumbnail of that side that the tone network asks for."""
        self.paths = paths
        self.config = config
        self.seed = seed
        self.damage = damage
        self.surroundings_px = surroundings_px
        self.recipe: Recipe = from_table(config.recipe)
        self.cache = PhotoCache(config.cache_mb * 2**20, paths)

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng([self.seed, index])
        margin = self.config.context
        side = self.config.crop + 2 * margin
        clean = self._clean(index, side, rng)
        aged = age(clean, rng, self.recipe, self.damage)
        inner = (slice(margin, margin + self.config.crop),) * 2
        sample = {
            "clean": to_tensor(aged.target[inner]),
            "aged": to_tensor(aged.image[inner]),
            "mask": torch.from_numpy(aged.mask[inner].astype(np.float32))[None],
            "number": torch.tensor(index),
        }
        if self.surroundings_px:
            found = as_detected(aged.mask, rng, self.recipe)
            filled = np.asarray(imaging.fill_from_surroundings(aged.image, found), np.uint8)
            photo, shown = to_tensor(aged.image)[None], to_tensor(filled)[None]
            damage = torch.from_numpy(found.astype(np.float32))[None, None]
            sample["surroundings"] = thumbnail(photo, shown, damage, self.surroundings_px)[0]
        return sample

    def _clean(self, index: int, side: int, rng: np.random.Generator) -> Pixels:
        """(side, side, 3) of one photo, or of four."""
        scale = self.config.scale
        if self.config.mosaic_share and rng.random() < self.config.mosaic_share:
            half = -(-side // 2)
            numbers = [index, *rng.integers(2**31, size=3).tolist()]
            parts = [random_crop(self._photo(number), half, scale, rng) for number in numbers]
            clean = np.vstack([np.hstack(parts[:2]), np.hstack(parts[2:])])[:side, :side]
        else:
            clean = random_crop(self._photo(index), side, scale, rng)
        if rng.random() < self.config.grey_share:
            clean = make_grey(clean)
        if self.config.turned_share and rng.random() < self.config.turned_share:
            clean = np.rot90(clean, int(rng.integers(1, 4)))
        return np.ascontiguousarray(clean)

    def _photo(self, number: int) -> Pixels:
        return photo_or_next(self.paths, self.cache, number, self.seed)


class RealCrops(Dataset[Sample]):
    """Crops of real old photos, {"old": (3, S, S) in [-1, 1]}: domain R of the paper, half of them made grey."""

    def __init__(self, paths: Sequence[Path], config: DataConfig, *, seed: int) -> None:
        self.paths = paths
        self.config = config
        self.seed = seed
        self.cache = PhotoCache(config.cache_mb * 2**20, paths)

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng([self.seed, index, 1])
        photo = photo_or_next(self.paths, self.cache, index, self.seed)
        crop = random_crop(photo, self.config.crop, self.config.scale, rng)
        return {"old": to_tensor(make_grey(crop) if rng.random() < 0.5 else crop)}


class Together(Dataset[Sample]):
    """The same index of several data sets in one sample."""

    def __init__(self, *parts: Dataset[Sample]) -> None:
        self.parts = parts

    def __getitem__(self, index: int) -> Sample:
        return {key: value for part in self.parts for key, value in part[index].items()}


def unreadable_photos(dataset: Dataset[Sample]) -> int:
    """How many photos a data set could not read so far, in any worker process."""
    parts = dataset.parts if isinstance(dataset, Together) else (dataset,)
    caches = (getattr(part, "cache", None) for part in parts)
    return sum(cache.unreadable_count for cache in caches if isinstance(cache, PhotoCache))


def as_detected(mask: NDArray[np.bool_], rng: np.random.Generator, recipe: Recipe) -> NDArray[np.bool_]:
    """(H, W) damage as a detector tells it: part of it missed, and every other time something called that is none."""
    height, width = mask.shape
    kept = (rng.random((8, 8)) > MOST_MISSED * rng.random()).astype(np.uint8)
    found = mask & (cv2.resize(kept, (width, height), interpolation=cv2.INTER_NEAREST) > 0)
    if rng.random() < 0.5:
        scale = min(mask.shape) / REFERENCE_SIDE_PX
        found |= irregular_holes((height, width), rng, replace(recipe, hole_coverage=CALLED_WRONGLY), scale)
    return np.asarray(found, np.bool_)


def photo_or_next(paths: Sequence[Path], cache: PhotoCache, index: int, seed: int) -> Pixels:
    """Photo number `index` of an endless sequence of shuffled passes; where it is unreadable, the next one is taken."""
    epoch, place = divmod(index, len(paths))
    order = np.random.default_rng([seed, epoch, 2]).permutation(len(paths))
    for step in range(len(paths)):
        photo = cache.get(paths[order[(place + step) % len(paths)]])
        if photo is not None:
            return photo
    raise NoPhotoReadable
