"""Start a stage from folders and settings: what `oldphoto train` calls."""

from __future__ import annotations

import contextlib
import logging
import os
import time

import cv2
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from restore_cli.errors import OldPhotoError, TrainingStopped, UsageProblem
from restore_cli.networks.cpu import multiplies_bfloat16
from restore_cli.training.build import build, refuse_mixture
from restore_cli.training.request import STAGE_CONFIGS, StageName, TrainRequest, resolved
from restore_cli.training.run_file import RunFile
from restore_cli.training.stage import Stage
from restore_cli.training.stopping import stop_signals
from restore_cli.training.trainer import Report, Trainer, Validated

__all__ = ["STAGE_CONFIGS", "StageName", "TrainRequest", "resolved", "stop_signals", "train"]

log = logging.getLogger(__name__)


def train(
    request: TrainRequest, *, report: Report | None = None, validated: Validated | None = None
) -> dict[str, float]:
    """Run a stage to its end, or until Ctrl+C or SIGTERM, which leaves a checkpoint. Returns the last figures.

    Raises UsageProblem for settings that do not fit, TrainingStopped if the run cannot go on, KeyboardInterrupt after
    the checkpoint of a run that was stopped.
    """
    cv2.setNumThreads(1)  # samples are made by processes; threads inside them only get in each other's way
    accelerator = _accelerator(request)
    if not accelerator.is_main_process:
        logging.getLogger("restore_cli").setLevel(logging.ERROR)  # one voice is enough
    loop, data, config = resolved(request)
    refuse_mixture(request, config)
    refuse_output_among_photos(request)
    stage = build(request, loop, data, config)
    _make_output(request, stage)
    workers = request.workers if request.workers is not None else min(8, max(1, (os.cpu_count() or 2) - 1))
    with stop_signals() as stopped:
        trainer = Trainer(
            stage,
            request.output,
            accelerator=accelerator,
            workers=workers,
            report=report,
            validated=validated,
            stop=stopped,
        )
        figures = _recorded(trainer, request)
        if stopped() and trainer.step < loop.steps:
            raise KeyboardInterrupt
    return figures


def _recorded(trainer: Trainer, request: TrainRequest) -> dict[str, float]:
    """Run, with the outcome in the run's file whatever it is."""
    accelerator = trainer.accelerator
    if request.resume:
        trainer.resume()  # what cannot go on leaves the file as it is
    if not accelerator.is_main_process:
        return trainer.run()
    record = RunFile(
        request,
        trainer.stage,
        device=str(accelerator.device),
        precision=accelerator.mixed_precision,
        processes=accelerator.num_processes,
    )
    record.write(state="running", figures=trainer.figures)
    started = time.monotonic()

    def write(state: str) -> None:
        record.write(
            state=state,
            steps=trainer.step,
            seconds=round(time.monotonic() - started, 1),
            unreadable_photos=trainer.unreadable,
            figures=trainer.figures,
        )

    try:
        figures = trainer.run()
    except OldPhotoError as problem:
        with contextlib.suppress(TrainingStopped):  # the disk may be full: what came first is to be told
            write(f"failed: {problem.message}")
        raise
    write("finished" if trainer.step == trainer.loop.steps else "stopped")
    if trainer.unreadable:
        log.warning("%d photos could not be read and were left out", trainer.unreadable)
    return figures


def refuse_output_among_photos(request: TrainRequest) -> None:
    """The run's contact sheets would be photos of the next one. Raises UsageProblem."""
    output = request.output.resolve()
    for folder in (request.clean, request.old, request.pairs, request.damage):
        if folder is not None and output.is_relative_to(folder.resolve()):
            raise UsageProblem(
                f"the output {request.output} lies in {folder}, which is trained on",
                hint="choose an --output outside: its contact sheets would be taken for photos",
                path=request.output,
            )


def _make_output(request: TrainRequest, stage: Stage) -> None:
    try:
        request.output.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise TrainingStopped(
            f"the folder {request.output} cannot be made: {problem}",
            hint="choose another --output",
            path=request.output,
        ) from problem
    if not request.resume and (request.output / f"{stage.name}.ckpt").exists():
        raise UsageProblem(
            f"{request.output} already holds a run of {stage.name}",
            hint="go on with it by --resume, or choose another --output",
            path=request.output,
        )


def _accelerator(request: TrainRequest) -> Accelerator:
    """Raises UsageProblem for a device that is not there, or a precision that it has not."""
    name = request.device.partition(":")[0]
    if name not in ("auto", "cpu", "cuda"):
        raise UsageProblem(f"there is no device {request.device!r} to train on", hint="use --device auto, cpu or cuda")
    if name == "cuda":
        index, count = request.device.partition(":")[2] or "0", torch.cuda.device_count()
        if not index.isdecimal() or int(index) >= count:
            raise UsageProblem(
                f"{request.device} was asked for, and this machine has {count} CUDA devices",
                hint="use --device cpu or auto",
            )
        if ":" in request.device:  # else each process of a launcher has its own
            torch.cuda.set_device(int(index))
    on_gpu = torch.cuda.is_available() and name != "cpu"
    if request.precision == "fp16" and not on_gpu:
        raise UsageProblem("fp16 needs a GPU", hint="use --precision bf16 or fp32")
    # accelerate keeps one state a process: a second run in it may want another device or precision.
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    names = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
    multiplies_bf16 = torch.cuda.is_bf16_supported() if on_gpu else multiplies_bfloat16()
    automatic = "bf16" if multiplies_bf16 else "no"
    return Accelerator(cpu=name == "cpu", mixed_precision=names.get(request.precision, automatic))
