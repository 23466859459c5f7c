"""Which photos of a folder are trained on, and which are kept for validation."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from restore_cli import imaging
from restore_cli.errors import NoPhotosFound, TrainingStopped


@dataclass(frozen=True)
class PhotoFolder:
    """The photos below a folder, split by name into those trained on and those kept for validation."""

    training: tuple[Path, ...]
    validation: tuple[Path, ...]

    @classmethod
    def find(cls, folder: Path, *, validation: int = 0, part: tuple[float, float] = (0.0, 1.0)) -> PhotoFolder:
        """All photos of a format that is known here, subfolders included; a name with a dot in front is no photo.

        part: which of those trained on, as in DataConfig. Raises NoPhotosFound if there are none, TrainingStopped if no
        more than validation keeps apart, or none in that part.
        """
        found = cls.split(photos_below(folder), folder, validation=validation)
        return replace(found, training=_part_of(found.training, part, folder))

    @classmethod
    def split(cls, paths: Sequence[Path], folder: Path, *, validation: int) -> PhotoFolder:
        """`paths` of `folder`, some kept for validation; raises as `find`."""
        if not paths:
            hint = "name a folder with photos in it or in its subfolders"
            raise NoPhotosFound(f"{folder} holds no photos", hint=hint, path=folder)
        by_hash = sorted(paths, key=_hash_of_name)
        kept = set(by_hash[:validation])
        training = tuple(p for p in paths if p not in kept)
        if not training:
            raise TrainingStopped(
                f"{folder} holds {len(paths)} photos, and {validation} are kept for validation",
                hint="give a folder with more photos, or lower validation_photos in the [data] table",
                path=folder,
            )
        return cls(training, tuple(by_hash[:validation]))


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
    """Files below a folder whose suffix is that of an image format, in the order of their names."""
    found = (p for p in folder.rglob("*") if imaging.format_of_suffix(p.suffix) and not p.name.startswith("."))
    return sorted(p for p in found if p.is_file())
