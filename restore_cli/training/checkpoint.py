"""Checkpoints from which a run goes on as if it had never stopped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from restore_cli.errors import TrainingStopped
from restore_cli.weights.differences import differences


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write `state` beside `path` and rename: a full disk or a kill leaves the previous checkpoint whole."""
    temporary = path.with_name(f".{path.name}.tmp")  # one name, so that the next one takes the place of a killed run's
    try:
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        kept = "go on with --resume; the previous checkpoint is untouched" if path.exists() else "start again"
        raise TrainingStopped(
            f"the checkpoint {path} could not be written: {_cause(error)}",
            hint=f"free some disk space and {kept}",
            path=path,
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _cause(error: BaseException) -> BaseException:
    """torch reports that a file could not be closed well, after the system said why it could not be written."""
    while not isinstance(error, OSError) and error.__context__ is not None:
        error = error.__context__
    return error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running code from it. Raises TrainingStopped if it is missing or damaged."""
    if not path.is_file():
        raise TrainingStopped(f"there is no checkpoint {path}", hint="start without --resume", path=path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its readers raise on a damaged file
        raise TrainingStopped(
            f"the checkpoint {path} is damaged ({type(error).__name__})",
            hint="delete it and start without --resume",
            path=path,
        ) from error
    if not isinstance(state, dict):
        raise TrainingStopped(
            f"{path} is no checkpoint of a run, but holds a {type(state).__name__}",
            hint="name the folder of the run that is to go on, or start without --resume",
            path=path,
        )
    return state


def load_weights(networks: nn.Module, weights: dict[str, Tensor]) -> None:
    """Fill the networks from a checkpoint. Raises ValueError with the first few keys that differ, torch names all."""
    here, there = (
        {key: tuple(tensor.shape) for key, tensor in tensors.items()} for tensors in (networks.state_dict(), weights)
    )
    if wrong := differences(here, there):
        raise ValueError(wrong)
    networks.load_state_dict(weights)
