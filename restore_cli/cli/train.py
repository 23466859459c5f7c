"""`oldphoto train detector | stage1 | stage2`: make the networks from a folder of photos. For faces see train_faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="Train the detector, the VAEs (stage1), the mapping (stage2), the face generator.", no_args_is_help=True
)

Clean = Annotated[Path, typer.Option(help="Folder of clean photos, searched with its subfolders.")]
Output = Annotated[Path, typer.Option(help="Folder for the run; it loads with `oldphoto restore --model`.")]
Damage = Annotated[Path | None, typer.Option(help="Folder of damage outlines (1-bit PNG) to mix in.")]
Config = Annotated[Path | None, typer.Option(help="TOML file laid over the settings of the bundled model.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --output.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Optimiser steps in all.")]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Samples a step.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Precision = Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")]
Workers = Annotated[int | None, typer.Option(min=0, help="Processes that make samples.")]


@app.command()
def detector(
    clean: Clean,
    output: Output,
    damage: Damage = None,
    config: Config = None,
    resume: Resume = False,
    steps: Steps = None,
    batch_size: BatchSize = None,
    device: Device = "auto",
    precision: Precision = "auto",
    workers: Workers = None,
) -> None:
    """Train the scratch detector on synthetic damage."""
    run_stage("detector", locals())


@app.command()
def stage1(
    clean: Clean,
    output: Output,
    old: Annotated[Path | None, typer.Option(help="Folder of real old photos, for VAE A.")] = None,
    damage: Damage = None,
    config: Config = None,
    resume: Resume = False,
    steps: Steps = None,
    batch_size: BatchSize = None,
    device: Device = "auto",
    precision: Precision = "auto",
    workers: Workers = None,
) -> None:
    """Train the two VAEs: A for old and aged photos, B for clean ones."""
    run_stage("stage1", locals())


@app.command()
def stage2(
    clean: Clean,
    vae: Annotated[Path, typer.Option(help="Folder that stage1 wrote; a detector in it gives the masks.")],
    output: Output,
    damage: Damage = None,
    config: Config = None,
    resume: Resume = False,
    steps: Steps = None,
    batch_size: BatchSize = None,
    device: Device = "auto",
    precision: Precision = "auto",
    workers: Workers = None,
) -> None:
    """Train the mapping between the VAEs."""
    run_stage("stage2", locals())


def run_stage(stage: str, options: dict[str, Any]) -> None:
    """Train a stage with a bar on stderr, then tell its figures. options: TrainRequest's fields."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from restore_cli.cli.console import console
    from restore_cli.training.runs import TrainRequest, train

    request = TrainRequest(stage=stage, **options)  # type: ignore[arg-type]  # the command's name is the stage's
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[losses]}"), console=console(), transient=True) as progress:
        task = progress.add_task(stage, total=None, losses="")

        def report(step: int, steps: int, losses: dict[str, float]) -> None:
            shown = "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
            progress.update(task, completed=step, total=steps, losses=shown)

        figures = train(request, report=report)
    for name, value in figures.items():
        console().print(f"{name}: {value:.4f}")
    console().print(f"written to {request.output}")
