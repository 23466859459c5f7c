"""How much can one core decode, restore and encode, and what do planning and the journal cost a photo?

    python benchmarks/bench_stages.py PHOTO... [--files 5000]

Megapixels for each second of one core's time, which other programs on the machine do not lengthen as they do the
clock's: for the largest of the photos given, in each format, median of several; then a plan of so many tiny files, and
a journal with a line for each of them. The figures are where docs/clusters.md starts from.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import torch

from restore_cli import Restorer
from restore_cli.batch.journal import Entry, Journal, WrittenFile, line_of
from restore_cli.batch.plan import PlanOptions, make_plan
from restore_cli.imaging import Photo, read, write

ROUNDS = 3


def rate(act: Callable[[], object], megapixels: float, rounds: int = ROUNDS) -> float:
    """Megapixels for each second of processor time, median, after one run to warm up."""
    act()
    seconds = []
    for _ in range(rounds):
        started = time.process_time()
        act()
        seconds.append(time.process_time() - started)
    return megapixels / statistics.median(seconds)


def encoded(photo: Photo, format: str) -> bytes:
    stream = io.BytesIO()
    write(photo, stream, format=format)
    return stream.getvalue()


def formats(photo: Photo) -> dict[str, dict[str, float]]:
    megapixels = photo.pixels.shape[0] * photo.pixels.shape[1] / 1e6
    rates = {}
    for name in ("jpg", "png", "tiff", "webp"):
        data = encoded(photo, name)
        rates[name] = {
            "decode_mp_s": rate(lambda data=data: read(data), megapixels),
            "encode_mp_s": rate(lambda name=name: encoded(photo, name), megapixels),
            "bytes_a_pixel": len(data) / megapixels / 1e6,
        }
    return rates


def files(count: int) -> dict[str, float]:
    """Planning and journal: seconds and bytes for each photo."""
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "in").mkdir()
        for number in range(count):
            (Path(work) / "in" / f"{number}.jpg").touch()
        started = time.process_time()
        plan = make_plan([f"{work}/in"], f"{work}/out", PlanOptions())
        planning = time.process_time() - started
        del plan
        tracemalloc.start()
        plan = make_plan([f"{work}/in"], f"{work}/out", PlanOptions())
        plan_bytes = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        entries = (_entry(str(job.shown), Path(job.shown_target).name) for job in plan)
        lines = b"".join(map(line_of, entries))
        journal = Journal(Path(work))
        journal.path.write_bytes(lines)
        before = tracemalloc.get_traced_memory()[0]
        journal.versions("0.jpg")
        journal_bytes = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        fresh = Journal(Path(work))
        started = time.process_time()
        fresh.versions("0.jpg")
        reading = time.process_time() - started
    return {
        "plan_us": 1e6 * planning / count,
        "plan_bytes": plan_bytes / count,
        "journal_line_bytes": len(lines) / count,
        "journal_memory_bytes": journal_bytes / count,
        "journal_read_us": 1e6 * reading / count,
    }


def _entry(source: str, name: str) -> Entry:
    hash_ = "0" * 64
    written = WrittenFile(path=name, bytes=10**6, sha256=hash_)
    return Entry(
        output=name, input=source, input_sha256=hash_, settings_sha256=hash_, files=(written,), status="done",
        size=(3000, 2000), damaged_fraction=0.01, faces=(), seconds=1.0,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--files", type=int, default=5000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    results: dict[str, object] = {}
    photos = [read(path) for path in arguments.photos]
    largest = max(photos, key=lambda photo: photo.pixels.size)
    results["formats"] = formats(largest)
    restorer = Restorer.load("small", device="cpu")
    height, width = largest.pixels.shape[:2]
    results["restore_mp_s"] = rate(lambda: restorer.restore(largest.pixels), height * width / 1e6, rounds=2)
    results["size"] = [width, height]
    results["files"] = files(arguments.files)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
