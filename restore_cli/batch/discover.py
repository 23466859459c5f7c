"""Finding photos: which files the given paths mean, in an order that is the same everywhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from restore_cli.batch.location import Location, UrlPath, exists
from restore_cli.errors import UsageProblem
from restore_cli.imaging import format_of_suffix


@dataclass(frozen=True, kw_only=True)
class Found:
    """One photo to be: a file given by name, or a file below a given folder."""

    path: Location | None
    """None is stdin."""
    below: Path
    """Where the output goes below OUTPUT: the path below the given folder, or the bare name."""
    problem: str = ""
    """Of a folder whose photos cannot be listed: why."""

    @property
    def shown(self) -> str:
        """The input as results call it."""
        return "-" if self.path is None else str(self.path)


def find_photos(inputs: Sequence[Location | None], *, recursive: bool, output: Location | None = None) -> list[Found]:
    """All photos that the inputs mean; None among the inputs is stdin.

    A file given by name counts whatever its suffix. In a folder, regular files with an image suffix count (and with
    `recursive` those of its subfolders, symbolic links followed); names that begin with a dot do not, which leaves out
    our temporary files and the resource files that macOS puts on foreign disks.

    Raises UsageProblem if an input does not exist, or if `output` lies inside an input folder.
    """
    found: list[Found] = []
    for given in inputs:
        if given is None:
            found.append(Found(path=None, below=Path("stdin")))
        elif isinstance(given, UrlPath):
            found += _in_store(given, recursive=recursive, output=output)
        elif given.is_dir():
            _refuse_output_inside(given, output)
            found += _walk(given, given, recursive=recursive, output=output)
        elif exists(given):
            found.append(Found(path=given, below=Path(given.name)))
        else:
            raise _missing(given)
    return found


def natural_key(name: str) -> tuple[tuple[tuple[int, int | str], ...], str]:
    """Sort key under which IMG_2 comes before IMG_10; the name itself decides between 7 and 007."""
    parts = re.split(r"(\d+)", name.casefold())
    # int() accepts digits of every script, and re's \d finds them all; ASCII or not, they compare as numbers.
    return tuple((0, int(part)) if index % 2 else (1, part) for index, part in enumerate(parts)), name


def real_path(path: Location) -> Location:
    """Without symbolic links, as far as it exists. Unlike Path.resolve, a loop of links is no error."""
    on_disk = path.on_disk if isinstance(path, UrlPath) else path
    return path if on_disk is None else Path(os.path.realpath(on_disk))


def _in_store(given: UrlPath, *, recursive: bool, output: Location | None) -> list[Found]:
    """The same rules in a store: a file by name, or what looks like photos below a folder, in the same order."""
    try:
        if not given.is_dir():
            if not given.exists():
                raise _missing(given)
            return [Found(path=given, below=Path(given.name))]
        names = given.files(recursive=recursive)
    except OSError as error:
        raise UsageProblem(
            f"{given} cannot be listed: {error}", hint="Check the address and your rights there.", path=str(given)
        ) from error
    _refuse_output_inside(given, output)
    photos = [
        Path(name)
        for name in names
        if format_of_suffix(name.suffix) is not None and not any(part.startswith(".") for part in name.parts)
    ]
    return [Found(path=given / name, below=name) for name in sorted(photos, key=_tree_key)]


def _tree_key(name: Path) -> list[tuple[object, ...]]:
    """As `_walk` goes: a folder's files first, then its subfolders one after the other."""
    last = len(name.parts) - 1
    return [(index < last, natural_key(part)) for index, part in enumerate(name.parts)]


def _missing(given: Location) -> UsageProblem:
    return UsageProblem(
        f"{given} does not exist", hint="Give photos or folders first and the destination last.", path=str(given)
    )


def _walk(
    folder: Path,
    root: Path,
    *,
    recursive: bool,
    output: Location | None,
    above: frozenset[tuple[int, int]] = frozenset(),
) -> Iterator[Found]:
    """`above` holds the folders on the way down: a symbolic link back to one of them is a loop and not followed."""
    try:
        identity = _identity(folder)
        names = sorted((entry.name for entry in os.scandir(folder)), key=natural_key)
    except OSError as error:
        problem = f"{folder} cannot be read: {error.strerror or error}"
        if folder == root:
            raise UsageProblem(problem, hint="Check your rights there.", path=folder) from error
        if not isinstance(error, FileNotFoundError):  # a folder that has gone holds no photos
            yield Found(path=folder, below=folder.relative_to(root), problem=problem)
        return
    if identity in above:
        return
    subfolders: list[Path] = []
    for name in names:
        path = folder / name
        if name.startswith("."):
            continue
        if _is_folder(path):
            subfolders.append(path)
        elif format_of_suffix(path.suffix) is not None and _is_file_or_broken_link(path):
            yield Found(path=path, below=path.relative_to(root))
    for path in subfolders if recursive else ():
        _refuse_output_inside(path, output)
        yield from _walk(path, root, recursive=True, output=output, above=above | {identity})


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a symbolic link to itself, or a folder we may not look into
        return False


def _is_file_or_broken_link(path: Path) -> bool:
    """A broken link with a photo's name is kept, so that it ends as a failed row; pipes and sockets would block."""
    try:
        return path.is_file() or (path.is_symlink() and not path.exists())
    except OSError:
        return path.is_symlink()


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _refuse_output_inside(folder: Location, output: Location | None) -> None:
    """Results inside an input folder would be inputs of the next run."""
    if output is None:
        return
    inner, outer = real_path(output), real_path(folder)
    if isinstance(inner, UrlPath) or isinstance(outer, UrlPath):
        is_inside = isinstance(inner, UrlPath) and isinstance(outer, UrlPath) and inner.is_below(outer)
    else:
        is_inside = inner == outer or outer in inner.parents
    if is_inside:
        raise UsageProblem(
            f"the destination {output} lies inside the input folder {folder}",
            hint="Choose a destination outside: photos there would be taken for input by the next run.",
            path=str(output),
        )
