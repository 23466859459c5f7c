"""Ages photo files, each by its own random numbers."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restore_cli import imaging
from restore_cli.errors import PhotoUnwritable
from restore_cli.imaging import Carried, Photo
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.recipes import PUBLISHED, Recipe
from restore_cli.training.synthesis import age

MARK = ("Software", "oldphoto degrade")
"""A text in each file that is written, so that a later run replaces those and no others."""


@dataclass(frozen=True, kw_only=True)
class AgeingSettings:
    """How a collection is aged."""

    recipe: Recipe = PUBLISHED
    seed: int = 0
    outlines: DamageOutlines | None = None


@dataclass(frozen=True, kw_only=True)
class AgeingTargets:
    """Where the results of one photo go; all are PNG."""

    photo: Path
    mask: Path
    clean: Path | None = None
    """What the old photo should be restored to; None: not written."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files that are written."""
        return tuple(path for path in (self.photo, self.mask, self.clean) if path is not None)


@dataclass(frozen=True, kw_only=True)
class AgedFile:
    """What became of one photo."""

    damaged_fraction: float
    target_changed: bool
    """Whether a restoration should give something else than the clean photo: grey prints, added margins."""


def refuse_foreign(targets: AgeingTargets) -> None:
    """Raises PhotoUnwritable if one of the files is there and was not written by this module."""
    for path in targets.paths:
        if path.is_file() and not _is_ours(path):
            raise PhotoUnwritable(
                f"{path} exists already, and `oldphoto degrade` did not write it",
                hint="Choose another OUTPUT, or move it away.",
                path=path,
            )


def write_aged(targets: AgeingTargets, photo: Photo, mask: NDArray[np.uint8], clean: Photo) -> None:
    """Write the files of one photo, with a mark that `refuse_foreign` knows, in folders that need not exist.

    mask: (H, W), 255 = damaged. Raises PhotoUnwritable, before anything is written if there are others' files.
    """
    refuse_foreign(targets)
    every = ((targets.photo, photo), (targets.mask, Photo(mask[:, :, None], None, Carried())), (targets.clean, clean))
    for path, picture in every:
        if path is not None:
            make_folder(path.parent)
            marked = replace(picture, carried=replace(picture.carried, texts=(MARK,)))
            imaging.write(marked, path, format="png")


def age_file(source: Path, targets: AgeingTargets, settings: AgeingSettings) -> AgedFile:
    """Read a clean photo, age it, write the old photo, its mask (255 = damaged) and, if wanted, the clean target.

    The result depends on the settings, the photo and the stem of its name, not on its place or on other photos. Creates
    folders that are missing, and replaces only what it has written before. Raises PhotoUnreadable or PhotoUnwritable.
    """
    photo = imaging.read(source)
    clean = to_rgb8(photo)
    aged = age(clean, rng_for(source.stem, settings.seed), settings.recipe, settings.outlines)
    # A grey profile does not describe the three channels that are written.
    carried = Carried(format="png", icc=photo.carried.icc if photo.pixels.shape[2] == 3 else None)
    mask = aged.mask.astype(np.uint8) * np.uint8(255)
    write_aged(targets, Photo(aged.image, None, carried), mask, Photo(aged.target, None, carried))
    return AgedFile(damaged_fraction=float(aged.mask.mean()), target_changed=not np.array_equal(aged.target, clean))


def _is_ours(path: Path) -> bool:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return bool(image.info.get(MARK[0]) == MARK[1])
    except (OSError, ValueError, SyntaxError):  # no PNG, a damaged one, or one that may not be looked into
        return False


def make_folder(folder: Path) -> None:
    """With what lies above it, where it is missing. Raises PhotoUnwritable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PhotoUnwritable(
            f"the folder {folder} cannot be made: {error.strerror}", hint="choose another OUTPUT", path=folder
        ) from error


def rng_for(name: str, seed: int) -> np.random.Generator:
    """Random numbers for a name, the same in any order, on any machine and file system."""
    digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest[:16], "<u4").tolist()])


def to_rgb8(photo: Photo) -> NDArray[np.uint8]:
    """The photo's pixels as (H, W, 3) uint8; transparency is dropped."""
    pixels = photo.pixels
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels / 257).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)), np.uint8)
