"""Compares restored photos with the clean ones they come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from restore_cli import imaging
from restore_cli.errors import PhotoUnreadable, explained
from restore_cli.training.ageing import to_rgb8
from restore_cli.training.metrics import psnr_db, ssim

BESIDE_A_RESULT = ("_mask", "_overlay")  # what restore and detect-scratches write next to NAME


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One row of an evaluation: two scores, or an error."""

    name: str
    """The path below the compared folders, without suffix."""
    psnr_db: float | None = None
    ssim: float | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A name with all files that bear it on each side; a comparison needs exactly one of each."""

    name: str
    restored: tuple[Path, ...]
    clean: tuple[Path, ...]


def pair_up(restored: Iterable[tuple[Path, Path]], clean: Iterable[tuple[Path, Path]]) -> list[Pair]:
    """Match files by their path without suffix, given as (file, path below its folder), sorted by it.

    Files like NAME_mask.png are left out where there is no clean photo of that name.
    """
    clean_by_name = _by_name(clean)
    restored_by_name = {
        name: files
        for name, files in _by_name(restored).items()
        if name in clean_by_name or not name.endswith(BESIDE_A_RESULT)
    }
    return [
        Pair(name=name, restored=restored_by_name.get(name, ()), clean=clean_by_name.get(name, ()))
        for name in sorted(restored_by_name.keys() | clean_by_name.keys())
    ]


def _by_name(files: Iterable[tuple[Path, Path]]) -> Mapping[str, tuple[Path, ...]]:
    named: dict[str, tuple[Path, ...]] = {}
    for path, below in files:
        name = below.with_suffix("").as_posix()
        named[name] = (*named.get(name, ()), path)
    return named


def compare(pairs: Iterable[Pair]) -> Iterator[Comparison]:
    """A row for each pair; whatever is wrong with one becomes its `error`."""
    for pair in pairs:
        try:
            row = _compare(pair)
        except Exception as error:  # the edge of a pair: memory that runs out costs one row
            row = Comparison(name=pair.name, error=explained(error))
        yield row


def _compare(pair: Pair) -> Comparison:
    for side, files in (("restored", pair.restored), ("clean", pair.clean)):
        if not files:
            return Comparison(name=pair.name, error=f"no {side} photo of this name")
        if len(files) > 1:
            return Comparison(name=pair.name, error=f"{len(files)} {side} photos of this name")
    try:
        restored, clean = (to_rgb8(imaging.read(files[0])) for files in (pair.restored, pair.clean))
    except PhotoUnreadable as error:
        return Comparison(name=pair.name, error=str(error))
    if restored.shape != clean.shape:
        sizes = " but the clean photo ".join(f"{array.shape[1]} x {array.shape[0]}" for array in (restored, clean))
        return Comparison(name=pair.name, error=f"restored photo is {sizes} pixels")
    try:
        return Comparison(name=pair.name, psnr_db=psnr_db(restored, clean), ssim=ssim(restored, clean))
    except ValueError as error:
        return Comparison(name=pair.name, error=str(error))


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Means over the photos that could be compared; None where there were none."""

    compared: int
    failed: int
    psnr_db: float | None
    ssim: float | None


def summarise(rows: Sequence[Comparison]) -> Summary:
    """The mean of each score."""
    scores = [(row.psnr_db, row.ssim) for row in rows if row.psnr_db is not None and row.ssim is not None]
    means = np.mean(scores, axis=0).tolist() if scores else (None, None)
    return Summary(compared=len(scores), failed=len(rows) - len(scores), psnr_db=means[0], ssim=means[1])
