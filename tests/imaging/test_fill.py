import cv2
import numpy as np
import pytest

from restore_cli.imaging import fill
from restore_cli.imaging.fill import fill_from_surroundings


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_hole_in_a_ramp_becomes_ramp(dtype, channels):
    top = np.iinfo(dtype).max
    ramp = np.linspace(0.2, 0.8, 60)[None, :, None] * top * np.ones((40, 1, channels))
    photo, mask = ramp.astype(dtype), np.zeros((40, 60), bool)
    mask[15:22, 30:36] = True
    torn = photo.copy()
    torn[mask] = top
    filled = fill_from_surroundings(torn, mask)
    assert filled.dtype == dtype
    assert (filled[~mask] == photo[~mask]).all()
    assert np.abs(filled.astype(float) - photo)[mask].max() < 0.08 * top
    assert (torn[mask] == top).all()  # the photo that was given is not written to


@pytest.mark.parametrize("damaged", [False, True])
def test_nothing_or_everything_damaged_stays(damaged):
    photo = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    assert (fill_from_surroundings(photo, np.full((20, 20), damaged)) == photo).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_boxes_fill_as_the_whole_picture_would(dtype, monkeypatch):
    monkeypatch.setattr(fill, "SMALL_PX", 0)  # as many boxes as there can be
    rng = np.random.default_rng(3)
    photo = cv2.GaussianBlur(rng.integers(0, np.iinfo(dtype).max, (300, 400, 3)).astype(dtype), (0, 0), 3)
    strokes = np.zeros((300, 400), np.uint8)
    for _ in range(14):
        start = rng.integers(0, (400, 300))
        cv2.line(strokes, start.tolist(), (start + rng.integers(-40, 40, 2)).tolist(), 1, int(rng.integers(1, 9)))
    mask = strokes > 0
    assert len(list(fill._boxes(mask, (0, 300), (0, 400)))) > 5
    levels = (photo >> 8).astype(np.uint8) if dtype == np.uint16 else photo
    whole = cv2.inpaint(levels, strokes, fill.RADIUS_PX, cv2.INPAINT_TELEA)
    expected = photo.copy()
    expected[mask] = whole[mask].astype(np.uint16) * 257 if dtype == np.uint16 else whole[mask]
    assert np.array_equal(fill_from_surroundings(photo, mask), expected)


@pytest.mark.parametrize("size", [(1, 60), (60, 1), (2, 9)])
def test_the_thinnest_pictures_are_filled_the_same_way_each_time(size):
    """OpenCV by itself reads beyond them."""
    rng = np.random.default_rng(0)
    photo, mask = rng.integers(0, 256, (*size, 1), dtype=np.uint8), rng.random(size) < 0.3
    results = {fill_from_surroundings(photo, mask).tobytes() for _ in range(20)}
    assert len(results) == 1
