"""`STAGE.run.json`: with what a stage was trained, on how much, and what came of it."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import accelerate
import cv2
import numpy as np
import torch

import restore_cli
from restore_cli.errors import TrainingStopped
from restore_cli.training.request import TrainRequest
from restore_cli.training.stage import Stage


class RunFile:
    """Written when the run starts and again when it ends, each time whole."""

    def __init__(self, request: TrainRequest, stage: Stage, *, device: str, precision: str, processes: int) -> None:
        self.path = request.output / f"{stage.name}.run.json"
        self._facts: dict[str, Any] = {
            "request": {key: _plain(value) for key, value in asdict(request).items()},
            "settings": {
                "loop": asdict(stage.loop),
                "data": asdict(stage.data),
                "stage": asdict(stage.config),
            },
            "versions": {
                "oldphoto": restore_cli.__version__,
                "torch": torch.__version__,
                "accelerate": accelerate.__version__,
                "numpy": np.__version__,
                "opencv": cv2.__version__,
                "python": platform.python_version(),
            },
            "data": _counts(stage),
            "parameters": {
                name: sum(p.numel() for p in network.parameters()) for name, network in stage.networks.items()
            },
            "device": device,
            "precision": precision,
            "processes": processes,
        }

    def write(self, **result: Any) -> None:
        """The facts, and below "result" what is known of the outcome. Raises TrainingStopped on a full disk."""
        text = json.dumps({**self._facts, "result": result}, indent=2) + "\n"
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self.path)
        except OSError as problem:
            temporary.unlink(missing_ok=True)
            raise TrainingStopped(
                f"cannot write {self.path}: {problem}",
                hint="free some space, or choose another --output",
                path=self.path,
            ) from problem


def _counts(stage: Stage) -> dict[str, int]:
    counts = {"training_photos": len(stage.photos.training), "validation_photos": len(stage.photos.validation)}
    old, damage = getattr(stage, "old", None), getattr(stage, "damage", None)
    if old is not None:
        counts["old_photos"] = len(old.training)
    if damage is not None:
        counts["damage_outlines"] = len(damage.files)
    return counts


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
