"""Settings of a training run, read from TOML and kept as frozen dataclasses.

A file has the tables [loop], [data] and [stage]; what it leaves out keeps the value of `small_STAGE.toml`, or of the
file that `base = "NAME"` names at its top, or with `base = "defaults"` that of the dataclasses. The shipped files are
in `configs/`: `small_*.toml` make the bundled model, `published_*.toml` follow the papers.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from restore_cli.errors import UsageProblem
from restore_cli.training.ranges import refuse_outside

T = TypeVar("T")
CONFIGS = Path(__file__).parent / "configs"
TABLES = ("loop", "data", "stage")


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How the optimisers run, the same for each stage."""

    steps: int = 2000
    """Optimiser steps in all."""
    batch_size: int = 8
    """Samples an optimiser step, over all processes and accumulated micro-batches."""
    accumulate: int = 1
    """Micro-batches an optimiser step."""
    optimizer: str = "adamw"
    """adamw, or muon: slower by a tenth, and keeps deep layers from collapsing at high rates."""
    lr: float = 2e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    warmup_steps: int = 0
    """Steps over which the learning rate rises from zero."""
    decay_share: float = 0.5
    """Last share of the steps, over which the learning rate falls linearly to zero."""
    clip_norm: float = 0.0
    """Largest gradient norm of a player; 0: not clipped."""
    ema: float = 0.0
    """Decay of the averaged weights that are validated and exported; 0: the last weights are."""
    channels_last: bool = False
    """Keep pictures with their channels together: quicker on GPUs with bf16, and on some CPUs."""
    explosion: float = 1000.0
    """A player's loss this many times above the lowest it had stops the run; 0: only what is no number does."""
    seed: int = 0
    log_every: int = 20
    """Steps between lines of the log."""
    validate_every: int = 500
    """Steps between validations; each also exports the model."""
    checkpoint_minutes: float = 5.0
    sheet_every: int = 500
    """Steps between contact sheets of validation photos, `STAGE.sheets/STEP.png`; 0: none."""
    tensorboard: bool = True
    """Write a TensorBoard log as well, where the package is installed."""

    def __post_init__(self) -> None:
        refuse_outside(self, 1, math.inf, "steps", "batch_size", "accumulate", "log_every", "validate_every")
        refuse_outside(self, 0, math.inf, "weight_decay", "warmup_steps", "clip_norm", "checkpoint_minutes")
        refuse_outside(self, 0, math.inf, "explosion", "sheet_every")
        refuse_outside(self, 0, 2**63 - 1, "seed")
        refuse_outside(self, 1e-12, 1000, "lr")
        refuse_outside(self, 0, 1, "ema", "decay_share")
        if self.optimizer not in ("adamw", "muon"):
            raise ValueError(f"optimizer is {self.optimizer!r}, neither adamw nor muon")
        if self.batch_size % self.accumulate:
            raise ValueError(f"batch_size {self.batch_size} is no multiple of accumulate {self.accumulate}")
        if not (self.ema < 1 and all(0 <= beta < 1 for beta in self.betas)):
            raise ValueError(f"ema is {self.ema}, betas are {self.betas}: less than 1, please")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What a sample is."""

    crop: int = 256
    """Side of the square that training sees, in pixels, a multiple of 32."""
    context: int = 32
    """Pixels around the crop that are aged with it and cut off, so that damage enters from outside."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Range of the random scale at which the crop is cut, 1 = as photographed."""
    recipe: dict[str, Any] = field(default_factory=lambda: {"name": "published"})
    """Name of a recipe and what differs from it."""
    grey_share: float = 0.1
    """Probability that a sample is made grey."""
    turned_share: float = 0.0
    """Probability that a photo is put upside down or on its side, so that fewer scenes are known by heart."""
    mosaic_share: float = 0.0
    """Probability that a crop is put together of four photos: as large and as sharp as few training photos are."""
    validation_photos: int = 16
    """Photos kept apart for validation, chosen by their names' hash; of few photos at most a fifth."""
    part: tuple[float, float] = (0.0, 1.0)
    """Which of the others to train on, as shares of them in the order of their names' hash: so that two networks learn
    from different photos."""
    validation_crop: int = 256
    cache_mb: int = 1500
    """Memory for decoded photos in each worker process."""

    def __post_init__(self) -> None:
        refuse_outside(self, 32, math.inf, "crop", "validation_crop")
        if self.crop % 32 or self.validation_crop % 32:
            raise ValueError(f"crop is {self.crop}, validation_crop {self.validation_crop}: multiples of 32, please")
        refuse_outside(self, 0, math.inf, "context", "validation_photos", "cache_mb")
        refuse_outside(self, 0, 1, "grey_share", "turned_share", "mosaic_share", "part")
        refuse_outside(self, 0.01, 100, "scale")
        if self.part[0] == self.part[1]:
            raise ValueError(f"part is {self.part}, not two shares such as (0.0, 0.7)")


