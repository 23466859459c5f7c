"""The door to weights: catalogue, download, import of the released checkpoints, verification, loading.

Names resolve on first use, so that `oldphoto weights list` does not wait for torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from restore_cli.weights.manifest import write_manifest
    from restore_cli.weights.models import (
        FaceModels,
        ModelFolder,
        check_parts_fit,
        face_detector_path,
        face_model_paths,
        perceptual_path,
        resolve_model,
    )
    from restore_cli.weights.network_file import load_network, save_network
    from restore_cli.weights.places import home

__all__ = [
    "FaceModels",
    "ModelFolder",
    "check_parts_fit",
    "face_detector_path",
    "face_model_paths",
    "home",
    "load_network",
    "perceptual_path",
    "resolve_model",
    "save_network",
    "write_manifest",
]

_HOMES = {
    "FaceModels": "models",
    "ModelFolder": "models",
    "check_parts_fit": "models",
    "face_detector_path": "models",
    "face_model_paths": "models",
    "home": "places",
    "load_network": "network_file",
    "perceptual_path": "models",
    "resolve_model": "models",
    "save_network": "network_file",
    "write_manifest": "manifest",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"restore_cli.weights.{_HOMES[name]}"), name)
