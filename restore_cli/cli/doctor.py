"""`oldphoto doctor`: what this machine has, for people and for reports of bugs."""

from __future__ import annotations

import json
import os
import platform
import shutil
from importlib import metadata
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]

_PACKAGES = {"torch": ("torch",), "opencv": ("opencv-python", "opencv-python-headless"), "pillow": ("pillow",)}
"""Names of the distributions that a package may have come in."""


def doctor(as_json: AsJson = False) -> None:
    """Show versions, devices, memory, installed models and where they lie."""
    groups = {"versions": _versions, "devices": _devices, "memory": _memory, "weights": _weights}
    facts = {title: gather() for title, gather in groups.items()}
    if as_json:
        typer.echo(json.dumps(facts))
        return
    for title, group in facts.items():
        typer.echo(title)
        for name, value in group.items():
            typer.echo(f"  {name}: {', '.join(value) or 'none' if isinstance(value, list) else value}")


def _versions() -> dict[str, object]:
    from restore_cli import __version__

    system = platform.platform()
    versions: dict[str, object] = {"oldphoto": __version__, "python": platform.python_version(), "system": system}
    for name, distributions in _PACKAGES.items():
        versions[name] = next((v for v in map(_installed_version, distributions) if v), "not installed")
    return versions


def _installed_version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> dict[str, object]:
    import torch

    from restore_cli.restoration.device import resolve_device, resolve_precision

    chosen = resolve_device("auto")
    cuda = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "cpu_cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "cuda": cuda,
        "mps": torch.backends.mps.is_available(),
        "auto": f"{chosen.type}, {str(resolve_precision('auto', chosen)).removeprefix('torch.')}",
    }


def _memory() -> dict[str, object]:
    from restore_cli.restoration.device import resolve_device
    from restore_cli.restoration.memory import free_bytes
    from restore_cli.weights.places import home

    there = next(folder for folder in (home(), *home().parents) if os.access(folder, os.F_OK))
    facts: dict[str, object] = {"free_gb": _gigabytes(free_bytes(resolve_device("cpu")))}
    if (device := resolve_device("auto")).type == "cuda":
        facts["free_on_device_gb"] = _gigabytes(free_bytes(device))
    facts["free_on_disk_gb"] = _gigabytes(shutil.disk_usage(there).free)
    return facts


def _weights() -> dict[str, object]:
    from restore_cli.errors import OldPhotoError
    from restore_cli.weights import home, resolve_model
    from restore_cli.weights.catalogue import load_catalogue
    from restore_cli.weights.installed import model_states

    facts: dict[str, object] = {"folder": str(home())}
    for state in model_states(load_catalogue()):
        missing = ", ".join(state.missing)
        partly = f"{state.folder}, without {missing}" if missing else str(state.folder)
        facts[state.model.name] = partly if state.present else "not installed"
    try:
        facts["auto"] = resolve_model("auto").name
    except OldPhotoError as problem:
        facts["auto"] = f"none: {problem}"
    return facts


def _gigabytes(count: int) -> float:
    return round(count / 1e9, 1)
