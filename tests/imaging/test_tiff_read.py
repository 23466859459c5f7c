from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps

from restore_cli.errors import PhotoUnreadable
from restore_cli.imaging import ifd, iptc, read
from restore_cli.imaging.ifd import LONG, integer_field
from restore_cli.imaging.tiff_file import write_tiff_file


def by_tifffile(array: NDArray[Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, metadata=None, **options)
    return stream.getvalue()


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
@pytest.mark.parametrize("bits", [8, 16])
def test_every_plain_layout_is_read_exactly(
    deep: NDArray[np.uint16],
    bits: int,
    planarconfig: str,
    compression: str | None,
    tile: tuple[int, int] | None,
    bigtiff: bool,
    byteorder: Any,
) -> None:
    """tifffile writes them, an implementation that shares nothing with ours."""
    array = deep if bits == 16 else (deep >> 8).astype(np.uint8)
    planes = np.moveaxis(array, 2, 0) if planarconfig == "separate" else array
    blocks = {"tile": tile} if tile else {"rowsperstrip": 7}
    container = {"bigtiff": bigtiff, "byteorder": byteorder}
    data = by_tifffile(
        planes, photometric="rgb", planarconfig=planarconfig, compression=compression, **blocks, **container
    )
    photo = read(data)
    assert photo.pixels.dtype == array.dtype
    assert np.array_equal(photo.pixels, array)
    assert photo.carried.compression == ("deflate" if compression else "none")
    assert photo.carried.notes == ()


PREDICTOR_TAG = 317
"""Of TIFF; OpenCV has had a name for it since 4.10."""


def test_lzw_with_predictor_by_libtiff_is_read_exactly(deep: NDArray[np.uint16]) -> None:
    """OpenCV's libtiff packs it; scanners' software does the same."""
    for predictor in (1, 2):
        flags = [cv2.IMWRITE_TIFF_COMPRESSION, 5, PREDICTOR_TAG, predictor]
        data = cv2.imencode(".tiff", deep[:, :, ::-1], flags)[1].tobytes()
        photo = read(data)
        assert np.array_equal(photo.pixels, deep)
        assert photo.carried.compression == "lzw"


@pytest.mark.parametrize("compression", ["packbits", "tiff_lzw", "zstd", "lzma"])
def test_other_lossless_packings_are_read_exactly(colours: NDArray[np.uint8], encoded: Any, compression: str) -> None:
    try:
        data = encoded(colours, "TIFF", compression=compression)
    except OSError:
        pytest.skip(f"this Pillow has no {compression}")
    assert np.array_equal(read(data).pixels, colours)


def test_jpeg_in_tiff_is_read(colours: NDArray[np.uint8], encoded: Any) -> None:
    photo = read(encoded(colours, "TIFF", compression="jpeg", quality=95))
    assert photo.carried.format == "tiff"
    assert np.abs(photo.pixels.astype(int) - colours).max() < 30  # JPEG's own loss


def test_fax_and_palette_are_read(colours: NDArray[np.uint8], encoded: Any) -> None:
    assert set(np.unique(read(encoded(colours, "TIFF", "1", compression="group4")).pixels)) == {0, 255}
    indexed = Image.fromarray(colours).quantize(32)
    stream = io.BytesIO()
    indexed.save(stream, "TIFF")
    assert np.array_equal(read(stream.getvalue()).pixels, np.asarray(indexed.convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", ["jpeg", "raw"])
def test_orientation_is_applied_once_by_either_decoder(
    colours: NDArray[np.uint8], encoded: Any, compression: str, orientation: int
) -> None:
    """Pillow turns TIFFs by itself, our own decoder does not; neither may do it twice or not at all."""
    smooth = np.repeat(np.repeat(colours[:3, :2] // 64 * 64, 8, 0), 16, 1)
    data = encoded(smooth, "TIFF", compression=compression, tiffinfo={0x0112: orientation}, quality=100)
    upright = read(data).pixels
    plain = read(encoded(smooth, "TIFF", compression=compression, quality=100)).pixels
    image = Image.fromarray(plain)
    image.getexif()[0x0112] = orientation
    assert np.array_equal(upright, np.asarray(ImageOps.exif_transpose(image)))


def test_white_is_zero_files_are_turned_round(deep: NDArray[np.uint16]) -> None:
    data = by_tifffile(65_535 - deep[:, :, 0], photometric="miniswhite")
    assert np.array_equal(read(data).pixels[:, :, 0], deep[:, :, 0])


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_alpha_is_kept_apart(deep: NDArray[np.uint16], kind: str) -> None:
    alpha = np.full((24, 36, 1), 65_535, np.uint16)
    alpha[:5] = 40_000
    colours = deep if kind == "unassalpha" else np.rint(deep * (alpha / 65_535)).astype(np.uint16)
    photo = read(by_tifffile(np.dstack([colours, alpha]), photometric="rgb", extrasamples=[kind]))
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, alpha[:, :, 0])
    difference = np.abs(photo.pixels.astype(int) - deep).max()
    assert difference <= (0 if kind == "unassalpha" else 1)  # rounding of the multiplied value, 65535/40000 < 2
    assert bool(photo.carried.notes) == (kind == "assocalpha")


def test_a_channel_without_meaning_is_left_out_with_a_note(deep: NDArray[np.uint16]) -> None:
    """Film scanners store infrared that way; as alpha it would make the photo transparent."""
    data = by_tifffile(np.dstack([deep, deep[:, :, 0]]), photometric="rgb", extrasamples=["unspecified"])
    photo = read(data)
    assert photo.alpha is None
    assert np.array_equal(photo.pixels, deep)
    assert "infrared" in photo.carried.notes[0]


def test_twelve_bits_are_stretched_to_sixteen() -> None:
    values = np.array([[0, 1, 2048, 4095]], np.uint16)
    packed = bytearray()
    for first, second in values.reshape(-1, 2).tolist():
        packed += ((first << 12) | second).to_bytes(3, "big")
    tags = {256: 4, 257: 1, 258: 12, 259: 1, 262: 1, 277: 1, 278: 1}
    stream = io.BytesIO()
    fields = [integer_field(tag, "<", value, kind=LONG) for tag, value in tags.items()]
    write_tiff_file(stream, [bytes(packed)], fields, order="<")
    assert read(stream.getvalue()).pixels[0, :, 0].tolist() == [0, 16, 32_776, 65_535]


@pytest.mark.parametrize(
    ("dtype", "words"), [(np.float32, "floating point"), (np.uint32, "whole numbers of 32 bits"), (np.int16, "signed")]
)
def test_pixels_without_a_fixed_white_are_refused(dtype: type[Any], words: str) -> None:
    with pytest.raises(PhotoUnreadable, match=words) as caught:
        read(by_tifffile(np.zeros((8, 8), dtype)))
    assert "-depth 16" in caught.value.hint


def test_several_pages_are_refused_instead_of_being_dropped(tmp_path: Path, colours: NDArray[np.uint8]) -> None:
    path = tmp_path / "album.tif"
    with tifffile.TiffWriter(path) as file:
        for _ in range(3):
            file.write(colours, photometric="rgb")
    with pytest.raises(PhotoUnreadable, match="the TIFF holds 3 pages") as caught:
        read(path)
    assert "Split it" in caught.value.hint


def test_a_preview_page_is_no_page(tmp_path: Path, colours: NDArray[np.uint8]) -> None:
    """Scanners add a small picture as second page; refusing those files would refuse most scans."""
    path = tmp_path / "scan.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(colours, photometric="rgb")
        file.write(colours[::4, ::4], photometric="rgb", subfiletype=1)
    photo = read(path)
    assert np.array_equal(photo.pixels, colours)
    assert photo.carried.notes == ("A preview inside the file was left out.",)


def test_what_photoshop_put_beside_the_picture_is_kept_or_told(
    tmp_path: Path, colours: NDArray[np.uint8], iptc_records: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources, layers = iptc.resource_block(iptc_records), bytes(2000)
    tags = [(34377, 1, len(resources), resources, True), (37724, 7, len(layers), layers, True)]
    tifffile.imwrite(tmp_path / "layers.tif", colours, photometric="rgb", extratags=tags)
    monkeypatch.setattr(ifd, "DIRECTORY_BYTES", 1000)  # layers may be larger than anything else is read
    photo = read(tmp_path / "layers.tif")
    assert photo.carried.iptc == iptc_records
    assert photo.carried.notes == ("Photoshop's layers were left out; the picture they make stays.",)


def test_a_raw_file_is_refused(tmp_path: Path, colours: NDArray[np.uint8]) -> None:
    path = tmp_path / "raw.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(colours, photometric="rgb", extratags=[(50706, 1, 4, b"\x01\x04\0\0", True)])
    with pytest.raises(PhotoUnreadable, match="raw file"):
        read(path)


def test_a_single_picture_is_no_preview_whatever_it_calls_itself(tmp_path: Path, colours: NDArray[np.uint8]) -> None:
    tifffile.imwrite(tmp_path / "scan.tif", colours, photometric="rgb", subfiletype=1)
    assert np.array_equal(read(tmp_path / "scan.tif").pixels, colours)
    with tifffile.TiffWriter(tmp_path / "raw.tif") as file:
        file.write(colours[::4, ::4], photometric="rgb", subfiletype=1)
        file.write(colours, photometric="rgb")
    with pytest.raises(PhotoUnreadable, match="begins with a preview"):
        read(tmp_path / "raw.tif")


def test_kinds_that_are_not_read_are_not_called_damaged(deep: NDArray[np.uint16]) -> None:
    with pytest.raises(PhotoUnreadable, match=r"not read here \(3 samples of 16 bits .* 8,") as caught:
        read(by_tifffile(deep, photometric="cielab"))
    assert "sRGB" in caught.value.hint


def test_missing_and_short_strips_are_noticed(deep: NDArray[np.uint16]) -> None:
    data = by_tifffile(deep, photometric="rgb", compression="zlib", rowsperstrip=8)
    page = tifffile.TiffFile(io.BytesIO(data)).pages.first
    emptied = bytearray(data)
    emptied[page.dataoffsets[1] : page.dataoffsets[1] + 40] = bytes(40)
    with pytest.raises(PhotoUnreadable, match="damaged"):
        read(bytes(emptied))
    taller = data.replace(bytes(integer_field(257, "<", 24).data), bytes(integer_field(257, "<", 240).data), 1)
    with pytest.raises(PhotoUnreadable):
        read(taller)
