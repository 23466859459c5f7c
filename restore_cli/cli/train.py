"""`oldphoto train detector | second-look | tone | stage1 | stage2 | fusion`: networks from a folder of photos.

For faces see train_faces.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from restore_cli.cli.train_options import Clean, Damage, trains

app = typer.Typer(
    help="Train the detector, its second look, the tones, VAEs (stage1), mapping (stage2), fusion, the face generator.",
    no_args_is_help=True,
)


@app.command()
@trains
def detector(
    *,
    clean: Annotated[Path | None, typer.Option(help="Folder of clean photos, damaged on the fly.")] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Instead: old photos with their damage marked, NAME.jpg and NAME_mask.png.")
    ] = None,
    init: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Go on from this model's detector: a name, a folder, a file.")
    ] = None,
    damage: Damage = None,
    **options: Any,
) -> None:
    """Train the scratch detector on synthetic damage, or fine-tune one on photos with masks."""
    run_stage("detector", clean=clean, pairs=pairs, init=init, damage=damage, **options)


@app.command()
@trains
def second_look(
    *,
    clean: Clean,
    init: Annotated[
        str, typer.Option(metavar="MODEL", help="Name or folder: its detector looks first; its second look goes on.")
    ],
    damage: Damage = None,
    **options: Any,
) -> None:
    """Train the detector's second look, which knows the colours of what was found in the whole photo."""
    run_stage("second-look", clean=clean, init=init, damage=damage, **options)


@app.command()
@trains
def stage1(
    *,
    clean: Clean,
    old: Annotated[Path | None, typer.Option(help="Folder of real old photos, for VAE A.")] = None,
    damage: Damage = None,
    **options: Any,
) -> None:
    """Train the two VAEs: A for old and aged photos, B for clean ones."""
    run_stage("stage1", clean=clean, old=old, damage=damage, **options)


@app.command()
@trains
def stage2(
    *,
    clean: Clean,
    vae: Annotated[
        Path,
        typer.Option(help="Folder of stage1. A detector in it gives masks, a tone network tones; a mapping goes on."),
    ],
    damage: Damage = None,
    **options: Any,
) -> None:
    """Train the mapping between the VAEs."""
    run_stage("stage2", clean=clean, vae=vae, damage=damage, **options)


@app.command()
@trains
def tone(
    *,
    clean: Clean,
    init: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Name or folder: its tone network goes on."),
    ] = None,
    damage: Damage = None,
    **options: Any,
) -> None:
    """Train the network that undoes fading and casts before the others see a photo."""
    run_stage("tone", clean=clean, init=init, damage=damage, **options)


@app.command()
@trains
def fusion(
    *,
    clean: Clean,
    init: Annotated[
        str, typer.Option(metavar="MODEL", help="Name or folder: it restores at several sizes; its fusion goes on.")
    ],
    damage: Damage = None,
    **options: Any,
) -> None:
    """Train the network that makes one of a photo restored at several sizes."""
    run_stage("fusion", clean=clean, init=init, damage=damage, **options)


def run_stage(stage: str, **options: Any) -> None:
    """Train a stage with a bar on stderr, then tell its figures. options: TrainRequest's fields."""
    from restore_cli.cli.console import say
    from restore_cli.training.runs import TrainRequest, train

    request = TrainRequest(stage=stage, **options)  # type: ignore[arg-type]  # the command's name is the stage's
    if os.environ.get("RANK", "0") != "0":  # torchrun and accelerate launch number their processes; one talks
        train(request)
        return
    with _bar(stage) as report:
        train(request, report=report, validated=_tell)
    say(f"written to {request.output}")


def _tell(step: int, figures: dict[str, float]) -> None:
    from restore_cli.cli.console import say

    say(f"step {step}: " + "  ".join(f"{name} {value:.4f}" for name, value in figures.items()))


@contextmanager
def _bar(stage: str) -> Iterator[Callable[[int, int, dict[str, float]], None]]:
    """A bar with the time that is left, and the loss terms below it."""
    from rich.console import Group
    from rich.live import Live
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    from restore_cli.cli.console import console, shows_bars

    if not shows_bars():
        yield lambda step, steps, losses: None
        return
    left = (TextColumn("left"), TimeRemainingColumn())
    bar = Progress(TextColumn(stage), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), *left)
    task, terms = bar.add_task(stage, total=None), Text()
    with Live(Group(bar, terms), console=console(), transient=True, refresh_per_second=4):

        def report(step: int, steps: int, losses: dict[str, float]) -> None:
            bar.update(task, completed=step, total=steps)
            terms.plain = "  ".join(f"{name} {value:.4g}" for name, value in losses.items())

        yield report
