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
from restore_cli.training.config import CONFIGS, DataConfig, LoopConfig, from_table, read_config
from restore_cli.training.data import AgedCrops
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.photo_folder import PhotoFolder


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """What decides, beside the photos, how the samples of a run look."""

    data: DataConfig
    seed: int

    @classmethod
    def of(cls, source: str) -> SampleSettings:
        """Those of a shipped configuration by its name, as "small_stage2", or of a run by its `STAGE.run.json`.

        Raises UsageProblem if it is neither, or if its stage makes its samples another way.
        """
        path = Path(source)
        shipped = CONFIGS / f"{source}.toml"
        stage = path.name.split(".")[0] if path.suffix == ".json" else source.split("_")[1] if shipped.is_file() else ""
        if stage == "faces":
            raise UsageProblem("faces are aged in another way than crops", hint="leave --samples")
        if not stage:
            hint = "name a shipped configuration such as small_stage2, or the STAGE.run.json of a run"
            raise UsageProblem(f"{source} does not say which stage the samples are for", hint=hint)
        tables = _settings_of_run(path) if path.suffix == ".json" else read_config(shipped, stage)
        seed = from_table(LoopConfig, tables["loop"], "loop").seed
        return cls(data=from_table(DataConfig, tables["data"], "data"), seed=seed)


def write_samples(
    photos: Path,
    settings: SampleSettings,
    targets: Iterator[tuple[int, AgeingTargets]],
    *,
    damage: DamageOutlines | None,
) -> Iterator[int]:
    """Write the samples of the numbers that `targets` gives, one at a time; photos kept for validation make none.

    Gives each number when its files are written. Raises NoPhotosFound, TrainingStopped (too few photos, none readable),
    PhotoUnwritable.
    """
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