def from_table(kind: type[T], table: dict[str, Any], where: str) -> T:
    """Build a frozen config dataclass from a TOML table. Raises UsageProblem naming the key that does not belong."""
    hints = typing.get_type_hints(kind)
    unknown = set(table) - set(hints)
    if unknown:
        known = ", ".join(sorted(hints))
        raise UsageProblem(f"{where}: no setting is called {sorted(unknown)[0]!r}", hint=f"settings here: {known}")
    values = {key: _convert(hints[key], value, f"{where}.{key}") for key, value in table.items()}
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise UsageProblem(f"{where}: {error}") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return from_table(typing.cast(type, hint), value, where)
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(value, list) and len(value) == len(options):
        return tuple(_convert(option, item, where) for option, item in zip(options, value, strict=True))
    if origin in (types.UnionType, typing.Union):
        fitting = [option for option in options if _fits(option, value)]
    elif origin is typing.Literal:
        fitting = [hint] if value in options else []
    else:
        fitting = [hint] if _fits(origin or hint, value) else []
    if not fitting:
        raise UsageProblem(f"{where}: {value!r} does not fit {hint}", hint="see the shipped files in training/configs")
    return float(value) if hint is float else value


def _fits(kind: Any, value: Any) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def read_toml(path: Path) -> dict[str, Any]:
    """A config file's tables. Raises UsageProblem if it cannot be read, is not TOML or has something else in it."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageProblem(
            f"cannot read the configuration {path}: {error}", hint="check --config", path=path
        ) from error
    wrong = [key for key, value in table.items() if key not in TABLES and key != "base"] + [
        key for key in TABLES if not isinstance(table.get(key, {}), dict)
    ]
    if wrong:
        tables = " ".join(f"[{name}]" for name in TABLES)
        raise UsageProblem(f"{path}: {wrong[0]!r} is none of the tables", hint=f"a file has {tables}", path=path)
    return table


def shipped(name: str, stage: str) -> Path | None:
    """The shipped file for a stage that is called NAME or NAME_STAGE, as "published" or "published_stage2_quality"."""
    files = {path.stem: path for path in CONFIGS.glob("*.toml") if path.stem.split("_")[1] == stage}
    return files.get(f"{name}_{stage}") or files.get(name)


def read_config(path: Path, stage: str) -> dict[str, Any]:
    """A config file's tables, laid over those of its base. Raises UsageProblem."""
    table = read_toml(path)
    base = table.pop("base", "small")
    if base == "defaults":
        return {name: {} for name in TABLES} | table
    below = shipped(str(base), stage)
    if below == path:
        return table
    if below is None:
        names = ", ".join(sorted(file.stem for file in CONFIGS.glob("*.toml") if file.stem.split("_")[1] == stage))
        raise UsageProblem(f"{path}: there is no base {base!r}", hint=f"defaults, or one of {names}", path=path)
    return merged(read_config(below, stage), table)


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, table by table."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result
