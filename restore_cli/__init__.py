"""oldphoto: bring old photographs back, from the command line (`oldphoto`) or from Python.

    from restore_cli import Restorer
    restored = Restorer.load("small").restore(image).image

Names resolve on first use, so that importing the package (as `oldphoto --help` does) loads nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from restore_cli.restoration.detector import ScratchDetector
    from restore_cli.restoration.restorer import Restoration, Restorer
    from restore_cli.restoration.settings import RestoreSettings

__version__ = "0.1.0"
__all__ = ["Restoration", "RestoreSettings", "Restorer", "ScratchDetector", "__version__"]

_HOMES = {
    "Restorer": "restore_cli.restoration.restorer",
    "Restoration": "restore_cli.restoration.restorer",
    "RestoreSettings": "restore_cli.restoration.settings",
    "ScratchDetector": "restore_cli.restoration.detector",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
