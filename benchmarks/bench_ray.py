"""What does a photo cost more on Ray than here, and how much faster are two workers than one?

    python benchmarks/bench_ray.py PHOTOS [--count 500] [--px 128] [--wait MS]

Cuts `count` small photos out of the pictures in PHOTOS, restores them with the bundled model on the CPU, here and on a
Ray cluster that it starts in this machine, and compares the results byte for byte. Every process computes with one
thread. With --wait, the network is replaced by a pause of so many milliseconds: as with a GPU, the processor is free
meanwhile, so that two workers show what they do on a machine with few cores too, and what Ray costs shows undisturbed.
"Starting" is the time to the first row, "a photo" the time between rows after it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_AUTH_MODE": "disabled",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}

import numpy as np
import ray
from numpy.typing import NDArray
from PIL import Image

from restore_cli.batch.local import LocalEngine
from restore_cli.batch.plan import PlanOptions, make_plan
from restore_cli.batch.processor import Model, Processed, Processor
from restore_cli.batch.ray_cluster import RayOptions
from restore_cli.batch.ray_engine import RayEngine
from restore_cli.batch.restoring import RestoringProcessor
from restore_cli.batch.run import Engine, run_batch
from restore_cli.batch.worker import Order, Worker
from restore_cli.imaging import Photo


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Stands for a network on a device of its own."""

    seconds: float

    def model(self) -> Model:
        return Model(name="none", sha256="0" * 64)

    def settings(self) -> Mapping[str, Any]:
        return {}

    def load(self) -> None:
        return

    def process(self, photo: Photo, mask: NDArray[np.bool_] | None) -> Processed:
        time.sleep(self.seconds)
        sound = np.zeros(photo.pixels.shape[:2], bool)
        return Processed(pixels=255 - photo.pixels, mask=sound, damaged_fraction=0.0)


@dataclass(frozen=True, kw_only=True)
class Timing:
    starting_seconds: float
    photo_seconds: float
    total_seconds: float


def cut_photos(source: Path, target: Path, *, count: int, px: int) -> None:
    """Square pieces of the pictures in `source`, always the same for the same pictures."""
    rng = np.random.default_rng(0)
    pictures = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".jpg", ".png"))
    target.mkdir()
    for number in range(count):
        with Image.open(pictures[number % len(pictures)]) as picture:
            x, y = (int(rng.integers(0, max(1, side - px))) for side in picture.size)
            picture.convert("RGB").crop((x, y, x + px, y + px)).save(target / f"{number:04}.jpg", quality=90)


def restore(photos: Path, out: Path, processor: Processor, engine: Engine) -> Timing:
    started = time.perf_counter()
    worker = Worker(Order(processor=processor))
    moments = []
    for row in run_batch(make_plan([str(photos)], str(out), PlanOptions()), worker, engine=engine):
        assert row.status in ("done", "unchanged"), row.error
        moments.append(time.perf_counter())
    return Timing(
        starting_seconds=moments[0] - started,
        photo_seconds=(moments[-1] - moments[0]) / (len(moments) - 1),
        total_seconds=time.perf_counter() - started,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.jpg")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--px", type=int, default=128)
    parser.add_argument("--wait", type=float, metavar="MS", default=None)
    arguments = parser.parse_args()
    ray.init(
        address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80 << 20,
        _node_ip_address="127.0.0.1",
    )  # fmt: skip
    engines: dict[str, Engine] = {
        "local": LocalEngine(),
        "ray, 1 worker": RayEngine(RayOptions(workers=1)),
        "ray, 2 workers": RayEngine(RayOptions(workers=2)),
    }
    timings: dict[str, Timing] = {}
    with tempfile.TemporaryDirectory() as work:
        photos = Path(work) / "photos"
        cut_photos(arguments.photos, photos, count=arguments.count, px=arguments.px)
        for name, engine in engines.items():
            processor = (
                RestoringProcessor("small", "cpu") if arguments.wait is None else Pause(seconds=arguments.wait / 1000)
            )
            timings[name] = restore(photos, Path(work) / name, processor, engine)
            assert contents(Path(work) / name) == contents(Path(work) / "local"), f"{name} made other files"
    report(timings, arguments.count, arguments.px)


def report(timings: dict[str, Timing], count: int, px: int) -> None:
    local = timings["local"]
    print(f"{count} photos of {px} x {px}; {platform.machine()}, {os.cpu_count()} cores; same files in every mode")
    for name, timing in timings.items():
        more = 1000 * (timing.photo_seconds - local.photo_seconds)
        print(
            f"{name:15} total {timing.total_seconds:6.1f} s, starting {timing.starting_seconds:5.1f} s, "
            f"a photo {1000 * timing.photo_seconds:6.1f} ms ({more:+.1f} ms), "
            f"speed {local.photo_seconds / timing.photo_seconds:.2f}"
        )
    print(json.dumps({"count": count, "px": px, **{name: vars(timing) for name, timing in timings.items()}}))


if __name__ == "__main__":
    main()
