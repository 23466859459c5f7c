"""Time and peak memory of one photo with scratches, each case in a process of its own.

Models: `small`, the bundled one; `released`, one of the released sizes with random weights; `plain`, the same networks
as a stand-in for the released code: eager float32, in one piece, attention as an N x N matrix, batch norms and
convolutions as PyTorch has them. Prints a table to stderr and JSON to stdout: seconds, peak memory, and both as a ratio
to `plain` at the same size or, where that does not run, to the smallest size of the same model.
Run: python benchmarks/bench_restore.py [--sides 512 1024 4000x3000] [--models small released plain]
     [--max-memory-gb N] [--plot growth.png] > restore.json
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

MODELS = ("small", "released", "plain")
SCRATCHES_A_MEGAPIXEL = 12


def write_released_size(folder: Path) -> None:
    """A model folder with networks of the released sizes and random weights."""
    from restore_cli import weights
    from restore_cli.networks import (
        MAPPING_QUALITY,
        MAPPING_SCRATCH,
        UNET_RELEASED,
        VAE,
        VAE_RELEASED,
        Mapping,
        ScratchUNet,
    )

    networks = {
        "detector": ScratchUNet(UNET_RELEASED),
        "vae": VAE(VAE_RELEASED),
        "quality": Mapping(MAPPING_QUALITY),
        "scratch": Mapping(MAPPING_SCRATCH),
    }
    for name, network in networks.items():
        weights.save_network(network, folder / f"{name}.safetensors")
    roles = {"detector": "detector.safetensors", "encoder": "vae.safetensors"}
    for branch in ("quality", "scratch"):
        roles |= {f"{branch}.mapping": f"{branch}.safetensors", f"{branch}.decoder": "vae.safetensors"}
    weights.write_manifest(folder, name="released", roles=roles)


def photo(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of random colour, and straight scratches 1 to 4 px wide as the mask (H, W)."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (-(-height // 8), -(-width // 8), 3), np.uint8)
    image = np.ascontiguousarray(np.repeat(np.repeat(blocks, 8, 0), 8, 1)[:height, :width])
    mask = np.zeros((height, width), np.uint8)
    for _ in range(max(SCRATCHES_A_MEGAPIXEL * height * width // 10**6, 3)):
        start = rng.integers(0, (width, height))
        end = start + rng.uniform(-400, 400, 2)
        cv2.line(mask, start.tolist(), end.astype(int).tolist(), 1, int(rng.integers(1, 5)))
    return image, mask.astype(bool)


def run_plainly(folder: Path, image: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Seconds of detection and of restoration with nothing of ours but the networks' layers and weights."""
    import torch
    from torch import nn

    from restore_cli import weights
    from restore_cli.networks import attention
    from restore_cli.networks.convolution import Conv
    from restore_cli.networks.inputs import to_grey
    from restore_cli.restoration.model import RestorationModel
    from restore_cli.restoration.passes import prepare, whole
    from restore_cli.restoration.pixels import to_tensor
    from restore_cli.restoration.tiles import Box

    def matrix(query, key, value, valid, *, scale):  # type: ignore[no-untyped-def]
        rows = torch.softmax(scale * query @ key.T, dim=1) * valid.to(query.dtype)
        return (rows / rows.sum(dim=1, keepdim=True).clamp_min(1e-12)) @ value

    attention.attend_faded = matrix
    Conv.forward = nn.Conv2d.forward  # type: ignore[method-assign, assignment]
    model = RestorationModel.load(folder, device="cpu", precision="fp32")
    detector, way = weights.load_network(folder / "detector.safetensors"), model.way("scratch")
    with torch.inference_mode():
        start = time.perf_counter()
        detector(to_grey(to_tensor(image, Box(0, 0, *mask.shape), model.device))).sigmoid()
        middle = time.perf_counter()
        whole(prepare(way, image, mask, device=model.device, dtype=model.dtype))
    return middle - start, time.perf_counter() - middle


def run_ours(model: str | Path, image: np.ndarray, mask: np.ndarray, limit: int | None) -> tuple[float, float]:
    """Seconds of detection and of restoration as `oldphoto restore` does them."""
    from restore_cli import Restorer, RestoreSettings

    restorer = Restorer.load(model, device="cpu", max_memory_bytes=limit)
    assert restorer._detector is not None
    start = time.perf_counter()
    restorer._detector.damage(image, 0.4)
    middle = time.perf_counter()
    result = restorer.restore(image, mask, RestoreSettings(faces="off"))
    assert result.image.shape == image.shape
    return middle - start, time.perf_counter() - middle


