from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from restore_cli.imaging import Carried, Photo, replace_pixels


def test_new_pixels_keep_alpha_and_everything_carried(full_photo: Photo) -> None:
    darker = replace_pixels(full_photo, full_photo.pixels // 2)
    assert darker.carried == full_photo.carried
    assert np.array_equal(darker.pixels, full_photo.pixels // 2)


def test_grey_may_be_given_without_its_channel_axis(colours: NDArray[np.uint8]) -> None:
    photo = Photo(colours[:, :, :1], None, Carried(icc=b"grey profile"))
    same = replace_pixels(photo, colours[:, :, 1])
    assert same.pixels.shape == (24, 36, 1)
    assert same.carried.icc == b"grey profile"


def test_a_grey_profile_does_not_stay_with_colours(colours: NDArray[np.uint8]) -> None:
    """An overlay turns a grey photo into RGB, which a grey profile cannot describe."""
    photo = Photo(colours[:, :, :1], None, Carried(icc=b"grey profile"))
    assert replace_pixels(photo, colours).carried.icc is None


@pytest.mark.parametrize("other", [np.zeros((24, 35, 3), np.uint8), np.zeros((24, 36, 3), np.uint16)])
def test_another_size_or_depth_is_refused(full_photo: Photo, other: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"expected \(24, 36, 3\) uint8"):
        replace_pixels(full_photo, other)
