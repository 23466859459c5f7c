from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from restore_cli import imaging
from restore_cli.errors import PhotoUnreadable, PhotoUnwritable
from restore_cli.imaging import Carried, Photo
from restore_cli.training.ageing import AgeingSettings, AgeingTargets, age_file, rng_for, to_rgb8
from restore_cli.training.recipes import PUBLISHED, REALISTIC


def targets(folder: Path, name: str = "a") -> AgeingTargets:
    return AgeingTargets(
        photo=folder / f"{name}.png", mask=folder / f"{name}_mask.png", clean=folder / f"{name}_clean.png"
    )


def save(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def test_the_files_hold_what_age_made(photo: NDArray[np.uint8], tmp_path: Path) -> None:
    source = save(tmp_path / "a.png", photo)
    result = age_file(
        source, targets(tmp_path / "new" / "folder"), AgeingSettings(recipe=replace(PUBLISHED, step_chance=0))
    )
    old = imaging.read(tmp_path / "new" / "folder" / "a.png").pixels
    mask = imaging.read_mask(tmp_path / "new" / "folder" / "a_mask.png", photo.shape[:2])
    clean = imaging.read(tmp_path / "new" / "folder" / "a_clean.png").pixels
    assert (old[mask] == 255).all()
    assert np.array_equal(old[~mask], photo[~mask])
    assert np.array_equal(clean, photo)
    assert result.damaged_fraction == pytest.approx(float(mask.mean()))
    assert not result.target_changed


def test_the_name_decides_not_the_place(photo: NDArray[np.uint8], tmp_path: Path) -> None:
    for folder in ("x", "y"):
        for name in ("a", "b"):
            source = save(tmp_path / folder / f"{name}.png", photo)
            age_file(source, targets(tmp_path / f"old_{folder}", name), AgeingSettings(seed=3))
    read = {path: path.read_bytes() for path in tmp_path.glob("old_*/?.png")}
    assert read[tmp_path / "old_x" / "a.png"] == read[tmp_path / "old_y" / "a.png"]
    assert read[tmp_path / "old_x" / "a.png"] != read[tmp_path / "old_x" / "b.png"]


def test_names_are_the_same_in_both_unicode_forms() -> None:
    """A photo copied to a Mac ages as it did on Linux."""
    composed, decomposed = rng_for("caf\u00e9", 0), rng_for("cafe\u0301", 0)
    assert composed.integers(1 << 60) == decomposed.integers(1 << 60)
    assert rng_for("cafe", 0).integers(1 << 60) != rng_for("cafe", 1).integers(1 << 60)


def test_a_grey_target_is_reported(photo: NDArray[np.uint8], tmp_path: Path) -> None:
    source = save(tmp_path / "a.png", photo)
    recipe = replace(REALISTIC, grey_chance=1)
    assert age_file(source, targets(tmp_path / "out"), AgeingSettings(recipe=recipe)).target_changed


@pytest.mark.parametrize("levels", [np.uint8, np.uint16])
def test_grey_and_deep_photos_become_rgb8(levels: type) -> None:
    ramp = np.linspace(0, np.iinfo(levels).max, 30).astype(levels).reshape(5, 6, 1)
    pixels = to_rgb8(Photo(ramp, None, Carried()))
    assert (pixels.shape, pixels.dtype) == ((5, 6, 3), np.uint8)
    assert (pixels[0, 0] == 0).all()
    assert (pixels[-1, -1] == 255).all()


def test_what_cannot_be_read_or_written_is_said(photo: NDArray[np.uint8], tmp_path: Path) -> None:
    empty = tmp_path / "empty.jpg"
    empty.touch()
    with pytest.raises(PhotoUnreadable):
        age_file(empty, targets(tmp_path / "out"), AgeingSettings())
    blocker = tmp_path / "blocker"
    blocker.touch()
    with pytest.raises(PhotoUnwritable, match="blocker"):
        age_file(save(tmp_path / "a.png", photo), targets(blocker / "out"), AgeingSettings())
