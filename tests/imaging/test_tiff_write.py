from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from restore_cli.imaging import Carried, Photo, read, tiff_write
from restore_cli.imaging.tiff_write import write_tiff


def encode(photo: Photo) -> bytes:
    stream = io.BytesIO()
    write_tiff(photo, stream)
    return stream.getvalue()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", ["none", "deflate"])
@pytest.mark.parametrize("big", [False, True])
def test_tifffile_reads_what_was_written(
    deep: NDArray[np.uint16],
    exif_block: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    order: str,
    compression: str,
    big: bool,
) -> None:
    """An implementation that shares nothing with ours; several strips, and BigTIFF as above 4 GB."""
    monkeypatch.setattr(tiff_write, "STRIP_BYTES", 1500)
    monkeypatch.setattr(tiff_write, "BIG_FROM_BYTES", 0 if big else 10**9)
    photo = Photo(deep, deep[:, :, 0], Carried(exif=exif_block(1, order), compression=compression, dpi=(300.0, 300.0)))
    with tifffile.TiffFile(io.BytesIO(encode(photo))) as file:
        page = file.pages.first
        assert file.is_bigtiff == big
        assert file.byteorder == order  # the camera's private notes are written in the order of the whole file
        assert np.array_equal(page.asarray(), np.dstack([deep, deep[:, :, 0]]))
        assert page.tags["Make"].value == "Zeiss Ikon"
        assert page.tags["ExifTag"].value["PixelXDimension"] == 9999
        assert page.tags["XResolution"].value == (300, 1)


@pytest.mark.parametrize("compression", ["none", "lzw", "deflate"])
def test_a_lossless_packing_is_kept(colours: NDArray[np.uint8], compression: str) -> None:
    again = read(encode(Photo(colours, None, Carried(compression=compression))))
    assert again.carried.compression == compression
    assert np.array_equal(again.pixels, colours)


def test_anything_else_becomes_deflate(colours: NDArray[np.uint8]) -> None:
    assert read(encode(Photo(colours, None, Carried()))).carried.compression == "deflate"


def test_opencv_reads_our_lzw(deep: NDArray[np.uint16]) -> None:
    """The predictor and the byte stream are ours, only the packing is libtiff's."""
    import cv2

    data = np.frombuffer(encode(Photo(deep, None, Carried(compression="lzw"))), np.uint8)
    assert np.array_equal(cv2.imdecode(data, cv2.IMREAD_UNCHANGED)[:, :, ::-1], deep)


def test_odd_resolutions_survive(colours: NDArray[np.uint8]) -> None:
    photo = Photo(colours, None, Carried(dpi=(72.5, 1200.0)))
    assert read(encode(photo)).carried.dpi == (72.5, 1200.0)


def test_tags_about_the_old_pixels_do_not_travel(full_photo: Photo) -> None:
    """A big-endian, tiled, four-page-wide past must not show in the new file."""
    first = read(encode(replace(full_photo, carried=replace(full_photo.carried, compression="lzw"))))
    with tifffile.TiffFile(io.BytesIO(encode(first))) as file:
        tags = [tag.code for tag in file.pages.first.tags]
    assert len(tags) == len(set(tags))
    assert {256, 257, 258, 259, 262, 273, 277, 278, 279, 284} <= set(tags)
