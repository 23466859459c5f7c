"""The very samples of a training run as files: what the data loader makes of their numbers, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from restore_cli.errors import UsageProblem
from restore_cli.imaging import Carried, Photo
from restore_cli.training.ageing import AgeingTargets, write_aged
from restore_cli.training.config import CONFIGS, DataConfig, LoopConfig, from_table, read_config, read_toml
from restore_cli.training.data import AgedCrops
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.photo_folder import PhotoFolder
from restore_cli.training.recipes import Recipe
from restore_cli.training.recipes import from_table as recipe_from_table
from restore_cli.training.request import STAGE_CONFIGS


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """What decides, beside the photos, how the samples of a run look."""

    stage: str
    data: DataConfig
    seed: int

    @classmethod
    def of(cls, source: str) -> SampleSettings:
        """Those of a run by its `STAGE.run.json`, of a shipped configuration by its name, or of `NAME_STAGE.toml`.

        Raises UsageProblem if it cannot be read, or does not say for which stage it is.
        """
        path = Path(source)
        if path.suffix == ".json":
            stage, tables = path.name.split(".")[0], _settings_of_run(path)
        else:
            path = path if path.is_file() or not (CONFIGS / f"{source}.toml").is_file() else CONFIGS / f"{source}.toml"
            stage = _stage_of(path)
            tables = read_config(path, stage)
        seed = from_table(LoopConfig, tables.get("loop", {}), "loop").seed
        return cls(stage=stage, data=from_table(DataConfig, tables.get("data", {}), "data"), seed=seed)

    @property
    def recipe(self) -> Recipe:
        """How photos are aged. Raises UsageProblem for settings that no recipe has."""
        return recipe_from_table(self.data.recipe)


def _stage_of(path: Path) -> str:
    """What a file leaves out depends on it: the file's name tells it, or that of its base, as with shipped ones."""
    for name in (path.stem, str(read_toml(path).get("base", ""))):
        stage = next((word for word in name.split("_")[1:] if word in STAGE_CONFIGS), None)
        if stage is not None:
            return stage
    raise UsageProblem(
        f"{path} does not say for which stage it is",
        hint="call the file NAME_STAGE.toml, such as mine_stage2.toml, or name the STAGE.run.json of a run",
        path=path,
    )


def write_samples(
    photos: Path,
    settings: SampleSettings,
    targets: Iterator[tuple[int, AgeingTargets]],
    *,
    damage: DamageOutlines | None,
) -> Iterator[int]:
    """Write the samples of the numbers that `targets` gives, one at a time; photos kept for validation make none.

    Gives each number when its files are written. Raises UsageProblem for faces, which are aged in another way,
    NoPhotosFound, TrainingStopped (too few photos, none readable), PhotoUnwritable.
    """
    if settings.stage == "faces":
        raise UsageProblem("faces are aged in another way than crops", hint="leave --samples")
    data = settings.data
    paths = PhotoFolder.find(photos, validation=data.validation_photos, part=data.part).training
    crops = AgedCrops(paths, data, seed=settings.seed, damage=damage)
    for number, files in targets:
        sample = crops[number]
        mask = _levels(sample["mask"] * 2 - 1)[..., 0]
        write_aged(files, _photo(sample["aged"]), mask, _photo(sample["clean"]))
        yield number


def _settings_of_run(path: Path) -> dict[str, dict[str, object]]:
    try:
        settings: dict[str, dict[str, object]] = json.loads(path.read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageProblem(f"{path} is no run.json of a training run: {error}", path=path) from error
    return settings


def _photo(picture: Tensor) -> Photo:
    return Photo(_levels(picture), None, Carried(format="png"))


def _levels(picture: Tensor) -> np.ndarray:
    """(C, H, W) in [-1, 1] to (H, W, C) uint8: the levels that `to_tensor` was given."""
    return picture.add(1).mul(127.5).round().byte().permute(1, 2, 0).numpy()
