from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from restore_cli.imaging import pixel_bytes, read
from restore_cli.imaging.boxes import CODESTREAM
from restore_cli.imaging.plugins import prepare_pillow


@pytest.fixture(autouse=True)
def _with_jpeg_2000() -> None:
    if "JPEG2000" not in prepare_pillow():
        pytest.skip("this Pillow has no JPEG 2000")


def picture(samples: int, white: int) -> NDArray[np.uint16]:
    """(96, 128, samples), up to white; blue, green, red, alpha for OpenCV."""
    down, across = np.mgrid[0:96, 0:128]
    base = (down * 128 + across) * white // (96 * 128 - 1)
    return np.dstack([base, base // 2, white - base, base // 3])[:, :, :samples].astype(np.uint16)


def encoded(values: NDArray[np.uint16], bits: int = 16) -> bytes:
    """Without loss. Samples are stored less the middle of their range, so other depths are 16 bits moved, and named."""
    moved = values + np.uint16(32_768 - 2 ** (bits - 1))
    data = bytearray(cv2.imencode(".jp2", moved, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])[1].tobytes())
    depths = data.index(CODESTREAM) + 42
    for channel in range(values.shape[2]):
        data[depths + 3 * channel] = bits - 1
    data[data.index(b"ihdr") + 14] = bits - 1
    return bytes(data)


@pytest.mark.parametrize("samples", [1, 3, 4])
def test_all_sixteen_bits_arrive(samples: int) -> None:
    stored = picture(samples, 65_535)
    photo = read(encoded(stored))
    expected = stored if samples == 1 else stored[:, :, [2, 1, 0]]
    assert np.array_equal(photo.pixels, expected)
    assert (photo.alpha is not None) == (samples == 4)
    if photo.alpha is not None:
        assert np.array_equal(photo.alpha, stored[:, :, 3])
    assert photo.carried.notes == ()


@pytest.mark.parametrize("samples", [1, 3])
def test_white_of_twelve_bits_is_white(samples: int) -> None:
    stored = picture(samples, 4095)
    photo = read(encoded(stored, bits=12))
    assert photo.pixels.max() == 65_535
    expected = np.rint((stored if samples == 1 else stored[:, :, ::-1]) / 4095 * 65_535)
    assert np.abs(photo.pixels - expected).max() <= 1


def test_the_depth_is_found_behind_a_long_box_too() -> None:
    plain = encoded(picture(3, 65_535))
    at = plain.index(b"jp2c") - 4
    long = struct.pack(">I4s", 8 + 100_000, b"xml ") + bytes(100_000)
    data = plain[:at] + long + plain[at:]
    assert np.array_equal(read(data).pixels, read(plain).pixels)
    assert pixel_bytes(io.BytesIO(data)) == 96 * 128 * 3 * 2


def test_eight_bits_stay_eight() -> None:
    stream = io.BytesIO()
    Image.fromarray((picture(3, 255)).astype(np.uint8)).save(stream, "JPEG2000")
    assert read(stream.getvalue()).pixels.dtype == np.uint8
