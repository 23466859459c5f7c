"""A photographed face, the detector, and geometry that tests compare with."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from restore_cli.restoration.faces.detection import FaceDetector

DATA = Path(__file__).parents[2] / "data" / "faces"


@pytest.fixture(scope="session")
def detector_path() -> Path:
    return DATA / "yunet_n_320_320.onnx"


@pytest.fixture(scope="session")
def detector(detector_path: Path) -> FaceDetector:
    return FaceDetector(detector_path)


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """(288, 288, 3) RGB uint8; the face's box is about x 100, y 45, 89 x 110. Read-only."""
    image = np.ascontiguousarray(cv2.imread(str(DATA / "astronaut.jpg"))[..., ::-1])
    image.flags.writeable = False
    return image


@pytest.fixture(scope="session")
def portrait_points() -> np.ndarray:
    """(5, 2): where a person sees the eyes, the nose and the mouth's corners in `portrait`."""
    return np.array([(123, 84), (167, 85), (143, 108), (124, 124), (162, 125)], np.float32)


@pytest.fixture(scope="session")
def two_portraits(portrait: np.ndarray) -> np.ndarray:
    """(288, 576, 3): the portrait, and beside it the portrait turned upside down, whose face is 70 % as large."""
    small = cv2.resize(np.ascontiguousarray(portrait[::-1, ::-1]), None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    canvas = np.full((288, 576, 3), 90, np.uint8)
    canvas[:, :288] = portrait
    canvas[40 : 40 + small.shape[0], 330 : 330 + small.shape[1]] = small
    return canvas
