"""Time and peak memory of one photo with scratches, each case in a process of its own.

Models: `small`, the bundled one; `released`, one of the released sizes with random weights; `plain`, the same networks
as a stand-in for the released code: eager float32, in one piece, attention as an N x N matrix, batch norms and
convolutions as PyTorch has them. Prints progress to stderr and JSON to stdout: seconds, processor seconds, peak memory,
each also as a ratio to `plain` at the same size or, where that does not run, to the smallest size of the same model,
and the peak over the limit where one was given. --command takes the way of a user instead: `oldphoto restore` or
`detect-scratches` on a file, decoding and encoding included. --table writes the same as Markdown, --plot draws growth;
--earlier adds the cases of earlier runs to them (`--sides` without any measures nothing new).
Run: python benchmarks/bench_restore.py [--sides 512 1024 4000x3000] [--models small released plain]
     [--max-memory-gb N ...] [--precision fp32] [--command restore] [--photo PHOTO] [--earlier restore.json ...]
     [--table T.md] [--plot growth.png] > restore.json
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
from typing import Any

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
    from restore_cli.restoration.box import Box
    from restore_cli.restoration.model import RestorationModel
    from restore_cli.restoration.passes import prepare, whole
    from restore_cli.restoration.pixels import to_tensor

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


def run_ours(
    model: str | Path, image: np.ndarray, mask: np.ndarray, limit: int | None, precision: str
) -> tuple[float, float]:
    """Seconds of detection and of restoration as `oldphoto restore` does them."""
    from restore_cli import Restorer, RestoreSettings

    restorer = Restorer.load(model, device="cpu", precision=precision, max_memory_bytes=limit)
    assert restorer._detector is not None
    start = time.perf_counter()
    restorer._detector.damage(image, 0.4)
    middle = time.perf_counter()
    result = restorer.restore(image, mask, RestoreSettings(faces="off"))
    assert result.image.shape == image.shape
    return middle - start, time.perf_counter() - middle


def run_command(
    command: str, model: str, image: np.ndarray, folder: Path, limit_gb: float | None, precision: str
) -> None:
    """What a user does: the peak of this is in RUSAGE_CHILDREN."""
    cv2.imwrite(str(folder / "scan.png"), image[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    memory = [] if limit_gb is None else ["--max-memory", f"{limit_gb * 1000:.0f}MB"]
    arguments = [command, str(folder / "scan.png"), str(folder / "out.png"), "--model", model, "--device", "cpu"]
    arguments += [*memory, "--precision", precision, "--existing", "overwrite"]
    subprocess.run([sys.executable, "-m", "restore_cli", *arguments], check=True)


def measure(options: argparse.Namespace) -> None:
    """One case: load, detect, restore; prints seconds and peak memory as JSON."""
    model, folder, height, width = options.case
    limit_gb = options.max_memory_gb[0] if options.max_memory_gb else None
    limit = int(limit_gb * 10**9) if limit_gb else None
    image, mask = photo(int(height), int(width))
    if options.photo:
        image = cv2.resize(cv2.imread(str(options.photo))[:, :, ::-1], (int(width), int(height)))
        image[mask] = 255
    name = "small" if model == "small" else folder
    start, cpu, steps = time.perf_counter(), time.process_time(), {}
    if options.command:
        with tempfile.TemporaryDirectory() as scratch:
            run_command(options.command, name, image, Path(scratch), limit_gb, options.precision)
    else:
        if model == "plain":
            spent = run_plainly(Path(folder), image, mask)
        else:
            spent = run_ours(name, image, mask, limit, options.precision)
        steps = dict(zip(("detect_s", "restore_s"), spent, strict=True))
    usage = resource.getrusage(resource.RUSAGE_CHILDREN if options.command else resource.RUSAGE_SELF)
    peak_kb = usage.ru_maxrss if options.command else _own_peak_kb()
    figures = {
        "seconds": sum(steps.values()) or time.perf_counter() - start,
        "cpu_s": usage.ru_utime + usage.ru_stime if options.command else time.process_time() - cpu,
        "peak_gb": peak_kb * 2**10 / 10**9,
        **steps,
    }
    if limit_gb:
        figures |= {"limit_gb": limit_gb, "of_limit": figures["peak_gb"] / limit_gb}
    print(json.dumps({key: round(value, 3) for key, value in figures.items()}))


def _own_peak_kb() -> int:
    """Not ru_maxrss, in which what the parent held when it started this process still counts."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0])


