"""`oldphoto restore`: photos and folders in, restored photos out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from restore_cli.cli import options as opt
from restore_cli.restoration.settings import Attention, Faces, Tone

Format = Literal["same", "png", "jpg", "tiff", "webp"]
Engine = Literal["local", "ray"]

FILES = "Files"
LOOKING = "Run"
MACHINES = "Several machines"


def restore(
    paths: opt.Paths,
    recursive: opt.Recursive = False,
    model: opt.Model = "auto",
    scratches: Annotated[
        bool, typer.Option("--scratches/--no-scratches", help="Look for scratches, or take the plain quality path.")
    ] = True,
    mask: Annotated[
        Path | None, typer.Option("--mask", metavar="PATH", help="Damage drawn by hand: white = damaged.")
    ] = None,
    mask_dir: Annotated[
        Path | None, typer.Option("--mask-dir", metavar="DIR", help="Masks called NAME.png or NAME_mask.png.")
    ] = None,
    threshold: opt.Threshold = 0.4,
    attention: Annotated[
        Attention, typer.Option("--attention", help="full: every sound pixel; patch: several scales.")
    ] = "auto",
    faces: Annotated[
        Faces, typer.Option("--faces", help="auto: where the face weights are installed; largest: one face a photo.")
    ] = "auto",
    face_strength: Annotated[
        float, typer.Option("--face-strength", min=0, max=1, help="Blend of refined faces with what they were.")
    ] = 1.0,
    min_face: Annotated[int, typer.Option("--min-face", metavar="PX", min=1, help="Smallest face refined.")] = 24,
    tone: Annotated[
        Tone, typer.Option("--tone", help="stretch: darkest value to 0 and brightest to 1, as the released code does.")
    ] = "keep",
    strength: Annotated[
        float, typer.Option("--strength", min=0, max=1, help="Blend with the original; 0 is the original.")
    ] = 1.0,
    device: opt.Device = "auto",
    precision: opt.PrecisionChoice = "auto",
    max_memory: opt.MaxMemory = "auto",
    format: Annotated[
        Format, typer.Option("--format", help="same is the input's own.", rich_help_panel=FILES)
    ] = "same",
    quality: Annotated[
        int, typer.Option("--quality", min=1, max=100, help="Of JPEG and WebP.", rich_help_panel=FILES)
    ] = 95,
    suffix: opt.Suffix = "",
    existing: opt.Existing = "skip",
    save_mask: Annotated[
        bool, typer.Option("--save-mask", help="Write NAME_mask.png too.", rich_help_panel=FILES)
    ] = False,
    sidecar: Annotated[
        bool, typer.Option("--sidecar", help="Write NAME.json: hashes, model, settings.", rich_help_panel=FILES)
    ] = False,
    strip_metadata: Annotated[
        bool, typer.Option("--strip-metadata", help="Leave out EXIF, XMP, IPTC.", rich_help_panel=FILES)
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE.html", help="A page with before and after.", rich_help_panel=LOOKING),
    ] = None,
    as_json: opt.AsJson = False,
    jobs: opt.Jobs = "auto",
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on with what appears in the folders.", rich_help_panel=LOOKING)
    ] = False,
    engine: Annotated[
        Engine, typer.Option("--engine", help="ray: on a Ray cluster that exists already.", rich_help_panel=MACHINES)
    ] = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(
            "--ray-address",
            metavar="auto|HOST:PORT|ray://HOST:PORT",
            help="auto: the cluster that this machine is part of, or $RAY_ADDRESS.",
            rich_help_panel=MACHINES,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", metavar="N", help="Default: what the cluster has room for.", rich_help_panel=MACHINES
        ),
    ] = None,
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(
            "--gpus-per-worker",
            metavar="F",
            help="0.5 lets two workers share a GPU; default 1 where the cluster has any.",
            rich_help_panel=MACHINES,
        ),
    ] = None,
    shard: opt.ShardChoice = None,
) -> None:
    """Restore photos. The last path is the destination; inputs are never written to."""
    from restore_cli.batch.encode import EncodeOptions, encode_photo
    from restore_cli.batch.masks import MaskSource
    from restore_cli.batch.names import Naming
    from restore_cli.batch.plan import PlanOptions
    from restore_cli.batch.restoring import RestoringProcessor
    from restore_cli.cli.run import RunRequest, run_and_exit
    from restore_cli.restoration.settings import RestoreSettings

    inputs, output = opt.split_paths(paths)
    settings = RestoreSettings(
        scratches=scratches, threshold=threshold, attention=attention, tone=tone, strength=strength,
        faces=faces, face_strength=face_strength, min_face_px=min_face
    )  # fmt: skip
    run_and_exit(
        RunRequest(
            inputs=inputs,
            output=output,
            plan=PlanOptions(
                recursive=recursive,
                naming=Naming(format=format, suffix=opt.checked_suffix(suffix), save_mask=save_mask, sidecar=sidecar),
                masks=MaskSource(file=mask, folder=mask_dir),
                shard=opt.parse_shard(shard),
                reserved=() if report is None else (report,),
            ),
            processor=lambda memory: RestoringProcessor(model, device, precision, memory, settings),
            encode=encode_photo,
            encoding=EncodeOptions(quality=quality, strip_metadata=strip_metadata),
            existing=existing,
            engine=engine,
            cluster=opt.parse_cluster(engine, ray_address, workers, gpus_per_worker, device),
            threads=opt.parse_jobs(jobs),
            max_memory_bytes=opt.parse_memory(max_memory),
            as_json=as_json,
            report=report,
            watch=watch,
        )
    )
