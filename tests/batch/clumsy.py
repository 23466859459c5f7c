"""A processor that a test can send to other processes: it counts how often it was loaded, and dies of some photos."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from inverter import Inverter  # beside this file
from numpy.typing import NDArray

from restore_cli.batch.processor import Processed
from restore_cli.imaging import Photo


@dataclass
class Clumsy(Inverter):
    """Notes what it does as empty files in `notes`: load-PID, death-PID."""

    notes: str = ""
    deadly_level: int | None = None
    """A photo whose first pixel has this value kills the process that looks at it."""
    deaths: int = 99
    """So many times; then it is a photo like any other."""

    def load(self) -> None:
        super().load()
        (Path(self.notes) / f"load-{os.getpid()}").touch(exist_ok=False)

    def process(self, photo: Photo, mask: NDArray[np.bool_] | None) -> Processed:
        if photo.pixels[0, 0, 0] == self.deadly_level and self.noted("death") < self.deaths:
            (Path(self.notes) / f"death-{os.getpid()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().process(photo, mask)

    def noted(self, what: str) -> int:
        """How many processes have noted this."""
        return len(list(Path(self.notes).glob(f"{what}-*")))
