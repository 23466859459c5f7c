"""Options that several commands share, and the words in which they are given."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from restore_cli.errors import UsageProblem
from restore_cli.restoration.settings import Precision

if TYPE_CHECKING:
    from restore_cli.batch.ray_cluster import RayOptions
    from restore_cli.batch.shard import Shard

ExistingChoice = Literal["skip", "overwrite", "fail"]

Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT... OUTPUT",
        help="Photos and folders, then the destination: a folder, or a file for one photo. - is stdin or stdout.",
        show_default=False,
    ),
]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Subfolders too; the tree is kept.")]
Model = Annotated[str, typer.Option("--model", metavar="NAME", help="auto, small, wan2020, or a folder from `train`.")]


def _known_device(name: str) -> str:
    """Checked at once: a run that finds nothing to do would not look at it."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,4})?|mps", name, re.ASCII):
        raise UsageProblem(f"no device is called {name!r}", hint="Use auto, cpu, cuda, cuda:N or mps.")
    return name


Device = Annotated[
    str, typer.Option("--device", metavar="NAME", callback=_known_device, help="auto, cpu, cuda, cuda:N or mps.")
]
PrecisionChoice = Annotated[
    Precision, typer.Option("--precision", help="auto: bf16 where the device is faster with it.")
]
MaxMemory = Annotated[
    str,
    typer.Option("--max-memory", metavar="SIZE", help="Working memory to stay within, by tiling: 4GB, 512MB, auto."),
]
Threshold = Annotated[
    float, typer.Option("--threshold", min=0, max=1, help="Scratch probability from which a pixel counts as damaged.")
]
Existing = Annotated[
    ExistingChoice,
    typer.Option(
        "--existing",
        help="skip: leave what is done with the same input and settings, redo what is not. "
        "overwrite: redo all. fail: never replace a file.",
    ),
]
Suffix = Annotated[str, typer.Option("--suffix", metavar="TEXT", help="Added to the stem of each output.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a photo on stdout.")]
Jobs = Annotated[
    str, typer.Option("--jobs", metavar="N", help="Photos decoded and encoded beside the device; auto chooses.")
]
ShardChoice = Annotated[
    str | None,
    typer.Option("--shard", metavar="I/N", help="Only part I of N of the photos, split the same way everywhere."),
]

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}


def parse_memory(text: str) -> int | None:
    """ "4GB" -> 4,000,000,000 bytes, "512MiB" -> 536,870,912; None for "auto". Raises UsageProblem."""
    if text.strip().lower() == "auto":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?I?)B?", text.strip().upper(), re.ASCII)
    size = float(match[1]) * UNITS[match[2]] if match and match[2] in UNITS else 0
    if not 1 <= size < 2**63:
        raise UsageProblem(f"--max-memory {text} is no amount of memory", hint="For example 4GB, 512MB or auto.")
    return int(size)


def parse_jobs(text: str) -> int | None:
    """ "4" -> 4; None for "auto". Raises UsageProblem."""
    if text.strip().lower() == "auto":
        return None
    if not re.fullmatch(r"[1-9]\d{0,3}", text, re.ASCII):
        raise UsageProblem(f"--jobs {text} is no number of photos", hint="Give a number from 1 to 9999, or auto.")
    return int(text)


def split_paths(paths: list[str]) -> tuple[list[str], str]:
    """Inputs and output, like cp. Raises UsageProblem."""
    if len(paths) < 2:
        raise UsageProblem(
            f"no destination after {paths[0]}" if paths else "no photo given",
            hint="Give photos or folders, then the destination: oldphoto restore PHOTOS restored",
        )
    return paths[:-1], paths[-1]


def checked_suffix(text: str) -> str:
    """The text, as part of a file name. Raises UsageProblem."""
    if "/" in text or "\\" in text or "\0" in text:
        raise UsageProblem(f"--suffix {text} would change the folder", hint="Give a part of a name, such as _restored.")
    return text


def parse_shard(text: str | None) -> Shard:
    """ "2/8" -> the second of eight; None -> everything. Raises UsageProblem."""
    from restore_cli.batch.shard import Shard, parse_shard

    return Shard() if text is None else parse_shard(text)


def parse_cluster(
    engine: str, address: str | None, workers: int | None, gpus_per_worker: float | None, device: str
) -> RayOptions | None:
    """What --engine ray is told; None for another engine. Raises UsageProblem."""
    from restore_cli.batch.ray_cluster import RayOptions

    if engine == "ray":
        if gpus_per_worker is None and device == "cpu":
            gpus_per_worker = 0.0
        return RayOptions(address=address or "auto", workers=workers, gpus_per_worker=gpus_per_worker)
    if (address, workers, gpus_per_worker) != (None, None, None):
        raise UsageProblem(
            "--ray-address, --workers and --gpus-per-worker are for a cluster", hint="Add --engine ray, or leave them."
        )
    return None


def as_path(text: str | None) -> Path | None:
    """A path, or nothing."""
    return None if text is None else Path(text)
