"""What is installed: for each model of the catalogue its parts, and whether every file is what it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from restore_cli.errors import OldPhotoError
from restore_cli.weights.catalogue import Catalogue, CatalogueModel
from restore_cli.weights.hashes import sha256_of
from restore_cli.weights.manifest import FILE_NAME, Manifest, is_model, read_manifest
from restore_cli.weights.parts import PARTS, Part
from restore_cli.weights.places import model_folder


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """How much of a model is there."""

    model: CatalogueModel
    folder: Path
    present: tuple[str, ...]
    """Names of the files in it, model.json aside."""
    missing: tuple[str, ...]
    """Names of the parts that are not installed."""
    size_bytes: int
    """Of the files that are there."""

    @property
    def is_complete(self) -> bool:
        """Nothing of the model is missing."""
        return bool(self.present) and not self.missing


@dataclass(frozen=True, kw_only=True)
class FileCheck:
    """The outcome of comparing one installed file with its recorded hash."""

    model: str
    path: Path
    problem: str | None
    """What is wrong with it, None if nothing is."""


def model_states(catalogue: Catalogue) -> tuple[ModelState, ...]:
    """Each model of the catalogue, in its order."""
    return tuple(_state(model) for model in catalogue.models)


def check_files(names: Iterable[str]) -> tuple[FileCheck, ...]:
    """Hash every file of these models that is installed and compare it with model.json."""
    checks: list[FileCheck] = []
    for name in names:
        folder = model_folder(name)
        if not is_model(folder):
            continue
        try:
            manifest = read_manifest(folder)
        except OldPhotoError as problem:
            checks.append(FileCheck(model=name, path=folder / FILE_NAME, problem=problem.message))
            continue
        for file in sorted(set(manifest.roles.values())):
            checks.append(FileCheck(model=name, path=folder / file, problem=_problem(manifest, folder / file)))
    return tuple(checks)


def is_intact(part: Part) -> bool:
    """The part is installed, and its file is what was installed."""
    folder = model_folder(part.model)
    if not is_model(folder):
        return False
    try:
        manifest = read_manifest(folder)
    except OldPhotoError:
        return False
    return part.file in manifest.roles.values() and _problem(manifest, folder / part.file) is None


def _state(model: CatalogueModel) -> ModelState:
    folder = model_folder(model.name)
    try:
        listed = set(read_manifest(folder).roles.values())
    except OldPhotoError:
        listed = set()
    present = tuple(sorted(file for file in listed if (folder / file).is_file()))
    return ModelState(
        model=model,
        folder=folder,
        present=present,
        missing=tuple(file.part for file in model.files if PARTS[file.part].file not in present),
        size_bytes=sum((folder / file).stat().st_size for file in present),
    )


def _problem(manifest: Manifest, path: Path) -> str | None:
    if not path.is_file():
        return "it is not there"
    recorded = manifest.sha256.get(path.name)
    if recorded is None:
        return f"{FILE_NAME} records no hash for it"
    actual = sha256_of(path)
    return None if actual == recorded else f"its sha256 is {actual}, recorded was {recorded}"
