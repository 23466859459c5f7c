from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray

from restore_cli.errors import PhotoUnreadable
from restore_cli.imaging import pixel_bytes, read


def pnm(values: NDArray[np.uint16], white: int, *, plain: bool = False) -> bytes:
    kind = {1: (5, 2), 3: (6, 3)}[values.shape[2]][plain]
    head = f"P{kind}\n# SANE data follows\n{values.shape[1]} {values.shape[0]}\n{white}\n".encode()
    return head + (" ".join(map(str, values.ravel())).encode() if plain else values.astype(">u2").tobytes())


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_all_bits_of_a_scanning_programs_file_arrive(deep: NDArray[np.uint16], channels: int, plain: bool) -> None:
    stored = deep[:, :, :channels]
    photo = read(pnm(stored, 65_535, plain=plain))
    assert photo.pixels.dtype == np.uint16
    assert np.array_equal(photo.pixels, stored)
    assert photo.carried.notes == ()


def test_another_white_becomes_that_of_sixteen_bits() -> None:
    photo = read(pnm(np.array([[[0], [1], [512], [1023]]], np.uint16), 1023))
    assert photo.pixels[0, :, 0].tolist() == [0, 64, 32_800, 65_535]


def test_the_head_tells_what_the_pixels_will_take(deep: NDArray[np.uint16]) -> None:
    assert pixel_bytes(io.BytesIO(pnm(deep, 65_535))) >= deep.nbytes


def test_a_file_that_ends_too_early_is_noticed(deep: NDArray[np.uint16]) -> None:
    with pytest.raises(PhotoUnreadable, match="damaged"):
        read(pnm(deep, 65_535)[:-100])
