from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from restore_cli.errors import PhotoUnreadable
from restore_cli.imaging import decode, read
from restore_cli.imaging.decode import conversion_for, fill

Encode = Callable[..., bytes]


def converted(image: Image.Image) -> tuple[NDArray[np.generic], NDArray[np.generic] | None, str]:
    conversion = conversion_for(image)
    canvas = fill(image, conversion, 1)
    return canvas.pixels, canvas.alpha, conversion.note


def test_palette_becomes_rgb_or_grey_exactly(colours: NDArray[np.uint8]) -> None:
    palette = Image.fromarray(colours // 64 * 64).quantize(64)
    pixels, alpha, note = converted(palette)
    assert np.array_equal(pixels, np.asarray(palette.convert("RGB")))
    assert alpha is None
    assert "palette" in note
    grey = Image.fromarray(colours[:, :, 0]).convert("P")
    pixels, _, _ = converted(grey)
    assert np.array_equal(pixels[:, :, 0], colours[:, :, 0])


def test_transparent_palette_entries_become_alpha(colours: NDArray[np.uint8], encoded: Encode) -> None:
    image = Image.fromarray(colours).quantize(16)
    photo = read(encoded(np.asarray(image), "PNG", "P", transparency=0))
    assert photo.alpha is not None
    assert set(np.unique(photo.alpha)) == {0, 255}


def test_a_colour_marked_transparent_becomes_alpha(colours: NDArray[np.uint8], encoded: Encode) -> None:
    photo = read(encoded(colours, "PNG", transparency=tuple(int(value) for value in colours[3, 4])))
    assert photo.alpha is not None
    assert np.argwhere(photo.alpha == 0).tolist() == [[3, 4]]
    assert np.array_equal(photo.pixels, colours)


def test_one_bit_becomes_grey(colours: NDArray[np.uint8], encoded: Encode) -> None:
    photo = read(encoded(colours, "PNG", "1"))
    assert photo.pixels.shape == (24, 36, 1)
    assert set(np.unique(photo.pixels)) == {0, 255}
    assert photo.carried.notes == ("Black and white (1 bit) became 8-bit grey.",)


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_without_profile_becomes_rgb_with_a_note(colours: NDArray[np.uint8], encoded: Encode, format: str) -> None:
    photo = read(encoded(colours, format, "CMYK"))
    assert np.abs(photo.pixels.astype(int) - colours).mean() < 6  # JPEG's own loss
    assert "CMYK without a usable profile" in photo.carried.notes[0]


def test_cmyk_with_a_useless_profile_does_not_keep_it(colours: NDArray[np.uint8], encoded: Encode, icc: bytes) -> None:
    """An RGB profile on CMYK pixels happens; it must neither crash nor travel on."""
    photo = read(encoded(colours, "TIFF", "CMYK", icc_profile=icc))
    assert photo.carried.icc is None
    assert "CMYK without a usable profile" in photo.carried.notes[0]


def test_lab_becomes_srgb(colours: NDArray[np.uint8]) -> None:
    grey = Image.fromarray(np.full((4, 4), 128, np.uint8))
    neutral = Image.merge("LAB", [grey, grey, grey])
    pixels, _, note = converted(neutral)
    assert np.ptp(pixels[0, 0].astype(int)) <= 2  # a = b = 0 is neutral
    assert note == "LAB became sRGB."


def test_pictures_of_many_bands_come_out_whole(colours: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "BAND_PIXELS", 100)
    pixels, alpha, _ = converted(Image.fromarray(colours).convert("RGBA"))
    assert np.array_equal(pixels, colours)
    assert alpha is not None
    assert alpha.min() == 255


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_without_a_fixed_white_are_refused(mode: str) -> None:
    with pytest.raises(PhotoUnreadable, match="no fixed black and white") as caught:
        conversion_for(Image.new(mode, (2, 2)))
    assert "16 bits" in caught.value.hint