def measure(model: str, folder: Path, height: int, width: int, max_memory_gb: float | None) -> None:
    """One case: load, detect, restore; prints seconds and peak memory as JSON."""
    limit = int(max_memory_gb * 2**30) if max_memory_gb else None
    image, mask = photo(height, width)
    start, cpu = time.perf_counter(), time.process_time()
    if model == "plain":
        detect, restore = run_plainly(folder, image, mask)
    else:
        detect, restore = run_ours("small" if model == "small" else folder, image, mask, limit)
    figures = {
        "load_s": time.perf_counter() - start - detect - restore,
        "detect_s": detect,
        "restore_s": restore,
        "cpu_s": time.process_time() - cpu,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    print(json.dumps({key: round(value, 2) for key, value in figures.items()}))


def add_ratios(cases: list[dict[str, object]]) -> None:
    """Seconds and memory over those of `plain` at the same size, or of the same model's smallest size."""
    done = [case for case in cases if "peak_gb" in case]
    for case in done:
        base = next((b for b in done if b["model"] == "plain" and b["size"] == case["size"]), None)
        if base is None or case["model"] == "small":
            base = min((b for b in done if b["model"] == case["model"]), key=lambda b: b["megapixels"])  # type: ignore[arg-type, return-value]
        case["baseline"] = f"{base['model']} {base['size']}"
        seconds = [float(one["detect_s"]) + float(one["restore_s"]) for one in (case, base)]  # type: ignore[arg-type]
        case["time_ratio"] = round(seconds[0] / seconds[1], 3)
        case["cpu_ratio"] = round(float(case["cpu_s"]) / float(base["cpu_s"]), 3)  # type: ignore[arg-type]
        case["memory_ratio"] = round(float(case["peak_gb"]) / float(base["peak_gb"]), 3)  # type: ignore[arg-type]


def plot(cases: list[dict[str, object]], target: Path) -> None:
    """Seconds and memory over megapixels."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 4))
    for model in MODELS:
        mine = [case for case in cases if case["model"] == model and "peak_gb" in case]
        sizes = [case["megapixels"] for case in mine]
        axes[0].loglog(sizes, [case["detect_s"] + case["restore_s"] for case in mine], "o-", label=model)  # type: ignore[operator]
        axes[1].semilogx(sizes, [case["peak_gb"] for case in mine], "o-", label=model)
    for axis, name in zip(axes, ("seconds", "peak memory, GB"), strict=True):
        axis.set(xlabel="megapixels", ylabel=name)
        axis.legend()
    figure.tight_layout()
    figure.savefig(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=str, nargs="+", default=["512", "1024"], help="N for N x N, or WIDTHxHEIGHT")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--max-memory-gb", type=float)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        model, folder, height, width = options.case
        measure(model, Path(folder), int(height), int(width), options.max_memory_gb)
        return
    cases: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        write_released_size(Path(folder))
        for side in options.sides:
            width, height = side.split("x") if "x" in side else (side, side)
            for model in options.models:
                memory = ["--max-memory-gb", str(options.max_memory_gb)] if options.max_memory_gb else []
                command = [sys.executable, __file__, *memory, "--case", model, folder, height, width]
                run = subprocess.run(command, capture_output=True, text=True, check=False)
                case: dict[str, object] = {"model": model, "size": f"{width} x {height}"}
                case["megapixels"] = int(width) * int(height) / 1e6
                failure = {"failed": "".join(run.stderr.strip().splitlines()[-1:]) or f"signal {-run.returncode}"}
                case |= json.loads(run.stdout) if run.returncode == 0 else failure
                cases.append(case)
                print(case, file=sys.stderr, flush=True)
    add_ratios(cases)
    if options.plot:
        plot(cases, options.plot)
    import torch

    facts = {"torch": torch.__version__, "threads": torch.get_num_threads(), "machine": platform.processor()}
    print(json.dumps({**facts, "max_memory_gb": options.max_memory_gb, "cases": cases}, indent=1))


if __name__ == "__main__":
    main()
