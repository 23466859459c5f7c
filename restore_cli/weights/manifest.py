"""model.json: which file of a model folder plays which role, and the hash of each.

    {"format": 1, "name": "small", "detector": "detector.safetensors", "encoder": "vae_a.safetensors",
     "branches": {"scratch": {"mapping": "mapping.safetensors", "decoder": "vae_b.safetensors"}},
     "sha256": {"detector.safetensors": "..."}}

In Python a role is one string: "detector", "second_look", "tone", "fusion", "encoder", "scratch.mapping",
"scratch.decoder", the same for "quality" and "patch"; in the folders of the face models "faces.256", "faces.512" and
"face_detector"; in that of VGG-19 "perceptual". Any role may be absent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from restore_cli.errors import WeightsDamaged, WeightsMissing
from restore_cli.weights.files import locked, write_text
from restore_cli.weights.hashes import sha256_of

FILE_NAME = "model.json"
BRANCHES = ("quality", "scratch", "patch")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of a model.json."""

    name: str
    roles: Mapping[str, str]
    """File name of each role."""
    sha256: Mapping[str, str]
    """Hash of each file, by file name."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each converted file came from and the hash of what was converted, by file name."""


def is_model(folder: Path) -> bool:
    """Whether a folder holds a model.json; one that may not be looked into holds none for us."""
    try:
        return (folder / FILE_NAME).is_file()
    except OSError:
        return False


def read_manifest(folder: Path) -> Manifest:
    """Read a folder's model.json. Raises WeightsMissing if there is none, WeightsDamaged if it says nothing usable."""
    path = folder / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != 1:
            raise ValueError(f"format {content['format']!r}, expected 1")
        manifest = Manifest(
            name=str(content["name"]),
            roles=_flattened(content),
            sha256=dict(content["sha256"]),
            origins=dict(content.get("origins", {})),
        )
    except FileNotFoundError as problem:
        raise WeightsMissing(
            f"{folder} is no model: it holds no {FILE_NAME}",
            hint="name a folder that `oldphoto train` wrote, or see `oldphoto weights list`",
            path=folder,
        ) from problem
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise _unusable(path, str(problem) or type(problem).__name__) from problem
    for file in manifest.roles.values():
        if Path(file).name != file:
            raise _unusable(path, f"{file!r} is not the name of a file in its folder")
    return manifest


def write_manifest(folder: Path, *, name: str, roles: Mapping[str, str]) -> None:
    """Write model.json for files that lie in `folder`, hashing each. `roles`: role to file name, see the module.

    Raises WeightsMissing if a file is not there, WeightsUnwritable if model.json cannot be written.
    """
    missing = [file for file in roles.values() if not (folder / file).is_file()]
    if missing:
        raise WeightsMissing(f"{folder} holds no {', '.join(missing)}", hint="write the networks first", path=folder)
    hashes = {file: sha256_of(folder / file) for file in sorted(set(roles.values()))}
    _write(folder, Manifest(name=name, roles=roles, sha256=hashes))


def add_to_manifest(folder: Path, *, name: str, roles: tuple[str, ...], file: str, origin: str) -> None:
    """Enter one more installed file, creating model.json with the first; several processes may do so at once."""
    sha256 = sha256_of(folder / file)
    with locked(folder / FILE_NAME):
        known = read_manifest(folder) if (folder / FILE_NAME).exists() else Manifest(name=name, roles={}, sha256={})
        _write(
            folder,
            Manifest(
                name=name,
                roles={**known.roles, **dict.fromkeys(roles, file)},
                sha256={**known.sha256, file: sha256},
                origins={**known.origins, file: origin},
            ),
        )


def _write(folder: Path, manifest: Manifest) -> None:
    content = {"format": 1, "name": manifest.name, **_nested(manifest.roles), "sha256": dict(manifest.sha256)}
    if manifest.origins:
        content["origins"] = dict(manifest.origins)
    write_text(folder / FILE_NAME, json.dumps(content, indent=2) + "\n")


def _flattened(content: dict[str, Any]) -> dict[str, str]:
    single = ("detector", "second_look", "tone", "fusion", "encoder", "face_detector", "perceptual")
    roles: dict[str, str] = {role: content[role] for role in single if role in content}
    for branch, parts in content.get("branches", {}).items():
        roles |= {f"{branch}.{part}": file for part, file in parts.items()}
    roles |= {f"faces.{size}": file for size, file in content.get("faces", {}).items()}
    return roles


def _nested(roles: Mapping[str, str]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for role, file in roles.items():
        group, _, part = role.rpartition(".")
        if group in BRANCHES:
            content.setdefault("branches", {}).setdefault(group, {})[part] = file
        elif group:
            content.setdefault(group, {})[part] = file
        else:
            content[role] = file
    return content


def _unusable(path: Path, reason: str) -> WeightsDamaged:
    return WeightsDamaged(
        f"{path} does not describe a model: {reason}",
        hint="install the model again (`oldphoto weights download`, `oldphoto weights import PATH`) or train it again",
        path=path,
    )
