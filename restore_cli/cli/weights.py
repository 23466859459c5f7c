"""`oldphoto weights`: what is installed, download, import, verification, and where it lies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from restore_cli.cli.console import console, say, shows_bars

if TYPE_CHECKING:
    from restore_cli.weights.download import Progress
    from restore_cli.weights.importing import Outcome
    from restore_cli.weights.installed import ModelState

app = typer.Typer(
    name="weights", help="List, download, import and verify models.", no_args_is_help=True, rich_markup_mode=None
)

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        help="wan2020, wan2020-faces, face-detector: all if left out. vgg19: for training.",
        show_default=False,
    ),
]
ReleasedPaths = Annotated[
    list[Path],
    typer.Argument(metavar="PATH", help="Released files, folders that hold them, or the two zips.", show_default=False),
]
Offline = Annotated[bool, typer.Option("--offline", help="Touch no network; the same as OLDPHOTO_OFFLINE=1.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a model on stdout.")]


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Show every model, whether it is installed, its size on disk or of its download, and where it comes from."""
    from restore_cli.weights.catalogue import load_catalogue
    from restore_cli.weights.installed import model_states

    states = model_states(load_catalogue())
    if as_json:
        for state in states:
            typer.echo(json.dumps(_facts(state)))
        return
    rows = [("NAME", "INSTALLED", "MB", "SOURCE", "MISSING"), *(_row(state) for state in states)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def download(names: Names = None, offline: Offline = False) -> None:
    """Download models. What is installed already stays, what broke off goes on, what is damaged comes again.

    HF_ENDPOINT names another hub; OLDPHOTO_CATALOGUE names a copy of the catalogue with other addresses.
    """
    from restore_cli.weights.catalogue import load_catalogue
    from restore_cli.weights.download import download as download_models

    catalogue = load_catalogue()
    wanted = names or [model.name for model in catalogue.models if not model.for_training]
    models = [catalogue.model(name) for name in dict.fromkeys(wanted)]
    for model in models:
        if model.bundled and names:
            say(f"{model.name} comes with the package, there is nothing to download")
    with _progress() as progress:
        arrivals = download_models([m.name for m in models], offline=offline, catalogue=catalogue, progress=progress)
    for arrival in arrivals:
        how = f"installed from {arrival.origin}" if arrival.origin else "was installed already"
        say(f"{arrival.model} {arrival.part}: {how}")


@app.command("import")
def import_released(paths: ReleasedPaths) -> None:
    """Install released files that you have. They are converted once; nothing in them is executed."""
    from restore_cli.errors import WeightsDamaged
    from restore_cli.weights.importing import import_files

    outcomes = import_files(paths)
    for outcome in outcomes:
        say(_told(outcome))
    refused = [outcome for outcome in outcomes if outcome.problem and not outcome.is_stranger]
    if len(refused) == 1 and refused[0].problem:
        raise refused[0].problem
    if refused:
        raise WeightsDamaged(f"{len(refused)} files were refused, see above", hint="the others are installed")
    if not any(outcome.part for outcome in outcomes):
        raise WeightsDamaged(
            f"none of the {len(outcomes)} files is a released one, see above",
            hint="import the released files unchanged, under their own names",
        )


@app.command()
def verify() -> None:
    """Compare every installed file with the hash recorded when it was installed."""
    from restore_cli.errors import WeightsDamaged
    from restore_cli.weights.catalogue import load_catalogue
    from restore_cli.weights.installed import check_files
    from restore_cli.weights.network_file import repair_hint

    checks = check_files(load_catalogue().names)
    if not checks:
        say("nothing is installed")
    for check in checks:
        typer.echo(f"{'damaged' if check.problem else 'ok'}\t{check.path}")
    damaged = [check for check in checks if check.problem]
    for check in damaged:
        say(f"{check.path}: {check.problem}")
    if damaged:
        hints = dict.fromkeys(repair_hint(check.path) for check in damaged)
        raise WeightsDamaged(f"{len(damaged)} of {len(checks)} files are damaged", hint="; ".join(hints))


@app.command()
def path() -> None:
    """Print the folder that downloaded and imported models lie in."""
    from restore_cli.weights.places import home

    typer.echo(home())


def _row(state: ModelState) -> tuple[str, ...]:
    model = state.model
    if state.is_complete:
        installed = "yes"
    elif state.present:
        installed = f"{len(model.files) - len(state.missing)} of {len(model.files)}"
    else:
        installed = "no"
    megabytes = state.size_bytes / 1e6 if state.present else sum(file.size_mb for file in model.files)
    missing = ", ".join(state.missing) if state.present else ""
    return (model.name, installed, f"{megabytes:.1f}", _source(state), missing)


def _source(state: ModelState) -> str:
    if state.model.bundled:
        return "comes with oldphoto"
    if state.model.hub:
        return f"hub: {state.model.hub}"
    return next((urlsplit(file.url).netloc for file in state.model.files if file.url), "")


def _facts(state: ModelState) -> dict[str, object]:
    return {
        "name": state.model.name,
        "title": state.model.title,
        "licence": state.model.licence,
        "installed": state.is_complete,
        "files": list(state.present),
        "missing": list(state.missing),
        "size_bytes": state.size_bytes,
        "download_mb": sum(file.size_mb for file in state.model.files),
        "source": _source(state),
        "folder": str(state.folder),
    }


def _told(outcome: Outcome) -> str:
    if outcome.part:
        return f"{outcome.part.model} {outcome.part.name}: installed from {outcome.candidate.name}"
    word = "left out" if outcome.is_stranger else "refused"
    return f"{word}: {outcome.problem}"


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar for each part where there is a terminal, else a line when a part begins."""
    from rich import progress as bars

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
    )
    tasks: dict[str, bars.TaskID] = {}
    with bars.Progress(*columns, console=console(), disable=not shows_bars()) as display:

        def show(part: str, done: int, total: int | None) -> None:
            if part not in tasks:
                tasks[part] = display.add_task(part)
                if not shows_bars():
                    say(f"downloading {part}" + (f", {total / 1e6:.1f} MB" if total else ""))
            display.update(tasks[part], completed=done, total=total)

        yield show
