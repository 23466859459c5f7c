"""How many samples a second each stage trains on, and how long it waits for them.

Drawn photos and networks with random weights: neither changes the time. Every stage has beside it what it has in use:
stage 2 the detector and the tone network of its configuration, the published ones VGG-19. Run:
python benchmarks/bench_training.py [--config small|published] [--stages detector stage1 ...] [--device cpu|cuda]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image

from restore_cli.networks import VAE, VGG19, VGG_RELEASED, ScratchUNet, ToneNet
from restore_cli.training.config import DataConfig, LoopConfig, from_table, read_config, shipped
from restore_cli.training.request import STAGE_CONFIGS
from restore_cli.training.stage import Batch, Stage
from restore_cli.training.stage_detector import DetectorStage
from restore_cli.training.stage_faces import FaceStage
from restore_cli.training.stage_mapping import MappingStage
from restore_cli.training.stage_tone import ToneStage
from restore_cli.training.stage_vae import VAEStage
from restore_cli.training.trainer import Trainer

WARM_UP, PHOTOS, SYNTHESISED = 1, 24, 60
STAGES = {"small": ("detector", "tone", "stage1", "stage2", "faces"), "published": ("detector", "stage1", "stage2")}


def draw_photos(folder: Path) -> Path:
    """Soft noise of 480 x 360 pixels: as much work to age as any photo. Faces are cut from its top left."""
    folder.mkdir()
    for number in range(PHOTOS):
        noise = np.random.default_rng(number).uniform(20, 235, (12, 16, 3)).astype(np.float32)
        photo = np.rint(cv2.resize(noise, (480, 360), interpolation=cv2.INTER_CUBIC)).clip(0, 255).astype(np.uint8)
        Image.fromarray(photo).save(folder / f"{number}.png")
    return folder


def make_stage(name: str, config_name: str, photos: Path, loop_changes: dict[str, object]) -> Stage:
    loop, data, config = settings(config_name, name)
    quiet = {"sheet_every": 0, "tensorboard": False, "validate_every": 10**9, "checkpoint_minutes": 1e9, "log_every": 1}
    loop, data = replace(loop, **quiet, **loop_changes), replace(data, validation_photos=1)
    common = {"config": config, "loop": loop, "data": data}
    if name == "faces":
        side = config.network.face_px
        return FaceStage(**common, crops=cut_squares(photos, side))
    common |= {"clean": photos, "damage": None}
    if name in ("detector", "tone"):
        return {"detector": DetectorStage, "tone": ToneStage}[name](**common)
    vgg = VGG19(VGG_RELEASED) if config.perceptual else None
    if name == "stage1":
        return VAEStage(**common, old=photos, vgg=vgg)
    vae, detector = (settings(config_name, other)[2].network for other in ("stage1", "detector"))
    tone = ToneNet(settings("small", "tone")[2].network) if config_name == "small" else None
    parts = {"vae_a": VAE(vae), "vae_b": VAE(vae), "detector": ScratchUNet(detector), "tone": tone}
    return MappingStage(**common, **parts, vgg=vgg)


def settings(config_name: str, stage: str) -> tuple[LoopConfig, DataConfig, Any]:
    file = shipped(config_name, stage)
    assert file is not None
    table = read_config(file, stage)
    kinds = {"loop": LoopConfig, "data": DataConfig, "stage": STAGE_CONFIGS[stage]}
    loop, data, config = (from_table(kind, table[part], part) for part, kind in kinds.items())
    return loop, data, config


def cut_squares(photos: Path, side: int) -> Path:
    folder = photos.with_name("squares")
    folder.mkdir()
    for path in photos.iterdir():
        Image.open(path).crop((0, 0, side, side)).save(folder / path.name)
    return folder


class Clock(Trainer):
    """A trainer that keeps the times of its steps and writes nothing at its end."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.steps: list[float] = []
        self.waits: list[float] = []
        self.cpu_seconds: list[float] = []
        """Of this process at the end of each step: what other work on the machine takes does not show in it."""

    def _log(self, losses: dict[str, float], *, seconds: float) -> None:
        assert all(np.isfinite(value) for value in losses.values())
        self.steps.append(seconds)
        self.waits.append(self.feed.waited_seconds)
        self.cpu_seconds.append(time.process_time())

    def _validate(self) -> dict[str, float]:
        return {}

    def save(self, batches: Sequence[Batch] = ()) -> None:
        """Nothing to keep."""


def synthesis_rate(stage: Stage) -> float:
    """Samples one CPU core makes a second, by the process's own CPU time."""
    dataset = stage.dataset()
    for number in range(PHOTOS):
        dataset[number]
    start = time.process_time()
    for number in range(SYNTHESISED):
        dataset[PHOTOS + number]
    return SYNTHESISED / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="small", choices=("small", "published"))
    parser.add_argument("--stages", nargs="+", choices=STAGES["small"], help="default: all of the configuration")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=6, help="timed, after the warm-up")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    accelerator = Accelerator(cpu=options.device == "cpu", mixed_precision="bf16" if options.device == "cuda" else "no")
    rows = []
    for name in options.stages or STAGES[options.config]:
        with tempfile.TemporaryDirectory() as folder:
            photos = draw_photos(Path(folder) / "photos")
            loop = {"steps": WARM_UP + options.steps, "batch_size": options.batch, "accumulate": 1}
            stage = make_stage(name, options.config, photos, loop)
            made = synthesis_rate(stage)
            clock = Clock(stage, Path(folder), accelerator=accelerator, workers=options.workers)
            clock.run()
        step, wait = (statistics.median(times[WARM_UP:]) for times in (clock.steps, clock.waits))
        rate, waiting = options.batch / (step + wait), wait / (step + wait)
        spent = clock.cpu_seconds[-1] - clock.cpu_seconds[WARM_UP - 1]
        by_cpu = options.batch * options.steps / spent
        figures = {"samples_a_second": rate, "samples_a_cpu_second": by_cpu, "waiting": waiting}
        rows.append({"stage": name, "crop": stage.data.crop, **figures, "synthesis_a_cpu_second": made})
        shown = f"{rate:7.2f} samples/s, {by_cpu:7.2f} a CPU second, {waiting:5.1%} waiting"
        print(f"{name:10}{shown}; {made:6.0f} samples made a CPU second", flush=True)
    facts = {"config": options.config, "device": options.device, "batch": options.batch}
    versions = {"torch": torch.__version__, "threads": torch.get_num_threads(), "machine": platform.machine()}
    print(json.dumps({"rows": rows, **facts, **versions}))


if __name__ == "__main__":
    main()
