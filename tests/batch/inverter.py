"""A tiny real processor, and the whole command around it: `python inverter.py restore IN OUT` needs no torch.

Run as a script it is `oldphoto` with this processor in the place of the network; INVERTER_SECONDS slows each photo.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restore_cli.batch.processor import Model, Processed
from restore_cli.errors import OldPhotoError
from restore_cli.imaging import Photo


@dataclass
class Inverter:
    """Inverts each photo; a black photo has nothing wrong with it. Bright pixels count as damaged."""

    settings_value: int = 0
    model_sha256: str = "0" * 64
    slow_seconds: float = 0.0
    fails_with: OldPhotoError | Exception | None = None
    load_fails_with: OldPhotoError | None = None
    processed: int = 0

    def model(self) -> Model:
        return Model(name="inverter", sha256=self.model_sha256)

    def settings(self) -> Mapping[str, Any]:
        return {"value": self.settings_value}

    def load(self) -> None:
        if self.load_fails_with is not None:
            raise self.load_fails_with

    def process(self, photo: Photo, mask: NDArray[np.bool_] | None) -> Processed:
        if self.fails_with is not None:
            raise self.fails_with
        time.sleep(self.slow_seconds)
        self.processed += 1
        most = np.iinfo(photo.pixels.dtype).max
        if mask is None:
            mask = photo.pixels.max(axis=2) > 0.9 * most
        unchanged = not photo.pixels.any()
        return Processed(
            pixels=photo.pixels if unchanged else most - photo.pixels,
            mask=mask,
            damaged_fraction=float(mask.mean()),
            unchanged=unchanged,
        )


if __name__ == "__main__":
    from restore_cli.batch import restoring
    from restore_cli.cli.main import main

    seconds = float(os.environ.get("INVERTER_SECONDS", "0"))
    restoring.RestoringProcessor = lambda *settings: Inverter(slow_seconds=seconds)  # type: ignore[assignment,misc]
    sys.exit(main())
