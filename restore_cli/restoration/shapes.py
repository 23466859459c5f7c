"""The array shapes that the library accepts from callers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from restore_cli.errors import UsageProblem
from restore_cli.restoration.pixels import Pixels


def as_colour_planes(image: Pixels) -> Pixels:
    """(H, W), (H, W, 1) or (H, W, 3) uint8 or uint16 to (H, W, C). Raises UsageProblem for anything else."""
    if not isinstance(image, np.ndarray):
        raise UsageProblem(f"an image that is a {type(image).__name__}", hint="give a numpy array: np.array(image)")
    planes = image[:, :, None] if image.ndim == 2 else image
    if planes.ndim != 3 or planes.shape[2] not in (1, 3) or not planes.size:
        raise UsageProblem(f"an image of shape {image.shape}", hint="give (H, W), (H, W, 1) or (H, W, 3)")
    if planes.dtype not in (np.uint8, np.uint16):
        raise UsageProblem(f"an image of {image.dtype}", hint="give uint8 or uint16")
    return planes


def as_mask(mask: NDArray[np.generic], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """(H, W), nonzero = damaged, to bool. Raises UsageProblem if its size is not the photo's."""
    if not isinstance(mask, np.ndarray):
        raise UsageProblem(f"a mask that is a {type(mask).__name__}", hint="give a numpy array: np.array(mask)")
    if mask.shape != size:
        raise UsageProblem(
            f"the mask is {mask.shape}, the photo {size}", hint="give a mask of the photo's height and width"
        )
    return mask.astype(bool)
