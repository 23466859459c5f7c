"""The catalogue of models: which files each has, where they are to be had, and their hashes."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restore_cli.errors import UsageProblem
from restore_cli.weights.places import bundled_folder

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True, kw_only=True)
class CatalogueFile:
    """One file that can be downloaded."""

    part: str
    """Which part of the model it holds, see `parts.PARTS`."""
    size_mb: float
    """About what the download moves, for lists."""
    sha256: str | None = None
    """Known hash, or None where the first download is trusted and recorded."""
    hub_path: str | None = None
    """Path in the model's hub repository."""
    zip_member: str | None = None
    """Path inside the model's zips."""
    url: str | None = None
    """Plain address."""

    @property
    def suffix(self) -> str:
        """The released file's suffix, with its dot."""
        return Path(self.hub_path or self.zip_member or self.url or "").suffix


@dataclass(frozen=True, kw_only=True)
class CatalogueModel:
    """One model: a set of files that belong together."""

    name: str
    title: str
    licence: str
    bundled: bool = False
    """Comes with the package and is never downloaded."""
    for_training: bool = False
    """Nobody needs it to restore."""
    hub: str | None = None
    """Hub repository, owner/name."""
    zips: tuple[str, ...] = ()
    """Addresses of archives with the same members, in the order in which they are tried."""
    files: tuple[CatalogueFile, ...] = ()


@dataclass(frozen=True)
class Catalogue:
    """All models, in the order of the file."""

    models: tuple[CatalogueModel, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every model's name."""
        return tuple(model.name for model in self.models)

    def model(self, name: str) -> CatalogueModel:
        """The model of that name. Raises UsageProblem with the names there are."""
        for model in self.models:
            if model.name == name:
                return model
        raise UsageProblem(f"there is no model {name!r}", hint=f"choose from {', '.join(self.names)}")


def load_catalogue(path: Path | None = None) -> Catalogue:
    """Read a catalogue: `path`, else the file that OLDPHOTO_CATALOGUE names, else the one that came with the package.

    Raises UsageProblem if the file cannot be read or is no catalogue.
    """
    path = path or Path(os.environ.get("OLDPHOTO_CATALOGUE") or bundled_folder() / "catalogue.toml")
    hint = "set OLDPHOTO_CATALOGUE to a copy of weights/catalogue.toml, or unset it"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        if content["format"] != 1:
            raise UsageProblem(f"the catalogue {path} has format {content['format']}, expected 1", hint=hint, path=path)
        return Catalogue(tuple(_model(name, entry) for name, entry in content["models"].items()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        message = f"the catalogue {path} cannot be read: {problem or type(problem).__name__}"
        raise UsageProblem(message, hint=hint, path=path) from problem


def _model(name: str, entry: dict[str, Any]) -> CatalogueModel:
    files = tuple(CatalogueFile(**file) for file in entry.pop("files", ()))
    return CatalogueModel(name=name, files=files, zips=tuple(entry.pop("zips", ())), **entry)
