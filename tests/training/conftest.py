"""Small pictures with edges, flat parts and colour."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
cv2.setNumThreads(1)  # the pictures are too small for more, and the machine may be busy


def scene(height: int, width: int, seed: int = 0) -> Picture:
    """Soft clouds of colour with some sharp rectangles, values 20 to 230."""
    rng = np.random.default_rng(seed)
    clouds = cv2.resize(rng.uniform(60, 190, (5, 6, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(6):
        top, left = rng.integers(height), rng.integers(width)
        clouds[top : top + height // 4, left : left + width // 5] += rng.uniform(-60, 60, 3)
    return clouds.clip(20, 230).astype(np.uint8)


@pytest.fixture(scope="session")
def photo() -> Picture:
    """(96, 128, 3)."""
    picture = scene(96, 128)
    picture.setflags(write=False)
    return picture
