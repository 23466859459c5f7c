from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from restore_cli.errors import WeightsDamaged, WeightsMissing
from restore_cli.restoration.faces.detection import FaceDetector


def resized(image: np.ndarray, factor: float) -> np.ndarray:
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=way)


def turned_points(points: np.ndarray, quarter_turns: int, size: tuple[int, int]) -> np.ndarray:
    """Where np.rot90 puts points: found by turning a picture of numbered pixels."""
    numbers = np.arange(size[0] * size[1]).reshape(size)
    turned = np.rot90(numbers, quarter_turns)
    found = [np.argwhere(turned == numbers[round(y), round(x)])[0][::-1] for x, y in points.tolist()]
    return np.array(found, np.float32)


@pytest.mark.parametrize("face_px", [24, 110, 500])
def test_faces_of_any_size_are_found(
    face_px: int, detector: FaceDetector, portrait: np.ndarray, portrait_points: np.ndarray
) -> None:
    """A tenth of the face is what landmarks differ by between sizes."""
    factor = face_px / 110
    (face,) = detector.find(resized(portrait, factor))
    assert face.side_px == pytest.approx(face_px, rel=0.2)
    np.testing.assert_allclose(face.points, portrait_points * factor, atol=0.1 * face_px)


def test_drawn_faces_are_found_where_they_were_drawn(
    detector: FaceDetector, drawn_group: tuple[np.ndarray, list[np.ndarray]]
) -> None:
    """From 30 px to 210 px, one cut by the edge; the landmarks are known, not judged by eye."""
    photo, points = drawn_group
    faces = sorted(detector.find(photo), key=lambda face: face.side_px)
    assert len(faces) == len(points)
    for face, expected in zip(faces, points, strict=True):
        np.testing.assert_allclose(face.points, expected, atol=0.12 * face.side_px)


def test_a_face_that_fills_the_photo_is_found(detector: FaceDetector, portrait: np.ndarray) -> None:
    (face,) = detector.find(resized(portrait[45:155, 98:190], 6))
    assert face.box[2] > 0.7 * 92 * 6


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_turned_scans_show_their_faces(
    quarter_turns: int, detector: FaceDetector, portrait: np.ndarray, portrait_points: np.ndarray
) -> None:
    """Not square, so that rows taken for columns show."""
    scan = portrait[:200]
    expected = turned_points(portrait_points, quarter_turns, scan.shape[:2])
    faces = detector.find(np.ascontiguousarray(np.rot90(scan, quarter_turns)))
    np.testing.assert_allclose(faces[0].points, expected, atol=8)
    x, y, width, height = faces[0].box
    assert x < expected[:, 0].min() < expected[:, 0].max() < x + width
    assert y < expected[:, 1].min() < expected[:, 1].max() < y + height


def test_each_face_is_listed_once_whichever_way_it_is_turned(detector: FaceDetector, two_portraits: np.ndarray) -> None:
    faces = sorted(detector.find(two_portraits), key=lambda face: face.box[0])
    assert len(faces) == 2
    eyes, mouth = faces[1].points[:2, 1].mean(), faces[1].points[3:, 1].mean()
    assert eyes > mouth, "the second face stands on its head"


@pytest.mark.parametrize("offset", [(900, 950), (832, 0), (0, 1024)])
def test_no_face_is_lost_or_doubled_between_tiles(
    offset: tuple[int, int], detector: FaceDetector, portrait: np.ndarray, portrait_points: np.ndarray
) -> None:
    top, left = offset
    photo = np.full((1300, 1400, 3), 120, np.uint8)
    photo[top : top + 200, left : left + 288] = portrait[:200]
    (face,) = detector.find(photo)
    np.testing.assert_allclose(face.points, portrait_points + np.array(offset[::-1]), atol=10)


def test_grey_and_16_bit_photos_show_the_same_face(
    detector: FaceDetector, portrait: np.ndarray, portrait_points: np.ndarray
) -> None:
    grey = cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)
    for photo in (grey, grey[..., None], portrait.astype(np.uint16) * 257):
        (face,) = detector.find(photo)
        np.testing.assert_allclose(face.points, portrait_points, atol=8)


def test_a_photo_without_faces_has_none(detector: FaceDetector, portrait: np.ndarray) -> None:
    assert detector.find(portrait[200:, :100]) == []
    assert detector.find(np.zeros((1, 1, 3), np.uint8)) == []


def test_a_missing_detector_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing) as caught:
        FaceDetector(tmp_path / "yunet.onnx")
    assert "oldphoto weights download face-detector" in caught.value.hint


def test_a_damaged_detector_is_named(tmp_path: Path, detector_path: Path) -> None:
    damaged = tmp_path / "yunet.onnx"
    damaged.write_bytes(detector_path.read_bytes()[:1000])
    with pytest.raises(WeightsDamaged) as caught:
        FaceDetector(damaged)
    assert caught.value.path == damaged