def add_ratios(cases: list[dict[str, Any]]) -> None:
    """Seconds and memory over those of `plain` at the same size, or of the same model's smallest size."""
    done = [case for case in cases if "peak_gb" in case]
    for case in done:
        base = next((b for b in done if b["model"] == "plain" and b["size"] == case["size"]), None)
        if base is None or case["model"] == "small":
            base = min((b for b in done if b["model"] == case["model"]), key=lambda b: b["megapixels"])
        case["baseline"] = f"{base['model']} {base['size']}"
        for name, key in (("time", "seconds"), ("cpu", "cpu_s"), ("memory", "peak_gb")):
            case[f"{name}_ratio"] = round(case[key] / base[key], 3)


def table(cases: list[dict[str, Any]]) -> str:
    """The cases as Markdown."""
    rows = ["| model | size | megapixels | limit | seconds | CPU seconds | CPU seconds a megapixel | peak memory |"]
    rows.append("|---" * 8 + "|")
    for case in cases:
        if "peak_gb" not in case:
            rows.append(f"| {case['model']} | {case['size']} | {case['megapixels']:.2f} | | {case['failed']} | | | |")
            continue
        limit = f"{case['limit_gb']:g} GB" if "limit_gb" in case else ""
        each = case["cpu_s"] / case["megapixels"]
        rows.append(
            f"| {case['model']} | {case['size']} | {case['megapixels']:.2f} | {limit} | {case['seconds']:.1f} "
            f"| {case['cpu_s']:.1f} | {each:.1f} | {case['peak_gb']:.2f} GB |"
        )
    return "\n".join(rows) + "\n"


def plot(cases: list[dict[str, Any]], target: Path) -> None:
    """Processor seconds and memory over megapixels."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 4))
    for model in MODELS:
        mine = sorted(
            (c["megapixels"], c["cpu_s"], c["peak_gb"]) for c in cases if c["model"] == model and "cpu_s" in c
        )
        if mine:
            sizes, seconds, memory = zip(*mine, strict=True)
            axes[0].loglog(sizes, seconds, "o-", label=model)
            axes[1].semilogx(sizes, memory, "o-", label=model)
    ticks = sorted({case["megapixels"] for case in cases})
    for axis, name in zip(axes, ("processor seconds", "peak memory, GB"), strict=True):
        axis.set(xlabel="megapixels", ylabel=name)
        axis.set_xticks(ticks, [f"{megapixels:g}" for megapixels in ticks])
        axis.minorticks_off()
        axis.legend()
    figure.tight_layout()
    figure.savefig(target)


def run_case(model: str, folder: str, side: str, limit: float | None, options: argparse.Namespace) -> dict[str, Any]:
    """One case in a process of its own; what failed says why."""
    width, height = side.split("x") if "x" in side else (side, side)
    command = [sys.executable, __file__, "--case", model, folder, height, width]
    command += ["--max-memory-gb", str(limit)] if limit else []
    command += ["--command", options.command] if options.command else []
    command += ["--photo", str(options.photo)] if options.photo else []
    command += ["--precision", options.precision]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    case = {"model": model, "size": f"{width} x {height}", "megapixels": int(width) * int(height) / 1e6}
    case["command"] = options.command
    if run.returncode:
        return case | {"failed": "".join(run.stderr.strip().splitlines()[-1:]) or f"signal {-run.returncode}"}
    return case | json.loads(run.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=str, nargs="*", default=["512", "1024"], help="N for N x N, or WIDTHxHEIGHT")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--max-memory-gb", type=float, nargs="+", help="every size with each of these limits")
    parser.add_argument("--command", choices=("restore", "detect-scratches"))
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto", help="of ours; plain: fp32")
    parser.add_argument("--photo", type=Path, help="a real photo, enlarged or reduced to each size")
    parser.add_argument("--earlier", type=Path, nargs="+", default=[], help="JSON that this script wrote before")
    parser.add_argument("--table", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        measure(options)
        return
    cases = [case for path in options.earlier for case in json.loads(path.read_text(encoding="utf-8"))["cases"]]
    with tempfile.TemporaryDirectory() as folder:
        if options.sides and set(options.models) != {"small"}:
            write_released_size(Path(folder))
        for side in options.sides:
            for model in options.models:
                for limit in options.max_memory_gb or [None]:
                    cases.append(run_case(model, folder, side, limit, options))
                    print(cases[-1], file=sys.stderr, flush=True)
    add_ratios(cases)
    if options.table:
        options.table.write_text(table(cases), encoding="utf-8")
    if options.plot:
        plot(cases, options.plot)
    import torch

    facts = {"torch": torch.__version__, "threads": torch.get_num_threads(), "machine": platform.processor()}
    print(json.dumps({**facts, "cases": cases}, indent=1))


if __name__ == "__main__":
    main()
