from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from restore_cli.errors import PhotoUnwritable
from restore_cli.imaging import Carried, Photo, Provenance, exif, read, write, write_grey, xmp
from restore_cli.imaging.formats import OutputFormat

PROVENANCE = Provenance(tool_version="1.2.3", model_name="small", model_sha256="ab" * 32)
CONTAINERS: list[OutputFormat] = ["png", "jpg", "tiff", "webp"]


def written(photo: Photo, **options: Any) -> bytes:
    stream = io.BytesIO()
    write(photo, stream, **options)
    return stream.getvalue()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
    depth=st.sampled_from([np.uint8, np.uint16]),
    alpha=st.booleans(),
    format=st.sampled_from(["png", "tiff"]),
    compression=st.sampled_from([None, "none", "lzw", "deflate"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_lossless_formats_give_back_every_pixel(
    height: int, width: int, channels: int, depth: Any, alpha: bool, format: Any, compression: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    white = np.iinfo(depth).max + 1
    pixels = rng.integers(0, white, (height, width, channels)).astype(depth)
    cover = rng.integers(0, white, (height, width)).astype(depth) if alpha else None
    again = read(written(Photo(pixels, cover, Carried(compression=compression)), format=format))
    assert again.pixels.dtype == depth
    assert np.array_equal(again.pixels, pixels)
    assert (again.alpha is None) == (cover is None)
    if cover is not None:
        assert np.array_equal(again.alpha, cover)


@pytest.mark.parametrize("format", ["png", "tiff"])
def test_all_65536_levels_survive(format: OutputFormat) -> None:
    """A detour over 8 bits anywhere would leave 256 of them: banding in every sky."""
    ramp = np.arange(65_536, dtype=np.uint16).reshape(256, 256, 1)
    for photo in (Photo(ramp, None, Carried()), Photo(np.repeat(ramp, 3, axis=2), None, Carried())):
        assert len(np.unique(read(written(photo, format=format)).pixels)) == 65_536


@pytest.mark.parametrize("format", CONTAINERS)
@pytest.mark.parametrize("source", ["png", "jpg", "tiff", "webp"])
def test_everything_carried_goes_from_any_container_to_any(
    full_photo: Photo, source: OutputFormat, format: OutputFormat
) -> None:
    """Read, write, read: what the second container has a place for is there, corrected for the upright picture."""
    first = read(written(full_photo, format=source))
    second = read(written(first, format=format, provenance=PROVENANCE)).carried
    assert second.format == format
    assert second.icc == full_photo.carried.icc
    assert second.dpi == (600.0, 600.0)
    assert second.exif is not None
    assert exif.orientation(second.exif) == 1
    tags = Image.Exif()
    tags.load(second.exif)
    assert tags[0x010F] == "Zeiss Ikon"
    assert tags.get_ifd(0x8769)[0xA002] == 36
    assert tags.get_ifd(0x8825)[1] == "N"
    assert b"unrestored" not in second.exif
    assert second.xmp is not None
    assert b"Grandmother &amp; the goose" in second.xmp
    assert xmp.ENHANCED.encode() in second.xmp
    if "webp" not in (source, format):
        assert second.iptc == full_photo.carried.iptc
    if {source, format} <= {"png", "jpg"}:
        assert second.texts == (("Comment", "Gänse, 1931"),)


def test_texts_that_a_tiff_has_no_place_for_are_told(full_photo: Photo) -> None:
    assert write(full_photo, io.BytesIO(), format="tiff") == (
        'The text "Comment" was left out: TIFF has no place for it.',
    )


def test_pillow_sees_the_same_metadata(full_photo: Photo) -> None:
    """Our reader and writer could agree on the same mistake."""
    for format in CONTAINERS:
        with Image.open(io.BytesIO(written(full_photo, format=format))) as image:
            image.load()
            assert image.info["icc_profile"] == full_photo.carried.icc
            assert image.getexif()[0x010F] == "Zeiss Ikon"
            assert image.getexif().get(0x0112, 1) == 1
            assert b"goose" in image.info["xmp"]
            if format != "webp":
                assert image.info["dpi"] == pytest.approx((600, 600), abs=0.01)


def test_a_turned_photo_is_written_upright(colours: NDArray[np.uint8], exif_block: Callable[..., bytes]) -> None:
    """Applying the orientation without resetting the tag turns the photo twice in every viewer."""
    stream = io.BytesIO()
    Image.fromarray(colours).save(stream, "PNG", exif=exif_block(6))
    photo = read(stream.getvalue())
    assert photo.pixels.shape == (36, 24, 3)
    again = read(written(photo))
    assert np.array_equal(again.pixels, photo.pixels)
    assert again.carried.exif is not None
    assert exif.orientation(again.carried.exif) == 1


def test_strip_metadata_keeps_what_shows_the_colours(full_photo: Photo) -> None:
    for format in CONTAINERS:
        carried = read(written(full_photo, format=format, strip_metadata=True)).carried
        assert carried.icc == full_photo.carried.icc
        assert carried.dpi == (600.0, 600.0)
        assert carried.xmp is None
        assert carried.iptc is None
        assert carried.texts == ()
        assert b"Zeiss" not in (carried.exif or b"")


def test_provenance_is_written_even_without_other_metadata(full_photo: Photo) -> None:
    carried = read(written(full_photo, strip_metadata=True, provenance=PROVENANCE)).carried
    assert carried.xmp is not None
    assert xmp.ENHANCED.encode() in carried.xmp
    assert b"goose" not in carried.xmp


@pytest.mark.parametrize("format", CONTAINERS)
def test_equal_photos_give_equal_files(full_photo: Photo, format: OutputFormat) -> None:
    options: dict[str, Any] = {"format": format, "provenance": PROVENANCE}
    assert written(full_photo, **options) == written(full_photo, **options)


def test_damaged_xmp_stays_unless_provenance_needs_its_place(full_photo: Photo) -> None:
    photo = replace(full_photo, carried=replace(full_photo.carried, xmp=b"<broken"))
    assert read(written(photo)).carried.xmp == b"<broken"
    stream = io.BytesIO()
    notes = write(photo, stream, provenance=PROVENANCE)
    assert notes == ("XMP that could not be understood was replaced.",)
    packet = read(stream.getvalue()).carried.xmp
    assert packet is not None
    assert xmp.ENHANCED.encode() in packet


def test_damaged_exif_is_left_out_with_a_note(full_photo: Photo) -> None:
    photo = replace(full_photo, carried=replace(full_photo.carried, exif=b"II*\0\xff\xff\xff\xff"))
    assert write(photo, io.BytesIO()) == ("EXIF that could not be understood was left out.",)


def test_formats_that_cannot_be_written_become_png(colours: NDArray[np.uint8]) -> None:
    photo = Photo(colours, None, Carried(format="gif"))
    assert written(photo).startswith(b"\x89PNG")


def test_a_format_asked_for_by_name_must_be_known(full_photo: Photo, tmp_path: Path) -> None:
    with pytest.raises(PhotoUnwritable, match="the format gif cannot be written") as caught:
        write(full_photo, tmp_path / "photo.gif", format="gif")
    assert "png" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "photo.webp"
    target.write_bytes(b"old")
    wide = Photo(np.zeros((1, 16_384, 3), np.uint8), None, Carried())
    with pytest.raises(PhotoUnwritable, match=r"photo.webp.*16384 x 1 pixels are too many for WEBP") as caught:
        write(wide, target, format="webp")
    assert caught.value.path == target
    assert "--format png" in caught.value.hint
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["photo.webp"]  # noqa: PTH208 - hidden files too


def test_a_full_stream_is_said(full_photo: Photo) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")
    with full.open("wb", buffering=0) as stream, pytest.raises(PhotoUnwritable, match="the disk is full"):
        write(full_photo, stream)


def test_a_mask_is_an_8_bit_grey_png(tmp_path: Path) -> None:
    mask = np.array([[0, 255], [128, 7]], np.uint8)
    write_grey(mask, tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as image:
        assert (image.format, image.mode) == ("PNG", "L")
        assert np.array_equal(np.asarray(image), mask)
