from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from restore_cli.errors import PhotoUnreadable
from restore_cli.imaging import Carried, Photo, read, write


def png(pixels: NDArray[np.uint16], colour_type: int, *chunks: tuple[bytes, bytes]) -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return packed(rows, pixels.shape[:2], 16, colour_type, *chunks)


def packed(rows: bytes, size: tuple[int, int], bits: int, colour_type: int, *chunks: tuple[bytes, bytes]) -> bytes:
    header = struct.pack(">IIBBBBB", size[1], size[0], bits, colour_type, 0, 0, 0)
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


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_grey_of_few_bits_marked_transparent_becomes_alpha(bits: int) -> None:
    rows = b"\0" + bytes([0b00011011])  # of 2 bits: 0 1 2 3
    photo = read(packed(rows, (1, 8 // bits), bits, 0, (b"tRNS", struct.pack(">H", 1))))
    assert photo.alpha is not None
    levels = np.unpackbits(np.frombuffer(rows[1:], np.uint8)).reshape(-1, bits) @ (1 << np.arange(bits)[::-1])
    assert photo.pixels[0, :, 0].tolist() == [255 * level // (2**bits - 1) for level in levels]
    assert photo.alpha[0].tolist() == [0 if level == 1 else 255 for level in levels]


def test_a_profile_of_several_megabytes_comes_back(deep: NDArray[np.uint16]) -> None:
    profile = bytes(3_000_000)
    stream = io.BytesIO()
    write(Photo(deep, None, Carried(icc=profile)), stream)
    assert read(stream.getvalue()).carried.icc == profile


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
