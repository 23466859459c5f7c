"""`oldphoto degrade`: synthetic old photos and their damage masks from clean ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from restore_cli.cli.console import console, say, say_error, shows_bars
from restore_cli.cli.options import Recursive, as_path, split_paths

if TYPE_CHECKING:
    from restore_cli.batch.discover import Found
    from restore_cli.training.ageing import AgeingSettings, AgeingTargets

Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT... OUTPUT", help="Photos and folders, then the folder for the results.", show_default=False
    ),
]
RecipeName = Annotated[
    Literal["published", "realistic", "mixed"],
    typer.Option(
        "--recipe",
        help="published: blur, noise, resizing, JPEG and white holes. realistic: what happens to prints. "
        "mixed: both, and sound photos, as training sees them.",
    ),
]
Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE|NAME",
        help="Instead of --recipe: that of a training configuration (small_stage2, NAME_STAGE.toml, a STAGE.run.json).",
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        "--samples",
        metavar="N",
        min=1,
        help="Instead of the photos: the first N crops that training with --config makes of the folder INPUT.",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", min=0, help="Another seed ages every photo differently. [default: 0, or that of the run in --config]"
    ),
]
Damage = Annotated[
    str | None,
    typer.Option("--damage", metavar="DIR", help="Outlines of real damage, white on black, to mix in."),
]
Targets = Annotated[
    str | None,
    typer.Option("--targets", metavar="DIR", help="Where to write what each photo should be restored to."),
]


def degrade(
    paths: Paths,
    recipe: RecipeName = "published",
    config: Config = None,
    samples: Samples = None,
    seed: Seed = None,
    damage: Damage = None,
    targets: Targets = None,
    recursive: Recursive = False,
) -> None:
    """Age clean photos: OUTPUT gets NAME.png and NAME_mask.png (white = damaged).

    The same photo, seed and recipe give the same old photo each time.
    """
    if samples is not None:
        _show_samples(paths, samples, config=config, seed=seed, damage=damage, clean=as_path(targets))
        return
    from dataclasses import replace

    from restore_cli.batch.discover import find_photos
    from restore_cli.errors import NoPhotosFound
    from restore_cli.training.ageing import AgeingSettings
    from restore_cli.training.outlines import DamageOutlines
    from restore_cli.training.recipes import by_name

    given, output = split_paths(paths)
    _refuse_no_folder(given, Path(output))
    inputs = [Path(name) for name in given]
    outlines = None if damage is None else DamageOutlines.load(Path(damage))
    if config is None:
        settings = AgeingSettings(recipe=by_name(recipe), seed=0, outlines=outlines)
    else:
        from restore_cli.training.samples import SampleSettings

        run = SampleSettings.of(config)
        settings = AgeingSettings(recipe=run.recipe, seed=run.seed, outlines=outlines)
    if seed is not None:
        settings = replace(settings, seed=seed)
    if targets is not None:
        find_photos(inputs, recursive=recursive, output=Path(targets))  # refuses a folder inside an input
    found = find_photos(inputs, recursive=recursive, output=Path(output))
    if not found:
        raise NoPhotosFound("no photos found in the inputs", hint="-r looks into subfolders as well.")
    jobs = _plan(found, Path(output), as_path(targets))
    _refuse_clashes(jobs)
    _run(jobs, settings)


def _refuse_no_folder(given: list[str], output: Path) -> None:
    from restore_cli.errors import UsageProblem
    from restore_cli.imaging import format_of_suffix

    if "-" in (*given, str(output)):
        raise UsageProblem("degrade reads files and writes a folder, no pipes", hint="Name a photo and a folder.")
    if output.is_file() or (not output.is_dir() and format_of_suffix(output.suffix) is not None):
        hint = "Name a folder: each photo becomes two files, NAME.png and NAME_mask.png."
        raise UsageProblem(f"{output} is no folder", hint=hint, path=output)


def _show_samples(
    paths: list[str], count: int, *, config: str | None, seed: int | None, damage: str | None, clean: Path | None
) -> None:
    """OUTPUT gets 000000.png, 000000_mask.png and so on."""
    from dataclasses import replace

    from restore_cli.batch.discover import find_photos
    from restore_cli.errors import UsageProblem
    from restore_cli.training.outlines import DamageOutlines
    from restore_cli.training.samples import SampleSettings, write_samples

    (photos, *more), output = split_paths(paths)
    if config is None or more or not Path(photos).is_dir():
        hint = "For example: oldphoto degrade PHOTOS OUT --config small_stage2 --samples 24"
        raise UsageProblem("--samples takes one folder of photos and --config", hint=hint)
    for written in filter(None, (Path(output), clean)):
        find_photos([Path(photos)], recursive=True, output=written)  # refuses a folder inside the photos
    settings = SampleSettings.of(config)
    if seed is not None:
        settings = replace(settings, seed=seed)
    outlines = None if damage is None else DamageOutlines.load(Path(damage))
    names = ((number, f"{number:06}") for number in range(count))
    targets = ((number, _targets(Path(output), clean, Path(f"{name}.png"))) for number, name in names)
    done = sum(1 for _ in write_samples(Path(photos), settings, targets, damage=outlines))
    say(f"{done} samples of training with {config} and seed {settings.seed}")


def _plan(found: Iterable[Found], output: Path, clean: Path | None) -> list[tuple[Path, AgeingTargets]]:
    jobs = []
    for photo in found:
        assert isinstance(photo.path, Path)  # neither stdin nor a store is an input of this command
        jobs.append((photo.path, _targets(output, clean, photo.below.with_suffix(".png"))))
    return jobs


def _targets(output: Path, clean: Path | None, below: Path) -> AgeingTargets:
    from restore_cli.training.ageing import AgeingTargets

    mask = below.with_name(f"{below.stem}_mask.png")
    return AgeingTargets(photo=output / below, mask=output / mask, clean=None if clean is None else clean / below)


def _refuse_clashes(jobs: list[tuple[Path, AgeingTargets]]) -> None:
    from restore_cli.batch.discover import real_path
    from restore_cli.batch.names import first_clash, ignores_case
    from restore_cli.errors import UsageProblem

    inputs = {real_path(source) for source, _ in jobs}
    overwritten = next((path for _, targets in jobs for path in targets.paths if real_path(path) in inputs), None)
    if overwritten is not None:
        raise UsageProblem(
            f"{overwritten} is one of the inputs, and those are never written to",
            hint="Choose another destination.",
            path=str(overwritten),
        )
    written = [(str(source), path) for source, targets in jobs for path in targets.paths]
    clash = first_clash(written, fold=ignores_case(jobs[0][1].photo.parent))
    if clash is not None:
        first, second, path = clash
        hint = "Rename one." if first != second else "Give --targets another folder."
        raise UsageProblem(f"{first} and {second} would both be written to {path}", hint=hint, path=str(path))


def _run(jobs: list[tuple[Path, AgeingTargets]], settings: AgeingSettings) -> None:
    from rich.progress import track

    from restore_cli.errors import PhotoUnreadable, PhotoUnwritable
    from restore_cli.imaging.naming import shown
    from restore_cli.training.ageing import age_file

    failed = changed = 0
    for source, targets in track(jobs, "degrade", console=console(), transient=True, disable=not shows_bars()):
        try:
            aged = age_file(source, targets, settings)
        except (PhotoUnreadable, PhotoUnwritable) as error:
            failed += 1
            reason = f"{error.message.removeprefix(f'{shown(source)}: ').rstrip('.')}. {error.hint}"
            say_error(f"failed: {source}: {reason}")
        else:
            changed += aged.target_changed
    say(f"{len(jobs) - failed} photos aged, {failed} failed (recipe {settings.recipe.name}, seed {settings.seed})")
    if changed and jobs[0][1].clean is None:
        say(f"{changed} lost their colour or got a margin: compare restorations with what --targets DIR writes")
    if failed:
        raise typer.Exit(1)
