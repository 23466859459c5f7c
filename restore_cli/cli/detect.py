"""`oldphoto detect-scratches`: photos and folders in, masks of their damage out."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import typer

from restore_cli.cli import options as opt
from restore_cli.errors import UsageProblem

SMALLEST_RESOLUTION, LARGEST_RESOLUTION = 64, 8192


def detect_scratches(
    paths: opt.Paths,
    recursive: opt.Recursive = False,
    model: opt.Model = "auto",
    threshold: opt.Threshold = 0.4,
    probability: Annotated[
        bool, typer.Option("--probability", help="Write 255 * probability instead of 0 and 255.")
    ] = False,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Write NAME_overlay.png too: the photo with the damage in red.")
    ] = False,
    resolution: Annotated[
        str,
        typer.Option(
            "--resolution", metavar="full|N", help="Short side the detector looks at; 256 is the released code's."
        ),
    ] = "full",
    device: opt.Device = "auto",
    precision: opt.PrecisionChoice = "auto",
    max_memory: opt.MaxMemory = "auto",
    suffix: opt.Suffix = "",
    existing: opt.Existing = "skip",
    as_json: opt.AsJson = False,
    jobs: opt.Jobs = "auto",
    shard: opt.ShardChoice = None,
) -> None:
    """Write NAME_mask.png for each photo: 8-bit grey, 255 = damaged. The last path is the destination."""
    from restore_cli.batch.detecting import DetectingProcessor
    from restore_cli.batch.encode import EncodeOptions, encode_mask
    from restore_cli.batch.names import Naming
    from restore_cli.batch.plan import PlanOptions
    from restore_cli.cli.run import RunRequest, run_and_exit

    inputs, output = opt.split_paths(paths)
    seen_at = parse_resolution(resolution)
    naming = Naming(as_mask=True, overlay=overlay, suffix=opt.checked_suffix(suffix))
    run_and_exit(
        RunRequest(
            inputs=inputs,
            output=output,
            plan=PlanOptions(recursive=recursive, naming=naming, shard=opt.parse_shard(shard)),
            processor=lambda memory: DetectingProcessor(
                model, device, precision, memory, threshold, seen_at, as_probability=probability, overlay=overlay
            ),
            encode=encode_mask,
            encoding=EncodeOptions(),
            existing=existing,
            threads=opt.parse_jobs(jobs),
            max_memory_bytes=opt.parse_memory(max_memory),
            as_json=as_json,
        )
    )


def parse_resolution(text: str) -> Literal["full"] | int:
    """ "full", or the short side in pixels. Raises UsageProblem."""
    if text == "full":
        return "full"
    if re.fullmatch(r"\d{1,5}", text, re.ASCII) and SMALLEST_RESOLUTION <= int(text) <= LARGEST_RESOLUTION:
        return int(text)
    raise UsageProblem(
        f"--resolution {text} is no resolution",
        hint=f"Give full, or a short side of {SMALLEST_RESOLUTION} to {LARGEST_RESOLUTION} pixels such as 256.",
    )
