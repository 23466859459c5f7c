"""Where weights lie: the user's folder, the models in it, and what came with the package."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def home() -> Path:
    """The folder for everything downloaded or imported: $OLDPHOTO_HOME, else the platform's cache folder.

    It need not exist; whoever writes creates it.
    """
    chosen = os.environ.get("OLDPHOTO_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("oldphoto", appauthor=False)


def models_folder() -> Path:
    """The folder that holds one model folder for each installed model."""
    return home() / "models"


def downloads_folder() -> Path:
    """The folder for released files on their way in; a broken-off download waits here to be resumed."""
    return home() / "downloads"


def bundled_folder() -> Path:
    """The folder with catalogue.toml and the bundled model: in the installed package, or at the top of a checkout."""
    installed = _PACKAGE / "bundled"
    return installed if installed.is_dir() else _PACKAGE.parent / "weights"


def model_folder(name: str) -> Path:
    """The folder of a model of the catalogue, installed or not; "small" comes with the package."""
    return bundled_folder() / name if name == "small" else models_folder() / name
