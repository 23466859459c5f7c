"""The seam between a batch and what it does to each photo: restoring, detecting, or a test's own processor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from restore_cli.batch.result import Face
from restore_cli.imaging import Photo
from restore_cli.imaging.photo import Pixels


@dataclass(frozen=True, kw_only=True)
class Model:
    """Which weights shape the results."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Processed:
    """What a processor made of one photo."""

    pixels: Pixels
    """(H, W, C), shape and dtype of the photo's. For a detector: the photo with its damage in red, if asked for."""
    mask: NDArray[np.bool_]
    """(H, W), True where damaged."""
    grey: NDArray[np.uint8] | None = None
    """(H, W), a detector's result: the mask as 0 and 255, or 255 * probability."""
    damaged_fraction: float
    faces: tuple[Face, ...] = ()
    """Every face that was found."""
    unchanged: bool = False
    """Nothing was wrong: the pixels are the photo's own."""
    notes: tuple[str, ...] = ()


class Processor(Protocol):
    """One photo's pixels in, another's out. Small and picklable until `load`, so that it can travel to other machines.

    An OldPhotoError with exit code 1 counts for one photo; any other ends the run.
    """

    def model(self) -> Model:
        """Which model it will use, found without loading it. Raises WeightsMissing."""
        ...

    def settings(self) -> Mapping[str, Any]:
        """Everything beside photo, mask and model that shapes the result, as JSON can hold it."""
        ...

    def load(self) -> None:
        """Get ready; called once, before the first photo that needs it."""
        ...

    def process(self, photo: Photo, mask: NDArray[np.bool_] | None) -> Processed:
        """mask: (H, W) damage given by hand, None to detect it."""
        ...


@runtime_checkable
class GroupProcessor(Processor, Protocol):
    """A processor that is quicker with several photos than with one after the other."""

    @property
    def photos_at_once(self) -> int:
        """How many it wants at most; 1 where it gains nothing, as before `load`."""
        ...

    def process_all(self, photos: Sequence[tuple[Photo, NDArray[np.bool_] | None]]) -> list[Processed]:
        """As `process` of each. An error of one photo ends the call; the caller then does them one by one."""
        ...
