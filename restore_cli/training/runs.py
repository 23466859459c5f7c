"""Start a stage from folders and settings: what `oldphoto train` calls."""

from __future__ import annotations

import json
import logging
import os
import platform
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

import cv2
import torch
from accelerate import Accelerator
from torch import nn

import restore_cli
from restore_cli.errors import TrainingStopped, UsageProblem, WeightsMissing
from restore_cli.networks import VAE, ScratchUNet, ToneNet
from restore_cli.training.config import CONFIGS, DataConfig, LoopConfig, from_table, merged, read_toml
from restore_cli.training.stage import Stage
from restore_cli.training.stage_detector import DetectorStage, DetectorStageConfig
from restore_cli.training.stage_faces import FaceStage, FaceStageConfig
from restore_cli.training.stage_mapping import MappingStage, MappingStageConfig
from restore_cli.training.stage_tone import ToneStage, ToneStageConfig
from restore_cli.training.stage_vae import VAEStage, VAEStageConfig
from restore_cli.training.trainer import Report, Trainer
from restore_cli.weights.network_file import load_network

log = logging.getLogger(__name__)
StageName = Literal["detector", "tone", "stage1", "stage2", "faces"]
STAGE_CONFIGS: dict[str, type[Any]] = {
    "detector": DetectorStageConfig,
    "tone": ToneStageConfig,
    "stage1": VAEStageConfig,
    "stage2": MappingStageConfig,
    "faces": FaceStageConfig,
}


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """One call of `oldphoto train`."""

    stage: StageName
    clean: Path
    """Clean photos; for the faces stage, aligned faces."""
    output: Path
    old: Path | None = None
    """Real old photos, stage 1 only."""
    vae: Path | None = None
    """Folder of the VAEs (and of the detector, if there is one), stage 2 only."""
    damage: Path | None = None
    """Folder of damage outlines."""
    config: Path | None = None
    """TOML file; None: `configs/small_STAGE.toml`."""
    steps: int | None = None
    batch_size: int | None = None
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    workers: int | None = None
    """Processes that make samples; None: one for each core beyond the first, at most 8."""
    resume: bool = False


def train(request: TrainRequest, *, report: Report | None = None) -> dict[str, float]:
    """Run a stage to its end, or until Ctrl+C or SIGTERM, which leaves a checkpoint. Returns the last figures.

    Raises UsageProblem for settings that do not fit, TrainingStopped if the run cannot go on.
    """
    cv2.setNumThreads(1)  # samples are made by processes; threads inside them only get in each other's way
    accelerator = _accelerator(request)
    stage, settings = _stage(request)
    request.output.mkdir(parents=True, exist_ok=True)
    if not request.resume and (request.output / f"{stage.name}.ckpt").exists():
        raise UsageProblem(
            f"{request.output} already holds a run of {stage.name}",
            hint="go on with it by --resume, or choose another --output",
            path=request.output,
        )
    if accelerator.is_main_process:
        _describe(request, settings, accelerator)
    workers = request.workers if request.workers is not None else min(8, max(1, (os.cpu_count() or 2) - 1))
    with stop_signals() as stopped:
        trainer = Trainer(stage, request.output, accelerator=accelerator, workers=workers, report=report, stop=stopped)
        figures = trainer.run(resume=request.resume)
        if stopped():
            raise KeyboardInterrupt
    return figures


def _accelerator(request: TrainRequest) -> Accelerator:
    cpu = request.device == "cpu"
    if request.device.startswith("cuda") and not torch.cuda.is_available():
        raise UsageProblem("there is no CUDA device here", hint="use --device cpu or auto")
    if request.device.startswith("cuda:"):
        torch.cuda.set_device(request.device)
    names = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
    automatic = "bf16" if torch.cuda.is_available() and not cpu and torch.cuda.is_bf16_supported() else "no"
    return Accelerator(cpu=cpu, mixed_precision=names.get(request.precision, automatic))


def resolved(request: TrainRequest) -> tuple[LoopConfig, DataConfig, Any]:
    """Settings of loop, data and stage: the stage's default file, under --config, under the options."""
    table = read_toml(CONFIGS / f"small_{request.stage}.toml")
    if request.config:
        table = merged(table, read_toml(request.config))
    unknown = set(table) - {"loop", "data", "stage"}
    if unknown:
        raise UsageProblem(f"{request.config}: no table is called [{sorted(unknown)[0]}]", hint="[loop] [data] [stage]")
    options = {"steps": request.steps, "batch_size": request.batch_size}
    table = merged(table, {"loop": {key: value for key, value in options.items() if value is not None}})
    loop = from_table(LoopConfig, table["loop"], "loop")
    data = from_table(DataConfig, table["data"], "data")
    config = from_table(STAGE_CONFIGS[request.stage], table["stage"], "stage")
    return loop, data, config


def _stage(request: TrainRequest) -> tuple[Stage, dict[str, Any]]:
    loop, data, config = resolved(request)
    stage = _build(request, config, loop, data)
    return stage, {"loop": asdict(loop), "data": asdict(data), "stage": asdict(config)}


def _build(request: TrainRequest, config: Any, loop: LoopConfig, data: DataConfig) -> Stage:
    if request.stage == "faces":
        return FaceStage(config=config, loop=loop, data=data, crops=request.clean)
    common: dict[str, Any] = {
        "config": config,
        "loop": loop,
        "data": data,
        "clean": request.clean,
        "damage": request.damage,
    }
    if request.stage == "detector":
        return DetectorStage(**common)
    if request.stage == "tone":
        return ToneStage(**common)
    if request.stage == "stage1":
        return VAEStage(**common, old=request.old)
    if request.vae is None:
        raise UsageProblem("stage 2 maps between two VAEs", hint="give --vae, the folder that stage 1 wrote")
    detector_file, tone_file = request.vae / "detector.safetensors", request.vae / "tone.safetensors"
    return MappingStage(
        **common,
        vae_a=cast(VAE, _part(request.vae, "vae_a")),
        vae_b=cast(VAE, _part(request.vae, "vae_b")),
        detector=cast(ScratchUNet, load_network(detector_file)) if detector_file.is_file() else None,
        tone=cast(ToneNet, load_network(tone_file)) if tone_file.is_file() else None,
    )


def _part(folder: Path, name: str) -> nn.Module:
    path = folder / f"{name}.safetensors"
    if not path.is_file():
        raise WeightsMissing(f"{folder} holds no {path.name}", hint="--vae wants the folder of stage 1", path=folder)
    return load_network(path)


def _describe(request: TrainRequest, settings: dict[str, Any], accelerator: Accelerator) -> None:
    """Keep beside the weights what they were made with."""
    facts = {
        "request": {key: str(value) if isinstance(value, Path) else value for key, value in asdict(request).items()},
        "settings": settings,
        "versions": {
            "oldphoto": restore_cli.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "device": str(accelerator.device),
        "precision": accelerator.mixed_precision,
        "processes": accelerator.num_processes,
    }
    path = request.output / f"{request.stage}.run.json"
    try:
        path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise TrainingStopped(f"cannot write {path}: {error}", hint="choose another --output", path=path) from error


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """While open, Ctrl+C and SIGTERM only set a flag, which the given function reads; a second Ctrl+C interrupts."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def note(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        log.warning("stopping after this step; a checkpoint will be written")
        asked.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
