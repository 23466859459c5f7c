"""Upright arrays that a decoder fills in the order of the file.

Turning the picture while it is copied out of the decoder saves one whole copy of it, which counts at 100 megapixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from restore_cli.imaging.photo import Pixels


class Canvas:
    """Pixels and alpha of a picture that is (height, width) in the file and is shown turned by `orientation`.

    orientation: 1 to 8 as in EXIF 2.32, tag 274. channels: 1 or 3, alpha not counted.
    """

    def __init__(
        self,
        size: tuple[int, int],
        channels: int,
        *,
        alpha: bool,
        depth: type[np.unsignedinteger[Any]],
        orientation: int,
    ) -> None:
        upright = size[::-1] if orientation >= 5 else size
        self.pixels: Pixels = np.empty((*upright, channels), depth)  # type: ignore[assignment]
        self.alpha: Pixels | None = np.empty(upright, depth) if alpha else None  # type: ignore[assignment]
        self._pixels_as_stored = as_stored(self.pixels, orientation)
        self._alpha_as_stored = None if self.alpha is None else as_stored(self.alpha, orientation)

    def put(self, block: NDArray[Any], top: int = 0, left: int = 0) -> None:
        """Copy a block of the file's picture: (h, w) or (h, w, samples), alpha last where the canvas has it."""
        if block.ndim == 2:
            block = block[:, :, None]
        height, width, samples = block.shape
        rows, columns = slice(top, top + height), slice(left, left + width)
        self._pixels_as_stored[rows, columns] = block if self._alpha_as_stored is None else block[:, :, : samples - 1]
        if self._alpha_as_stored is not None:
            self._alpha_as_stored[rows, columns] = block[:, :, samples - 1]


def as_stored(upright: NDArray[Any], orientation: int) -> NDArray[Any]:
    """A view of an upright (H, W, ...) array in the order in which a file with this EXIF orientation stores it."""
    if orientation in (5, 6, 7, 8):
        upright = upright.swapaxes(0, 1)
    if orientation in (2, 3, 7, 8):
        upright = upright[:, ::-1]
    if orientation in (3, 4, 6, 7):
        upright = upright[::-1]
    return upright
