"""Real photos with their damage marked by hand: NAME.jpg beside NAME_mask.png, white where damaged.

What the detector is fine-tuned on after synthetic damage, as Wan et al. (2020) did with 783 photos of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from restore_cli import imaging
from restore_cli.errors import NoPhotosFound
from restore_cli.training.config import DataConfig
from restore_cli.training.crops import Pixels, make_grey
from restore_cli.training.data import PhotoCache, Sample, photo_or_next, to_tensor
from restore_cli.training.photo_folder import PhotoFolder, photos_below
from restore_cli.training.validation import middles

log = logging.getLogger(__name__)
MASK_ENDING = "_mask"


def find_pairs(folder: Path, *, validation: int) -> PhotoFolder:
    """The photos below a folder that have a mask beside them, split as `PhotoFolder` does.

    Photos without a mask are counted and left out. Raises NoPhotosFound, TrainingStopped.
    """
    photos = [path for path in photos_below(folder) if not path.stem.endswith(MASK_ENDING)]
    labelled = [path for path in photos if mask_beside(path).is_file()]
    if photos and not labelled:
        raise NoPhotosFound(
            f"none of the {len(photos)} photos in {folder} has a mask",
            hint="put NAME_mask.png, white where damaged, beside NAME.jpg",
            path=folder,
        )
    if len(labelled) < len(photos):
        log.warning("%d of %d photos in %s have no mask: left out", len(photos) - len(labelled), len(photos), folder)
    return PhotoFolder.split(labelled, folder, validation=validation)


def mask_beside(photo: Path) -> Path:
    """Where the mask of a photo is looked for."""
    return photo.with_name(f"{photo.stem}{MASK_ENDING}.png")


class LabelledCrops(Dataset[Sample]):
    """Crops of labelled photos, with the keys of AgedCrops that the detector needs: "aged", "mask", "number"."""

    def __init__(self, paths: Sequence[Path], config: DataConfig, *, seed: int) -> None:
        self.paths, self.config, self.seed = paths, config, seed
        self.cache = PairCache(config.cache_mb * 2**20, paths)

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng([self.seed, index])
        pair = photo_or_next(self.paths, self.cache, index, self.seed)
        photo, mask = _crop(pair, self.config, rng)
        if rng.random() < self.config.grey_share:
            photo = make_grey(photo)
        return _sample(photo, mask) | {"number": torch.tensor(index)}


class PairCache(PhotoCache):
    """Decoded photos with their mask as a fourth channel."""

    def decode(self, path: Path) -> Pixels:
        """(H, W, 4) uint8. Raises PhotoUnreadable, for the mask too."""
        photo = super().decode(path)
        mask = imaging.read_mask(mask_beside(path), (photo.shape[0], photo.shape[1]))
        return np.dstack([photo, mask.astype(np.uint8)])


def labelled_samples(paths: Sequence[Path], config: DataConfig) -> list[Sample]:
    """The whole photos, cut to multiples of 32 px and at most `validation_crop` a side, from the middle."""
    cache = PairCache(config.cache_mb * 2**20, paths)
    return [_sample(pair[..., :3], pair[..., 3]) for _, pair in middles(paths, cache, config.validation_crop)]


def _crop(pair: Pixels, config: DataConfig, rng: np.random.Generator) -> tuple[Pixels, NDArray[np.uint8]]:
    """A square of `crop` px at a random place and scale, flipped either way; small photos are enlarged."""
    side = config.crop
    height, width = pair.shape[:2]
    factor = max(float(rng.uniform(*config.scale)), side / min(height, width))
    cut = min(round(side / factor), height, width)
    top, left = int(rng.integers(height - cut + 1)), int(rng.integers(width - cut + 1))
    part = pair[top : top + cut, left : left + cut]
    part = part[:: 1 if rng.random() < 0.5 else -1, :: 1 if rng.random() < 0.5 else -1]
    photo, mask = np.ascontiguousarray(part[..., :3]), np.ascontiguousarray(part[..., 3])
    if cut != side:
        way = cv2.INTER_AREA if cut > side else cv2.INTER_CUBIC
        photo = np.asarray(cv2.resize(photo, (side, side), interpolation=way), np.uint8)
        # A thin scratch must not vanish between two pixels: whatever holds a damaged pixel is damaged.
        if cut > side:
            wide = 2 * (cut // (2 * side)) + 1
            mask = np.asarray(cv2.dilate(mask, np.ones((wide, wide), np.uint8)), np.uint8)
        mask = np.asarray(cv2.resize(mask, (side, side), interpolation=cv2.INTER_NEAREST), np.uint8)
    return photo, mask


def _sample(photo: Pixels, mask: NDArray[np.uint8]) -> Sample:
    return {"aged": to_tensor(photo), "mask": torch.from_numpy((mask > 0).astype(np.float32))[None]}
