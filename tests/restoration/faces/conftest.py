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


DRAWN_POINTS = np.array([(98, 112), (142, 112), (120, 141), (102, 163), (138, 163)], np.float32) / 240
"""Eyes, nose, corners of the mouth of `drawn_face`, as parts of its side."""


def drawn_face(side_px: int) -> np.ndarray:
    """(side_px, side_px, 3): a head of simple shapes, whose face is about half as high as the picture."""
    unit = side_px / 240
    picture = np.full((side_px, side_px, 3), (150, 165, 175), np.uint8)
    dark, skin, lip, white = (70, 50, 35), (225, 180, 150), (175, 80, 80), (250, 250, 250)

    def ellipse(centre: tuple[int, int], radii: tuple[int, int], colour: tuple[int, int, int], arc: int = 0) -> None:
        """arc: width of a line along the upper half, 0 for a filled ellipse."""
        place = tuple(round(v * unit) for v in centre)
        size = tuple(max(1, round(v * unit)) for v in radii)
        start, thickness = (180, max(1, round(arc * unit))) if arc else (0, -1)
        cv2.ellipse(picture, place, size, 0, start, 360, colour, thickness, cv2.LINE_AA)

    ellipse((120, 112), (64, 80), dark)  # hair, body, neck, face, fringe
    ellipse((120, 225), (80, 50), (60, 70, 110))
    ellipse((120, 190), (22, 30), (205, 160, 130))
    ellipse((120, 122), (50, 66), skin)
    ellipse((120, 70), (52, 28), dark)
    for x in (98, 142):
        ellipse((x, 112), (11, 6), white)
        ellipse((x, 112), (5, 6), (50, 35, 30))
        ellipse((x, 98), (13, 4), dark, arc=4)
        ellipse((x, 113), (11, 7), (110, 70, 55), arc=2)
    ellipse((120, 134), (7, 13), (205, 155, 125))
    ellipse((120, 145), (9, 3), (160, 105, 85))
    ellipse((120, 164), (18, 6), lip)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.2 * unit), np.uint8)


@pytest.fixture(scope="session")
def drawn_group() -> tuple[np.ndarray, list[np.ndarray]]:
    """A photo of four drawn people, small to large, the last cut by the right edge; and their landmarks."""
    canvas = np.full((420, 760, 3), (150, 165, 175), np.uint8)
    points = []
    for side_px, left, top in ((60, 10, 40), (120, 60, 220), (240, 170, 120), (400, 470, 10)):
        visible = canvas[top : top + side_px, left : left + side_px]
        visible[:] = drawn_face(side_px)[:, : visible.shape[1]]
        points.append(DRAWN_POINTS * side_px + (left, top))
    return canvas, points
