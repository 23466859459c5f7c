"""The folder that a stage writes and `--model` loads: parts are added as the stages make them."""

from __future__ import annotations

from pathlib import Path

from restore_cli.errors import WeightsMissing
from restore_cli.weights.manifest import read_manifest, write_manifest


def declare_roles(folder: Path, roles: dict[str, str]) -> None:
    """Enter files of `folder` into its model.json under their roles, beside those already there, and hash them all."""
    try:
        known = dict(read_manifest(folder).roles)
    except WeightsMissing:
        known = {}
    present = {role: file for role, file in (known | roles).items() if (folder / file).is_file()}
    write_manifest(folder, name=folder.resolve().name, roles=present)
