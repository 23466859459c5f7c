from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from restore_cli.errors import PhotoUnreadable
from restore_cli.imaging import read


def png(pixels: NDArray[np.uint16], colour_type: int, *chunks: tuple[bytes, bytes]) -> bytes:
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


@pytest.mark.parametrize(("colour_type", "samples"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_all_sixteen_bits_arrive(deep: NDArray[np.uint16], colour_type: int, samples: int) -> None:
    stored = np.dstack([deep, deep[:, :, 0] ^ 0xFFFF])[:, :, [0, 1, 2, 3][:samples]]
    photo = read(png(stored, colour_type))
    assert photo.pixels.dtype == np.uint16
    channels = 1 if samples < 3 else 3
    assert np.array_equal(photo.pixels, stored[:, :, :channels])
    assert (photo.alpha is not None) == (samples in (2, 4))
    if photo.alpha is not None:
        assert np.array_equal(photo.alpha, stored[:, :, -1])


@pytest.mark.parametrize(("colour_type", "samples"), [(0, 1), (2, 3)])
def test_a_colour_marked_transparent_becomes_alpha(deep: NDArray[np.uint16], colour_type: int, samples: int) -> None:
    stored = deep[:, :, :samples]
    photo = read(png(stored, colour_type, (b"tRNS", stored[3, 4].astype(">u2").tobytes())))
    assert np.array_equal(photo.pixels, stored)
    assert photo.alpha is not None
    assert np.argwhere(photo.alpha == 0).tolist() == [[3, 4]]
    assert photo.alpha.max() == 65_535


def test_profiles_draw_no_comments_from_the_decoder(
    deep: NDArray[np.uint16], capfd: pytest.CaptureFixture[str]
) -> None:
    """libpng writes its opinion of ICC profiles straight to the terminal."""
    data = png(deep, 2, (b"iCCP", b"bad\0\0" + zlib.compress(b"no profile")))
    assert np.array_equal(read(data).pixels, deep)
    assert capfd.readouterr().err == ""


def test_pixels_that_end_too_early_are_noticed(deep: NDArray[np.uint16]) -> None:
    taller = bytearray(png(deep, 2))
    taller[20:24] = struct.pack(">I", 48)
    taller[29:33] = struct.pack(">I", zlib.crc32(taller[12:29]))
    with pytest.raises(PhotoUnreadable, match="damaged"):
        read(bytes(taller))
