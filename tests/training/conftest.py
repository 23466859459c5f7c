"""Small pictures with edges, flat parts and colour."""

from __future__ import annotations

import cv2
import pytest
from tests_training_photos import Picture, scene

cv2.setNumThreads(1)  # the pictures are too small for more, and the machine may be busy


@pytest.fixture(scope="session")
def photo() -> Picture:
    """(96, 128, 3)."""
    picture = scene(96, 128)
    picture.setflags(write=False)
    return picture
