from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from restore_cli.imaging import read

Encode = Callable[..., bytes]


def test_profile_and_xmp_of_a_gif_are_kept(
    colours: NDArray[np.uint8], encoded: Encode, icc: bytes, xmp_packet: bytes
) -> None:
    plain = encoded(colours[:, :, 0], "GIF")
    blocks = b"".join(bytes([len(icc[at : at + 255])]) + icc[at : at + 255] for at in range(0, len(icc), 255)) + b"\0"
    trailer = bytes([1, *range(255, -1, -1), 0])
    extensions = b"!\xff\x0bICCRGBG1012" + blocks + b"!\xff\x0bXMP DataXMP" + xmp_packet + trailer
    at = plain.rindex(b",\0\0\0\0")  # the picture
    photo = read(plain[:at] + extensions + plain[at:])
    assert photo.carried.icc == icc
    assert photo.carried.xmp == xmp_packet
    assert photo.pixels.shape[2] == 3  # as the profile wants it
    assert np.array_equal(photo.pixels[:, :, 0], colours[:, :, 0])
