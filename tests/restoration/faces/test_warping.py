from __future__ import annotations

import numpy as np
import pytest

from restore_cli.restoration.box import Box
from restore_cli.restoration.faces.alignment import Alignment
from restore_cli.restoration.faces.warping import cut_out, lay_over

SCALES = [0.1, 0.6, 1.0, 1.5, 2.0, 4.7]


def square_at(scale: float, degrees: float, corner: tuple[float, float], face_px: int = 64) -> Alignment:
    angle = np.radians(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return Alignment(np.column_stack([turn, corner]), face_px, 0.0)


def slope(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A plane of grey: any resampling that keeps places keeps its values, half a pixel off shows as 0.0007."""
    return 0.1 + 0.001 * x + 0.0005 * y


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("degrees", [0, 33, 180])
def test_cutting_out_keeps_places(scale: float, degrees: float) -> None:
    """2e-4 is a fifth of a pixel; OpenCV steps by 1/32, and 16 bits are rounded."""
    corner = {0: (10.3, 5.8), 33: (170.0, 20.0), 180: (310.0, 309.0)}[degrees]
    y, x = np.mgrid[:320, :400]
    photo = np.repeat(np.rint(slope(x, y) * 65535).astype(np.uint16)[..., None], 3, axis=2)
    face = square_at(scale, degrees, corner)
    v, u = np.mgrid[:64, :64]
    at = np.stack([u, v], -1) @ face.to_photo[:, :2].T + face.to_photo[:, 2]
    inside = ((at > scale) & (at < np.array([399, 319]) - scale)).all(axis=-1)
    assert inside.any()
    np.testing.assert_allclose(cut_out(photo, face)[inside][:, 0], slope(*at[inside].T), atol=2e-4)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("bicubic", [True, False])
def test_laying_over_keeps_places(scale: float, bicubic: bool) -> None:
    face = square_at(scale, 20, (40.2, 12.7))
    v, u = np.mgrid[:64, :64]
    square = slope(u, v).astype(np.float32)
    box = face.box((400, 400))
    laid = lay_over(square, face, box, bicubic=bicubic)
    assert laid.shape == box.size
    y, x = np.mgrid[box.slices]
    back = np.linalg.inv(face.to_photo[:, :2])
    at = (np.stack([x, y], -1) - face.to_photo[:, 2]) @ back.T
    reach = max(2, 2 / scale)
    inside = ((at > reach) & (at < 63 - reach)).all(axis=-1)
    assert inside.any()
    np.testing.assert_allclose(laid[inside], slope(*at[inside].T), atol=2e-4)


def test_at_scale_1_upright_the_face_is_the_photos_pixels(portrait: np.ndarray) -> None:
    face = square_at(1, 0, (70, 30), face_px=128)
    np.testing.assert_allclose(cut_out(portrait, face), portrait[30:158, 70:198] / 255, atol=1e-6)
    laid = lay_over(cut_out(portrait, face), face, Box(30, 70, 158, 198), bicubic=True)
    np.testing.assert_allclose(laid, portrait[30:158, 70:198] / 255, atol=1e-6)


@pytest.mark.parametrize("scale", [2.0, 5.0, 7.3])
def test_grain_finer_than_the_square_becomes_its_mean(scale: float) -> None:
    """A chessboard of single pixels: sampled by points it would come out in stripes of black and white."""
    photo = np.repeat((np.indices((600, 600)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)
    face = cut_out(photo, square_at(scale, 12, (150.5, 40.5)))
    assert np.abs(face[4:-4, 4:-4] - 0.5).max() < 0.13


def test_grain_finer_than_the_photo_becomes_its_mean() -> None:
    square = (np.indices((64, 64)).sum(axis=0) % 2).astype(np.float32)
    face = square_at(0.2, 12, (8.0, 3.0))
    laid = lay_over(square, face, face.box((40, 40)), bicubic=True)
    assert np.abs(laid[5:-5, 5:-5] - 0.5).max() < 0.05


def test_beyond_the_photos_edge_the_face_is_mirrored(portrait: np.ndarray) -> None:
    face = cut_out(portrait, square_at(1, 0, (-20, 0)))
    np.testing.assert_allclose(face[:, :20], face[:, 40:20:-1], atol=1e-6)


@pytest.mark.parametrize("scale", [0.13, 1.0, 3.0])
def test_parts_of_a_box_are_as_in_the_whole(scale: float) -> None:
    square = np.random.default_rng(0).random((64, 64, 3), np.float32)
    face = square_at(scale, 50, (150, 20))
    whole = face.box((300, 300))
    middle = (whole.top + whole.bottom) // 2
    parts = [Box(whole.top, whole.left, middle, whole.right), Box(middle, whole.left, whole.bottom, whole.right)]
    for bicubic in (True, False):
        laid = np.concatenate([lay_over(square, face, part, bicubic=bicubic) for part in parts])
        np.testing.assert_allclose(laid, lay_over(square, face, whole, bicubic=bicubic), atol=1e-3)
