from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from restore_cli.imaging import read, write
from restore_cli.imaging.png_colour import are_srgb

Encode = Callable[..., bytes]
LINEAR = (b"gAMA", struct.pack(">I", 100_000))
PQ = (b"cICP", bytes([9, 16, 0, 1]))


def with_chunk(png: bytes, kind: bytes, data: bytes) -> bytes:
    """A chunk behind the header."""
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return png[:33] + chunk + png[33:]


@pytest.mark.parametrize("chunk", [LINEAR, PQ])
def test_a_colour_space_without_profile_stays_in_a_png_and_is_told_elsewhere(
    colours: NDArray[np.uint8], encoded: Encode, chunk: tuple[bytes, bytes]
) -> None:
    photo = read(with_chunk(encoded(colours, "PNG"), *chunk))
    stream = io.BytesIO()
    assert write(photo, stream) == ()
    assert read(stream.getvalue()).carried.png_colour == (chunk,)
    for format in ("jpg", "tiff", "webp"):
        (note,) = write(photo, io.BytesIO(), format=format)
        assert "gamma or colour space was left out" in note


def test_what_everybody_takes_for_granted_need_not_be_told() -> None:
    gamma = (b"gAMA", struct.pack(">I", 45_455))
    corners = (b"cHRM", struct.pack(">8I", 31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000))
    adobe = (b"cHRM", struct.pack(">8I", 31_270, 32_900, 64_000, 33_000, 21_000, 71_000, 15_000, 6_000))
    assert are_srgb(())
    assert are_srgb((gamma, corners))
    assert are_srgb(((b"sRGB", b"\0"), LINEAR))
    assert are_srgb(((b"cICP", bytes([1, 13, 0, 1])), LINEAR))
    assert not are_srgb((gamma, adobe))
    assert not are_srgb((LINEAR,))
