from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from restore_cli.imaging.canvas import Canvas, as_stored


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_canvas_turns_what_it_is_given_as_pillow_would(orientation: int) -> None:
    """Pillow's exif_transpose is the reference; the picture differs in every corner, so a wrong turn shows."""
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3)
    image = Image.fromarray(stored)
    image.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    canvas = Canvas((2, 3), 1, alpha=False, depth=np.uint8, orientation=orientation)
    canvas.put(stored[:1])
    canvas.put(stored[1:], top=1)
    assert np.array_equal(canvas.pixels[:, :, 0], expected)
    assert np.array_equal(as_stored(expected, orientation), stored)


def test_blocks_find_their_place_and_alpha_is_the_last_sample() -> None:
    canvas = Canvas((2, 4), 3, alpha=True, depth=np.uint16, orientation=1)
    block = np.arange(16, dtype=np.uint16).reshape(2, 2, 4)
    canvas.put(block, left=0)
    canvas.put(block + 100, left=2)
    assert canvas.alpha is not None
    assert canvas.alpha.tolist() == [[3, 7, 103, 107], [11, 15, 111, 115]]
    assert canvas.pixels[1, 3].tolist() == [112, 113, 114]
