"""Processors that a test can send to other processes: they note what becomes of them, and take something down.

Run as a script it is `oldphoto` with a Clumsy that kills its process once, at the photo of CLUMSY_DEADLY_LEVEL.
"""

from __future__ import annotations

import os
import signal
import sys
import time
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


@dataclass
class Wrecker(Inverter):
    """Pulls the plug of one machine of a Ray cluster while photos are there; on others it waits until that is done."""

    notes: str = ""
    raylet: int = 0
    """Process that stands for the machine, and whose child each of its workers is."""

    def process(self, photo: Photo, mask: NDArray[np.bool_] | None) -> Processed:
        unplugged = Path(self.notes) / "unplugged"
        if os.getppid() == self.raylet:
            unplugged.touch()
            os.kill(self.raylet, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        deadline = time.monotonic() + 120
        while not unplugged.exists():
            assert time.monotonic() < deadline, "no photo came to the machine that was to go"
            time.sleep(0.02)
        return super().process(photo, mask)


if __name__ == "__main__":
    from restore_cli.batch import restoring
    from restore_cli.cli.main import main

    deadly_once = Clumsy(
        notes=os.environ["CLUMSY_NOTES"], deadly_level=int(os.environ["CLUMSY_DEADLY_LEVEL"]), deaths=1
    )
    restoring.RestoringProcessor = lambda *settings: deadly_once  # type: ignore[assignment,misc]
    sys.exit(main())
