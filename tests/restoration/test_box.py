import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_cli.restoration.box import Box, padded_size
from restore_cli.restoration.pixels import mirrored, take

SIDES = st.integers(1, 40)


@given(height=SIDES, width=SIDES)
def test_padding_is_the_least_that_fits(height, width):
    padded = padded_size(height, width, multiple=16, smallest=32)
    for side, enlarged in zip((height, width), padded, strict=True):
        assert enlarged % 16 == 0
        assert enlarged >= max(side, 32)
        assert enlarged - 16 < max(side, 32)


@given(size=st.integers(2, 12), before=st.integers(0, 30), after=st.integers(0, 30))
def test_mirroring_is_opencvs_reflection(size, before, after):
    rows = np.arange(-before, size + after)
    expected = [cv2.borderInterpolate(int(row), size, cv2.BORDER_REFLECT_101) for row in rows]
    assert mirrored(rows, size).tolist() == expected


def test_a_single_row_is_repeated():
    assert mirrored(np.arange(-2, 4), 1).tolist() == [0] * 6


@pytest.mark.parametrize("box", [Box(2, 3, 7, 9), Box(-4, -2, 14, 20)])
def test_a_box_may_reach_beyond_the_photo(box):
    array = np.arange(10 * 12 * 3).reshape(10, 12, 3)
    padded = np.pad(array, ((8, 8), (8, 8), (0, 0)), mode="reflect")
    assert (take(array, box) == padded[box.top + 8 : box.bottom + 8, box.left + 8 : box.right + 8]).all()


def test_a_grown_box_stays_in_the_picture_and_knows_where_it_began():
    tile = Box(4, 8, 12, 16)
    seen = tile.grown(6, 14, 100)
    assert seen == Box(0, 2, 14, 22)
    assert tile.within(seen) == Box(4, 6, 12, 14)
