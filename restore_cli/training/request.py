"""What a call of `oldphoto train` asks for, and the settings that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from restore_cli.training.config import (
    CONFIGS,
    DataConfig,
    LoopConfig,
    from_table,
    merged,
    read_config,
    shipped,
)
from restore_cli.training.stage_detector import DetectorStageConfig
from restore_cli.training.stage_faces import FaceStageConfig
from restore_cli.training.stage_fusion import FusionStageConfig
from restore_cli.training.stage_mapping import MappingStageConfig
from restore_cli.training.stage_second_look import SecondLookStageConfig
from restore_cli.training.stage_tone import ToneStageConfig
from restore_cli.training.stage_vae import VAEStageConfig

StageName = Literal["detector", "second-look", "tone", "stage1", "stage2", "fusion", "faces"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
STAGE_CONFIGS: dict[str, type[Any]] = {
    "detector": DetectorStageConfig,
    "second-look": SecondLookStageConfig,
    "tone": ToneStageConfig,
    "stage1": VAEStageConfig,
    "stage2": MappingStageConfig,
    "fusion": FusionStageConfig,
    "faces": FaceStageConfig,
}


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """One call of `oldphoto train`."""

    stage: StageName
    output: Path
    clean: Path | None = None
    """Clean photos; for the faces stage, aligned faces. The detector can do with pairs instead."""
    old: Path | None = None
    """Real old photos, stage 1 only."""
    vae: Path | None = None
    """Folder of the VAEs (and of the detector, if there is one), stage 2 only."""
    pairs: Path | None = None
    """Photos with their masks, detector only."""
    init: str | None = None
    """Name or folder of a model. Its detector (or a detector's file) or its tone network is trained on; the second look
    is one at what that detector says, the fusion is of what it restores; both go on from the model's own network if it
    has one.
    """
    damage: Path | None = None
    """Folder of damage outlines."""
    config: Path | None = None
    """TOML file, or the name of a shipped one; None: `configs/small_STAGE.toml`."""
    steps: int | None = None
    batch_size: int | None = None
    device: str = "auto"
    precision: Precision = "auto"
    workers: int | None = None
    """Processes that make samples; None: one for each core beyond the first, at most 8."""
    resume: bool = False


def resolved(request: TrainRequest) -> tuple[LoopConfig, DataConfig, Any]:
    """Settings of loop, data and stage: the stage's default file, under --config, under the options.

    Raises UsageProblem, naming the setting that does not fit.
    """
    if request.config:
        table = read_config(_found(request.config, request.stage), request.stage)
    elif request.init is not None and request.stage == "detector":
        table = read_config(CONFIGS / "finetune_detector.toml", request.stage)
    else:
        table = read_config(CONFIGS / f"small_{request.stage}.toml", request.stage)
    options = {"steps": request.steps, "batch_size": request.batch_size}
    table = merged(table, {"loop": {key: value for key, value in options.items() if value is not None}})
    loop = from_table(LoopConfig, table["loop"], "loop")
    data = from_table(DataConfig, table["data"], "data")
    config = from_table(STAGE_CONFIGS[request.stage], table["stage"], "stage")
    return loop, data, config


def _found(config: Path, stage: str) -> Path:
    """The file itself, or the shipped one of that name."""
    return config if config.exists() else shipped(str(config), stage) or config
