from __future__ import annotations

import numpy as np
import pytest

from restore_cli.restoration.faces import blending
from restore_cli.restoration.faces.alignment import TEMPLATE, align
from restore_cli.restoration.faces.blending import FaceChange, blend, match_histogram


def face_at(centre: tuple[float, float], side_px: float, change: float, *, degrees: float = 15) -> FaceChange:
    """A face whose square has its middle at `centre` and whose every pixel is to change by `change`."""
    angle = np.radians(degrees)
    turn = side_px * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (TEMPLATE - 0.5) @ turn.T + centre
    return FaceChange(align(points.astype(np.float32), 256), np.full((256, 256, 3), change, np.float32))


def grey(height: int, width: int, dtype: type = np.uint8) -> np.ndarray:
    return np.full((height, width, 3), 0.4 * np.iinfo(dtype).max, dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_no_change_leaves_every_bit(dtype: type) -> None:
    photo = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (90, 120, 3), dtype, endpoint=True)
    np.testing.assert_array_equal(blend(photo, [face_at((60, 45), 70, 0)]), photo)
    np.testing.assert_array_equal(blend(photo, [face_at((60, 45), 70, 0.3)], strength=0), photo)
    np.testing.assert_array_equal(blend(photo, []), photo)


@pytest.mark.parametrize("side_px", [26, 110, 700])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_change_is_whole_inside_and_nothing_outside(side_px: int, dtype: type) -> None:
    """Also for the smallest face, of which the released blend would leave a twentieth."""
    photo = grey(800, 900, dtype)
    white = np.iinfo(dtype).max
    result = blend(photo, [face_at((450, 400), side_px, 0.2)])
    assert result.dtype == photo.dtype
    assert result[400, 450] == pytest.approx(photo[400, 450] + 0.2 * white, abs=1)
    y, x = np.mgrid[:800, :900]
    angle = np.radians(-15)
    u = np.cos(angle) * (x - 450) - np.sin(angle) * (y - 400)
    v = np.sin(angle) * (x - 450) + np.cos(angle) * (y - 400)
    from_centre = np.maximum(abs(u), abs(v))
    pixel_of_square = side_px / 256
    assert (result == photo)[from_centre > side_px / 2 + pixel_of_square + 2].all()
    core = from_centre < side_px / 2 - 25 * pixel_of_square - 2
    assert np.abs(result[core].astype(float) - photo[0, 0] - 0.2 * white).max() <= 1


@pytest.mark.parametrize("side_px", [60, 256, 700])
def test_no_visible_square(side_px: int) -> None:
    """A step of 51 levels spread over the border: no pixel differs from its neighbour by more than it has to."""
    result = blend(grey(800, 900), [face_at((450, 400), side_px, 0.2)]).astype(int)[..., 0]
    steepest = max(np.abs(np.diff(result, axis=axis)).max() for axis in (0, 1))
    ramp_px = 25 / 256 * side_px
    assert steepest <= 3 * 51 / ramp_px + 1


def test_strength_is_the_part_of_the_change_that_is_made() -> None:
    whole = blend(grey(90, 90), [face_at((45, 45), 60, 0.2)]).astype(int)
    half = blend(grey(90, 90), [face_at((45, 45), 60, 0.2)], strength=0.5).astype(int)
    np.testing.assert_allclose(half - 102, (whole - 102) / 2, atol=0.51)


def test_results_stay_within_black_and_white() -> None:
    assert blend(grey(90, 90), [face_at((45, 45), 60, 0.9)]).max() == 255
    assert blend(grey(90, 90), [face_at((45, 45), 60, -0.9)]).min() == 0


def test_overlapping_faces_share_the_photo_in_any_order() -> None:
    """Each changes its own side, nothing is changed twice, and between them there is no seam."""
    faces = [face_at((100, 100), 120, 0.2), face_at((160, 110), 120, -0.2, degrees=-30)]
    result = blend(grey(220, 280), faces)
    np.testing.assert_array_equal(result, blend(grey(220, 280), faces[::-1]))
    assert result[100, 85, 0] == pytest.approx(102 + 51, abs=2)
    assert result[110, 175, 0] == pytest.approx(102 - 51, abs=2)
    between = result[105, 90:172, 0].astype(int)
    assert np.abs(np.diff(between)).max() <= 8
    alike = blend(grey(220, 280), [face_at((100, 100), 120, 0.2), face_at((160, 110), 120, 0.2)])
    assert alike.max() <= 102 + 52


def test_faces_that_only_a_third_one_joins_are_blended_once() -> None:
    faces = [face_at((60, 60), 80, 0.2), face_at((220, 60), 80, 0.2), face_at((140, 60), 120, 0.2)]
    result = blend(grey(120, 300), faces)
    assert result[60, 60:220, 0].max() == 102 + 51
    assert result[60, 60:220, 0].min() >= 102 + 45


def test_a_face_cut_by_the_edge_is_changed_up_to_the_edge() -> None:
    result = blend(grey(100, 100), [face_at((0, 50), 80, 0.2, degrees=0)])
    assert result[50, 0, 0] == 153
    assert result[50, 60, 0] == 102
    np.testing.assert_array_equal(blend(grey(50, 50), [face_at((500, 50), 80, 0.2)]), grey(50, 50))


def test_working_in_strips_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = [face_at((100, 100), 120, 0.2), face_at((160, 110), 300, -0.2, degrees=-30)]
    whole = blend(grey(220, 280), faces)
    monkeypatch.setattr(blending, "BAND_PIXELS", 280 * 7)
    assert np.abs(blend(grey(220, 280), faces).astype(int) - whole).max() <= 1


def test_matching_the_own_histogram_changes_nothing() -> None:
    face = np.random.default_rng(0).integers(0, 40, (16, 16, 3)).astype(np.float32) / 40
    np.testing.assert_allclose(match_histogram(face, face), face, atol=1e-6)


def test_matching_takes_over_tone_and_keeps_the_picture(portrait: np.ndarray) -> None:
    face = portrait[40:168, 80:208].astype(np.float32) / 255
    faded = 0.35 + 0.3 * face
    np.testing.assert_allclose(match_histogram(faded, face), face, atol=1 / 255)
