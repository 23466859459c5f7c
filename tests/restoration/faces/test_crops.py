from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from restore_cli import imaging
from restore_cli.restoration.faces.crops import cut_faces
from restore_cli.restoration.faces.detection import FaceDetector


@pytest.fixture
def photos(tmp_path: Path, portrait: np.ndarray, two_portraits: np.ndarray) -> list[Path]:
    """Two faces large enough and one too small; no face; no photo."""
    pictures = {"a.png": portrait, "b.png": two_portraits, "c.png": portrait[200:, :100]}
    for name, pixels in pictures.items():
        imaging.write(imaging.Photo(np.ascontiguousarray(pixels), None, imaging.Carried()), tmp_path / name)
    (tmp_path / "d.png").write_bytes(b"no photo")
    return sorted(tmp_path.glob("*.png"))


def test_faces_large_enough_are_cut_out_upright(
    photos: list[Path], tmp_path: Path, detector: FaceDetector, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []
    with caplog.at_level(logging.WARNING):
        count = cut_faces(
            photos,
            tmp_path / "faces",
            detector,
            face_px=128,
            smallest_share=0.9,
            report=lambda done, of: seen.append(done),
        )
    assert count == 2
    crops = [imaging.read(path).pixels for path in sorted((tmp_path / "faces").glob("*.png"))]
    assert [crop.shape for crop in crops] == [(128, 128, 3)] * 2
    for crop in crops:
        (face,) = detector.find(crop)
        np.testing.assert_allclose(face.points[:2].mean(axis=0), (64, 54), atol=6)
    assert seen == [1, 2, 3]
    assert "d.png" in caplog.text


def test_a_finished_folder_is_left_as_it_is(photos: list[Path], tmp_path: Path, detector: FaceDetector) -> None:
    """A resumed run must not wait for the faces again; other settings are another folder's content."""
    folder = tmp_path / "faces"
    assert cut_faces(photos, folder, detector, face_px=64, smallest_share=0.5) == 3
    (folder / "000000.png").unlink()
    assert cut_faces(photos, folder, detector, face_px=64, smallest_share=0.5) == 3
    assert not (folder / "000000.png").exists()
    assert cut_faces(photos, folder, detector, face_px=128, smallest_share=0.5) == 3
    assert imaging.read(folder / "000000.png").pixels.shape == (128, 128, 3)
