from __future__ import annotations

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from restore_cli.imaging import Carried, Photo, png_write, read
from restore_cli.imaging.png_write import write_png


def encode(photo: Photo) -> bytes:
    stream = io.BytesIO()
    write_png(photo, stream)
    return stream.getvalue()


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_pillow_and_opencv_read_what_was_written(
    deep: NDArray[np.uint16], monkeypatch: pytest.MonkeyPatch, channels: int, alpha: bool
) -> None:
    """Foreign decoders, and blocks of a few rows, so that filters reach across a block's edge."""
    monkeypatch.setattr(png_write, "BLOCK_BYTES", 1000)
    pixels = deep[:, :, :channels]
    cover = deep[:, :, 1] if alpha else None
    eight = Photo((pixels >> 8).astype(np.uint8), None if cover is None else (cover >> 8).astype(np.uint8), Carried())
    with Image.open(io.BytesIO(encode(eight))) as image:
        assert image.mode == {(1, False): "L", (1, True): "LA", (3, False): "RGB", (3, True): "RGBA"}[channels, alpha]
        parts = np.dstack([eight.pixels] + ([] if eight.alpha is None else [eight.alpha]))
        assert np.array_equal(np.atleast_3d(np.asarray(image)), parts)
    data = np.frombuffer(encode(Photo(pixels, cover, Carried())), np.uint8)
    decoded = np.atleast_3d(cv2.imdecode(data, cv2.IMREAD_UNCHANGED))
    assert decoded.dtype == np.uint16
    assert np.array_equal(decoded[:, :, channels - 1], pixels[:, :, 0])
    if cover is not None:
        assert np.array_equal(decoded[:, :, 3], cover)


def test_filters_make_smooth_pictures_small() -> None:
    """Without them a scan of 100 megapixels is half a gigabyte."""
    ramp = np.add.outer(np.arange(200), np.arange(300)).astype(np.uint16)[:, :, None] * 100
    assert len(encode(Photo(ramp, None, Carried()))) < ramp.nbytes / 10


def test_colour_chunks_stay_where_there_is_no_profile(colours: NDArray[np.uint8]) -> None:
    """A gamma of 1.0 (linear light) would otherwise become a much darker picture."""
    chunks = ((b"gAMA", (100_000).to_bytes(4, "big")), (b"sRGB", b"\1"))
    photo = Photo(colours, None, Carried(png_colour=chunks))
    again = read(encode(photo)).carried
    assert sorted(again.png_colour) == sorted(chunks)
    with_profile = replace(photo, carried=replace(photo.carried, icc=b"some profile"))
    assert b"gAMA" not in encode(with_profile)
