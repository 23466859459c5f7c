"""`oldphoto degrade`: synthetic old photos and their damage masks from clean ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from restore_cli.batch.discover import Found
    from restore_cli.training.ageing import AgeingSettings, AgeingTargets

RecipeName = Annotated[
    str,
    typer.Option(
        "--recipe",
        help="published: blur, noise, resizing, JPEG and white holes. realistic: what happens to prints. "
        "mixed: what training sees.",
    ),
]


def degrade(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Clean photos and folders of them.")],
    output: Annotated[Path, typer.Argument(help="Folder for NAME.png and NAME_mask.png (white = damaged).")],
    recipe: RecipeName = "published",
    seed: Annotated[int, typer.Option(min=0, help="Another seed ages every photo differently.")] = 0,
    damage: Annotated[
        Path | None, typer.Option(help="Folder of damage outlines, white on black, to mix into the procedural ones.")
    ] = None,
    targets: Annotated[
        Path | None, typer.Option(help="Folder for what each old photo should be restored to (grey for grey prints).")
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Subfolders too; the tree is kept.")] = False,
) -> None:
    """Age clean photos, the same way each time for the same photo and seed."""
    from restore_cli.batch.discover import find_photos
    from restore_cli.errors import NoPhotosFound
    from restore_cli.training.ageing import AgeingSettings
    from restore_cli.training.outlines import DamageOutlines
    from restore_cli.training.recipes import by_name

    outlines = None if damage is None else DamageOutlines.load(damage)
    settings = AgeingSettings(recipe=by_name(recipe), seed=seed, outlines=outlines)
    for folder in filter(None, (targets, output)):
        found = find_photos(inputs, recursive=recursive, output=folder)
    if not found:
        raise NoPhotosFound("the inputs hold no photos", hint="name files or folders with photos; -r for subfolders")
    jobs = list(_plan(found, output, targets))
    _refuse_clashes(jobs)
    _run(jobs, settings)


def _plan(found: Iterable[Found], output: Path, clean: Path | None) -> Iterator[tuple[Path, AgeingTargets]]:
    from restore_cli.training.ageing import AgeingTargets

    for photo in found:
        assert photo.path is not None  # stdin is no input of this command
        below = photo.below.with_suffix(".png")
        yield (
            photo.path,
            AgeingTargets(
                photo=output / below,
                mask=output / below.with_name(f"{below.stem}_mask.png"),
                clean=None if clean is None else clean / below,
            ),
        )


def _refuse_clashes(jobs: list[tuple[Path, AgeingTargets]]) -> None:
    from restore_cli.batch.names import first_clash, ignores_case
    from restore_cli.errors import UsageProblem

    written = [
        (str(source), path) for source, job in jobs for path in (job.photo, job.mask, job.clean) if path is not None
    ]
    clash = first_clash(written, fold=ignores_case(jobs[0][1].photo.parent))
    if clash is not None:
        first, second, path = clash
        raise UsageProblem(
            f"{first} and {second} would both be written to {path}", hint="rename one of them", path=path
        )


def _run(jobs: list[tuple[Path, AgeingTargets]], settings: AgeingSettings) -> None:
    from rich.progress import track

    from restore_cli.cli.console import console
    from restore_cli.errors import PhotoUnreadable, PhotoUnwritable
    from restore_cli.training.ageing import age_file

    failed = unrestorable = 0
    for source, targets in track(jobs, "degrade", console=console(), transient=True):
        try:
            aged = age_file(source, targets, settings)
        except (PhotoUnreadable, PhotoUnwritable) as error:
            failed += 1
            console().print(f"{source}: {error}. {error.hint}", markup=False, soft_wrap=True)
        else:
            unrestorable += not aged.restorable
    console().print(f"{len(jobs) - failed} photos aged with recipe {settings.recipe.name}, {failed} failed")
    if unrestorable and jobs[0][1].clean is None:
        console().print(
            f"{unrestorable} of them lost their colour or got a margin: --targets DIR writes what to compare with"
        )
    if failed:
        raise typer.Exit(1)
