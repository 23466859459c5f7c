from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore_cli.restoration.box import Box
from restore_cli.restoration.faces.alignment import TEMPLATE, align
from restore_cli.restoration.faces.boxes import is_empty


def test_the_template_is_the_released_one_on_a_square_of_256() -> None:
    """Computed by hand: target = ((p / 256 - 1) * 1.3 + 1) / 2 * 256."""
    by_hand = [(89, 108.5), (167, 108.5), (128, 147.5), (104.6, 195.86), (151.4, 195.86)]
    np.testing.assert_allclose(TEMPLATE * 256, by_hand, atol=1e-9)


@settings(deadline=None)
@given(
    scale=st.floats(0.05, 20),
    degrees=st.floats(-180, 180),
    shift=st.tuples(st.floats(-1000, 5000), st.floats(-1000, 5000)),
    face_px=st.sampled_from([256, 512]),
)
def test_a_face_like_the_template_is_met_exactly(
    scale: float, degrees: float, shift: tuple[float, float], face_px: int
) -> None:
    """Within float32 of coordinates of some thousands."""
    angle = np.radians(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (TEMPLATE * face_px) @ turn.T + shift
    found = align(points.astype(np.float32), face_px)
    np.testing.assert_allclose(found.to_photo[:, :2], turn, atol=1e-3)
    np.testing.assert_allclose(TEMPLATE * face_px @ found.to_photo[:, :2].T + found.to_photo[:, 2], points, atol=0.01)
    assert found.photo_px_per_face_px == pytest.approx(scale, rel=0.01)
    assert found.side_px == pytest.approx(scale * face_px, rel=0.01)
    assert found.misfit < 0.001


def test_a_profile_fits_the_template_badly(portrait_points: np.ndarray) -> None:
    """Both eyes and both corners of the mouth nearly coincide, the nose stands out."""
    profile = np.array([(100, 84), (104, 84), (80, 108), (98, 124), (101, 124)], np.float32)
    assert align(portrait_points, 256).misfit < 0.06
    assert align(profile, 256).misfit > 0.1


def test_a_face_without_extent_is_refused() -> None:
    with pytest.raises(ValueError, match="same"):
        align(np.full((5, 2), 7, np.float32), 256)


def test_the_box_holds_the_square_and_stays_in_the_photo(portrait_points: np.ndarray) -> None:
    face = align(portrait_points, 256)
    box = face.box((288, 288))
    assert max(box.size) == pytest.approx(face.side_px, abs=8)
    assert face.box((120, 150, 3)) == Box(box.top, box.left, 120, 150)
    assert is_empty(face.box((20, 20)))
