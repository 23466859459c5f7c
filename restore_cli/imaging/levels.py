"""Levels of other depths as those of 16 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_16_bits(values: NDArray[Any], white: int) -> NDArray[np.uint16]:
    """Whole numbers from 0 to `white`, at most 65535, so that white becomes 65535; what is above counts as white."""
    wide = np.minimum(values, white).astype(np.uint32)
    stretched: NDArray[np.uint16] = ((wide * 65_535 + white // 2) // white).astype(np.uint16)
    return stretched
