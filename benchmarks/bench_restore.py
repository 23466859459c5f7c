"""Time and peak memory of one photo with scratches, each case in a process of its own.

Models: the bundled one, and one of the released sizes with random weights. The baseline of each size is the released
form of the model at 512 x 512 with its attention written plainly as an N x N matrix.
Run: python benchmarks/bench_restore.py [--sides 512 1024] [--models small released] [--max-memory-gb N]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

MODELS = ("small", "released", "released-matrix")


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


def use_matrix_attention() -> None:
    """The whole N x N matrix, as the released code holds it."""
    import torch

    from restore_cli.networks import attention

    def matrix(query, key, value, valid, *, scale):  # type: ignore[no-untyped-def]
        rows = torch.softmax(scale * query @ key.T, dim=1) * valid.to(query.dtype)
        return (rows / rows.sum(dim=1, keepdim=True).clamp_min(1e-12)) @ value

    attention.attend_faded = matrix  # type: ignore[assignment]


def measure(model: str, folder: Path, height: int, width: int, max_memory_gb: float | None) -> None:
    """One case: load, detect, restore; prints seconds and peak memory as JSON."""
    from restore_cli import Restorer

    if model == "released-matrix":
        use_matrix_attention()
    limit = int(max_memory_gb * 2**30) if max_memory_gb else None
    start = time.perf_counter()
    restorer = Restorer.load("small" if model == "small" else folder, device="cpu", max_memory_bytes=limit)
    rng = np.random.default_rng(0)
    image = np.repeat(np.repeat(rng.integers(0, 256, (-(-height // 8), -(-width // 8), 3), np.uint8), 8, 0), 8, 1)
    image = np.ascontiguousarray(image[:height, :width])
    mask = np.zeros((height, width), bool)
    mask[:, :: max(width // 20, 1)] = True
    mask[height // 3 : height // 3 + 4] = True
    detecting = time.perf_counter()
    assert restorer._detector is not None
    restorer._detector.probability(image)
    restoring = time.perf_counter()
    result = restorer.restore(image, mask)
    done = time.perf_counter()
    assert result.image.shape == image.shape
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    figures = {"load_s": detecting - start, "detect_s": restoring - detecting, "restore_s": done - restoring}
    print(json.dumps({key: round(value, 2) for key, value in figures.items()} | {"peak_gb": round(peak_gb, 2)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=str, nargs="+", default=["512", "1024"], help="N for N x N, or WIDTHxHEIGHT")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--max-memory-gb", type=float)
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        model, folder, height, width = options.case
        measure(model, Path(folder), int(height), int(width), options.max_memory_gb)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_released_size(Path(folder))
        for side in options.sides:
            width, height = side.split("x") if "x" in side else (side, side)
            for model in options.models:
                memory = ["--max-memory-gb", str(options.max_memory_gb)] if options.max_memory_gb else []
                command = [sys.executable, __file__, *memory, "--case", model, folder, height, width]
                run = subprocess.run(command, capture_output=True, text=True, check=False)
                answer = run.stdout.strip() or f"failed: {run.stderr.strip().splitlines()[-1:]}"
                print(f"{model:16} {width} x {height}: {answer}", flush=True)


if __name__ == "__main__":
    main()
