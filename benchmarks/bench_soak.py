"""Does memory stay flat over a long run? Many small photos in one process, RSS read as they go by.

    python benchmarks/bench_soak.py --photos 2000 --model small
    python benchmarks/bench_soak.py --photos 2000 --model none      # the batch room alone, without a network

Prints RSS after 100 photos and at the end, the speed of the first and the last quarter, and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import restore_cli
from restore_cli.batch.plan import PlanOptions, make_plan
from restore_cli.batch.processor import Model, Processed, Processor
from restore_cli.batch.restoring import RestoringProcessor
from restore_cli.batch.run import run_batch
from restore_cli.batch.worker import Order, Worker
from restore_cli.imaging import Photo

WARM_UP_PHOTOS = 100
"""Caches and thread pools are filled by then."""


@dataclass
class Inverter:
    """Stands for a network where only the files around it are of interest."""

    def model(self) -> Model:
        return Model(name="none", sha256="0" * 64)

    def settings(self) -> Mapping[str, Any]:
        return {}

    def load(self) -> None:
        return

    def process(self, photo: Photo, mask: NDArray[np.bool_] | None) -> Processed:
        sound = np.zeros(photo.pixels.shape[:2], bool)
        return Processed(pixels=255 - photo.pixels, mask=sound, damaged_fraction=0.0)


def rss_mb() -> float:
    """Resident memory of this process now, in MB (Linux)."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def make_photos(folder: Path, count: int, size: tuple[int, int]) -> None:
    """JPEGs of (width, height) with smooth content and noise, each another one."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 180, size[0])[None, :, None]
    for number in range(count):
        noisy = ramp + rng.normal(30, 12, (size[1], size[0], 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number:05}.jpg", quality=90)


def soak(photos: Path, output: Path, processor: Processor) -> dict[str, Any]:
    """One run; every photo must succeed."""
    plan = make_plan([str(photos)], str(output), PlanOptions())
    memory_mb: list[float] = []
    moments: list[float] = []
    for row in run_batch(plan, Worker(Order(processor=processor, thumbnail_px=240))):
        assert row.status in ("done", "unchanged"), row.error
        memory_mb.append(rss_mb())
        moments.append(time.perf_counter())
        if len(moments) % 100 == 0:
            print(f"{len(moments):6} photos  {memory_mb[-1]:8.1f} MB", flush=True)
    quarter = len(moments) // 4
    early, late = memory_mb[min(WARM_UP_PHOTOS, len(memory_mb)) - 1], memory_mb[-1]
    return {
        "photos": len(moments),
        "rss_mb_after_100": round(early, 1),
        "rss_mb_at_end": round(late, 1),
        "rss_mb_peak": round(max(memory_mb), 1),
        "growth_percent": round(100 * (late / early - 1), 2),
        "photos_per_s_first_quarter": round((quarter - 1) / (moments[quarter - 1] - moments[0]), 2),
        "photos_per_s_last_quarter": round((quarter - 1) / (moments[-1] - moments[-quarter]), 2),
    }


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--model", default="small", help="none measures the batch room alone")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", type=int, nargs=2, default=(320, 240), metavar=("WIDTH", "HEIGHT"))
    options = parser.parse_args()
    processor: Processor = Inverter()
    if options.model != "none":
        processor = RestoringProcessor(model_name=options.model, device=options.device)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "in").mkdir()
        make_photos(Path(folder) / "in", options.photos, tuple(options.size))
        figures = soak(Path(folder) / "in", Path(folder) / "out", processor)
    for name, value in figures.items():
        print(f"{name:30} {value}")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    about = {"oldphoto": restore_cli.__version__, "python": platform.python_version(), "commit": commit}
    print(json.dumps({"benchmark": "soak", "model": options.model, "device": options.device, **about, **figures}))


if __name__ == "__main__":
    main()
