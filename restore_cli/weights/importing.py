"""Import the released files that somebody has already: folders, single files, the two zips."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from restore_cli.errors import OldPhotoError, WeightsDamaged, WeightsMissing
from restore_cli.weights.catalogue import load_catalogue
from restore_cli.weights.files import replacing
from restore_cli.weights.hashes import sha256_of
from restore_cli.weights.install import install
from restore_cli.weights.parts import Part, claims_to_be
from restore_cli.weights.places import downloads_folder

if TYPE_CHECKING:
    from restore_cli.weights.network_file import Header

_SUFFIXES = (".pth", ".pt", ".onnx")


@dataclass(frozen=True)
class Candidate:
    """A file that may be a released one."""

    source: Path
    """The file, or the zip that it is in."""
    member: str | None = None
    """Its path in the zip."""
    is_named: bool = False
    """It was named on the command line, not found in a folder or zip."""

    @property
    def name(self) -> PurePath:
        """The path that tells what it is."""
        return self.source / self.member if self.member else self.source


@dataclass(frozen=True)
class Outcome:
    """What became of a candidate."""

    candidate: Candidate
    part: Part | None
    """The part it was, None if it was not imported."""
    problem: OldPhotoError | None
    """Why not."""
    is_stranger: bool = False
    """It does not even claim to be a released file; nothing is wrong with leaving it out."""


def import_files(paths: Sequence[Path], *, layouts: Mapping[str, Header] | None = None) -> tuple[Outcome, ...]:
    """Install every released file among `paths`: files, folders (with all below), zips.

    One that cannot be imported does not keep the others from it. layouts: see `install`. Raises WeightsMissing if a
    path is not there or holds nothing of that kind, WeightsUnwritable.
    """
    candidates = [candidate for path in paths for candidate in _candidates(Path(path))]
    return tuple(_imported(candidate, layouts) for candidate in candidates)


def _imported(candidate: Candidate, layouts: Mapping[str, Header] | None) -> Outcome:
    try:
        return Outcome(candidate, _installed(candidate, layouts), None)
    except WeightsDamaged as problem:
        from restore_cli.weights.released import ForeignCheckpoint

        means_it = candidate.is_named or claims_to_be(candidate.name) is not None
        return Outcome(candidate, None, problem, isinstance(problem, ForeignCheckpoint) and not means_it)


def _installed(candidate: Candidate, layouts: Mapping[str, Header] | None) -> Part:
    if candidate.member is None:
        return _checked_and_installed(candidate.source, candidate.name, layouts)
    downloads_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=downloads_folder(), prefix="import-") as folder:
        unpacked = Path(folder) / PurePath(candidate.member).name
        _unpack(candidate, candidate.member, unpacked)
        return _checked_and_installed(unpacked, candidate.name, layouts)


def _checked_and_installed(path: Path, name: PurePath, layouts: Mapping[str, Header] | None) -> Part:
    if name.suffix.lower() == ".onnx":
        _require_known_detector(path, name)
    return install(path, name, str(name), layouts=layouts)


def _require_known_detector(path: Path, name: PurePath) -> None:
    """There is one good file, so its hash is all the check the face detector needs."""
    known = [file.sha256 for model in load_catalogue().models for file in model.files if file.part == "yunet"]
    sha256 = sha256_of(path)
    if sha256 not in known:
        raise WeightsDamaged(
            f"{name} is not the face detector that is known here (its sha256 is {sha256})",
            hint="run `oldphoto weights download face-detector`",
            path=name,
        )


def _unpack(candidate: Candidate, member: str, target: Path) -> None:
    try:
        with (
            zipfile.ZipFile(candidate.source) as archive,
            archive.open(member) as packed,
            replacing(target) as temporary,
            temporary.open("wb") as out,
        ):
            shutil.copyfileobj(packed, out)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as problem:
        raise WeightsDamaged(
            f"{candidate.name} cannot be unpacked: {problem}",
            hint="get the zip again, or unpack it with another tool and import the folder",
            path=candidate.source,
        ) from problem


def _candidates(path: Path) -> Iterator[Candidate]:
    if path.is_dir():
        found = [below for below in sorted(path.rglob("*")) if below.suffix.lower() in (*_SUFFIXES, ".zip")]
        inside = [candidate for below in found for candidate in _in_file(below, is_named=False)]
    elif path.is_file():
        inside = list(_in_file(path, is_named=True))
    else:
        raise WeightsMissing(f"{path} is not there", hint="check the path", path=path)
    if not inside:
        raise WeightsMissing(
            f"{path} holds no released weights",
            hint=f"name the folder, the zip or the files that end in {', '.join(_SUFFIXES)}",
            path=path,
        )
    yield from inside


def _in_file(path: Path, *, is_named: bool) -> Iterator[Candidate]:
    # By suffix and not by content: a checkpoint is a zip as well.
    if path.suffix.lower() != ".zip":
        yield Candidate(path.absolute(), is_named=is_named)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except (zipfile.BadZipFile, OSError) as problem:
        raise WeightsDamaged(f"{path} is truncated or no zip: {problem}", hint="get it again", path=path) from problem
    for member in members:
        if PurePath(member).suffix.lower() in _SUFFIXES:
            yield Candidate(path.absolute(), member)
