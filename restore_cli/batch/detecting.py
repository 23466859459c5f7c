"""The processor behind `oldphoto detect-scratches`: a ScratchDetector, loaded when the first photo needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from restore_cli import weights
from restore_cli.batch.processor import Model, Processed
from restore_cli.imaging import Photo
from restore_cli.imaging.photo import Pixels
from restore_cli.restoration.settings import Precision

if TYPE_CHECKING:
    from restore_cli.restoration.detector import ScratchDetector

RED_SHARE = 0.7
"""How much of a damaged pixel is red in the overlay: the picture stays visible below."""


@dataclass
class DetectingProcessor:
    """Finds the damage in each photo with one model."""

    model_name: str = "auto"
    device: str = "auto"
    precision: Precision = "auto"
    max_memory_bytes: int | None = None
    threshold: float = 0.4
    resolution: Literal["full"] | int = "full"
    as_probability: bool = False
    """The result is 255 * probability instead of 0 and 255."""
    overlay: bool = False
    """`pixels` is the photo with its damage in red instead of the photo."""
    _detector: ScratchDetector | None = field(default=None, init=False, repr=False)

    def model(self) -> Model:
        """Raises WeightsMissing."""
        found = weights.resolve_model(self.model_name)
        return Model(name=found.name, sha256=found.sha256)

    def settings(self) -> Mapping[str, Any]:
        """Device and memory are left out: they change no pixel beyond rounding."""
        return {
            "threshold": self.threshold,
            "resolution": self.resolution,
            "probability": self.as_probability,
            "precision": self.precision,
        }

    def load(self) -> None:
        """Raises WeightsMissing, WeightsDamaged, UsageProblem (device)."""
        from restore_cli.restoration.detector import ScratchDetector
        from restore_cli.restoration.memory import warn_if_held

        self._detector = ScratchDetector.load(
            self.model_name,
            device=self.device,
            precision=self.precision,
            max_memory_bytes=self.max_memory_bytes,
        )
        warn_if_held(str(self._detector.device), self.max_memory_bytes)

    def process(self, photo: Photo, mask: NDArray[np.bool_] | None) -> Processed:
        """A mask given by hand is of no use here and left alone. Raises OutOfMemory for this photo alone."""
        assert self._detector is not None
        size = photo.pixels.shape[:2]
        damaged, grey = np.empty(size, bool), np.empty(size, np.uint8)
        for box, probability in self._detector.pieces(photo.pixels, self.resolution):
            damaged[box.slices] = found = probability >= self.threshold
            grey[box.slices] = np.rint(probability * 255) if self.as_probability else found * np.uint8(255)
        return Processed(
            pixels=paint_red(photo.pixels, damaged) if self.overlay else photo.pixels,
            mask=damaged,
            grey=grey,
            damaged_fraction=float(damaged.mean()),
        )


def paint_red(pixels: Pixels, damaged: NDArray[np.bool_]) -> Pixels:
    """pixels: (H, W, 1 or 3) uint8 or uint16; damaged: (H, W). Returns (H, W, 3), same dtype."""
    most = np.iinfo(pixels.dtype).max
    painted: Pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3)).copy()
    red = RED_SHARE * np.array([most, 0, 0], np.float32)
    for row, where in zip(painted, damaged, strict=True):  # all at once, floats of a large photo would fill the memory
        row[where] = np.rint((1 - RED_SHARE) * row[where].astype(np.float32) + red)
    return painted
