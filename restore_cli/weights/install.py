"""Turn a released file into an installed part: checked, converted once, entered in its model's model.json."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from restore_cli.errors import WeightsDamaged
from restore_cli.weights.files import replacing
from restore_cli.weights.hashes import sha256_of
from restore_cli.weights.manifest import add_to_manifest
from restore_cli.weights.parts import PARTS, Part
from restore_cli.weights.places import model_folder

if TYPE_CHECKING:
    from restore_cli.weights.network_file import Header


def install(
    path: Path,
    name: PurePath,
    origin: str,
    *,
    expected: Part | None = None,
    layouts: Mapping[str, Header] | None = None,
) -> Part:
    """Install the released file at `path`, which was called `name` where it came from (`origin`, for the record).

    A network is recognised and converted. The face detector (.onnx) is copied; its hash is the caller's to check.
    expected: the part it has to be. layouts: the network of each part, None for the released ones. Raises
    WeightsDamaged (see `released.recognise`), WeightsUnwritable. Until all is well the model stays as it was.
    """
    if name.suffix.lower() == ".onnx":
        part = _install_detector(path)
    else:
        part = _install_network(path, name, expected, layouts)
    record = f"{origin} (sha256 {sha256_of(path)})"
    add_to_manifest(model_folder(part.model), name=part.model, roles=part.roles, file=part.file, origin=record)
    return part


def _install_network(path: Path, name: PurePath, expected: Part | None, layouts: Mapping[str, Header] | None) -> Part:
    from restore_cli.weights import released

    layouts = released.LAYOUTS if layouts is None else layouts
    found = released.recognise(path, name, layouts=layouts)
    if expected and found.part != expected:
        raise WeightsDamaged(f"{name} holds {found.part.name}, not {expected.name}", hint="get it elsewhere", path=name)
    released.convert(found, model_folder(found.part.model) / found.part.file, layouts=layouts)
    return found.part


def _install_detector(path: Path) -> Part:
    part = PARTS["yunet"]
    with replacing(model_folder(part.model) / part.file) as temporary:
        shutil.copyfile(path, temporary)
    return part
