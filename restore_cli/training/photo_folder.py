"""Which photos of a folder are trained on, and which are kept for validation."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from restore_cli import imaging
from restore_cli.errors import NoPhotosFound, TrainingStopped, UsageProblem

logger = logging.getLogger(__name__)
LARGEST_VALIDATION_SHARE = 0.2
"""Who has few photos wants most of them trained on."""


@dataclass(frozen=True)
class PhotoFolder:
    """The photos below a folder, split by name into those trained on and those kept for validation."""

    training: tuple[Path, ...]
    validation: tuple[Path, ...]

    @classmethod
    def find(cls, folder: Path, *, validation: int = 0, part: tuple[float, float] = (0.0, 1.0)) -> PhotoFolder:
        """All photos of a format that is known here, subfolders included; a name with a dot in front is no photo.

        validation: how many to keep apart, of few photos at most a fifth. part: which of those trained on, as in
        DataConfig. Raises NoPhotosFound if there are none, TrainingStopped if there is only one and it should be
        kept apart, or none in that part.
        """
        found = cls.split(photos_below(folder), folder, validation=validation)
        return replace(found, training=_part_of(found.training, part, folder))

    @classmethod
    def split(cls, paths: Sequence[Path], folder: Path, *, validation: int) -> PhotoFolder:
        """`paths` of `folder`, at most a fifth of them kept for validation; raises as `find`."""
        if not paths:
            hint = "name a folder with photos in it or in its subfolders"
            raise NoPhotosFound(f"{folder} holds no photos", hint=hint, path=folder)
        if validation and len(paths) == 1:
            raise TrainingStopped(
                f"{folder} holds one photo, and one more is needed for validation",
                hint="give a folder with more photos",
                path=folder,
            )
        apart = min(validation, int(LARGEST_VALIDATION_SHARE * len(paths)) or 1)
        if apart < validation:
            logger.warning("%s: %d of %d photos are kept for validation, not %d", folder, apart, len(paths), validation)
        by_hash = sorted(paths, key=_hash_of_name)
        training = set(by_hash[apart:])
        return cls(tuple(path for path in paths if path in training), tuple(by_hash[:apart]))


def _part_of(paths: Sequence[Path], part: tuple[float, float], folder: Path) -> tuple[Path, ...]:
    by_hash = sorted(paths, key=_hash_of_name)
    kept = set(by_hash[round(part[0] * len(paths)) : round(part[1] * len(paths))])
    if not kept:
        raise TrainingStopped(
            f"part {part} of the {len(paths)} training photos in {folder} is none",
            hint="give a folder with more photos, or widen part in the [data] table",
            path=folder,
        )
    return tuple(path for path in paths if path in kept)


def _hash_of_name(path: Path) -> bytes:
    return hashlib.sha256(path.name.encode("utf-8", "surrogateescape")).digest()


def photos_below(folder: Path) -> list[Path]:
    """Files below a folder whose suffix is that of an image format, in the order of their names.

    Raises UsageProblem for what is no folder.
    """
    if not folder.is_dir():
        raise UsageProblem(
            f"{folder} is no folder", hint="name one with photos in it or in its subfolders", path=folder
        )
    found = (p for p in folder.rglob("*") if imaging.format_of_suffix(p.suffix) and not p.name.startswith("."))
    return sorted(p for p in found if p.is_file())
