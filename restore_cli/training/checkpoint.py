"""Checkpoints from which a run goes on as if it had never stopped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from restore_cli.errors import TrainingStopped


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write `state` beside `path` and rename: a full disk or a kill leaves the previous checkpoint whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a failed write as RuntimeError
        raise TrainingStopped(
            f"the checkpoint {path} could not be written: {error}",
            hint="free some disk space and go on with --resume; the previous checkpoint is untouched",
            path=path,
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running code from it. Raises TrainingStopped if it is missing or damaged."""
    if not path.is_file():
        raise TrainingStopped(f"there is no checkpoint {path}", hint="start without --resume", path=path)
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its readers raise on a damaged file
        raise TrainingStopped(f"the checkpoint {path} cannot be read: {error}", hint="start anew", path=path) from error
    return state
