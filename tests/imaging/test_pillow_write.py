from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from restore_cli.imaging import Carried, Photo, exif, read, xmp
from restore_cli.imaging.pillow_write import to_8_bits, write_by_pillow
from restore_cli.imaging.plugins import can_write

PROVENANCE = xmp.Provenance(tool_version="1", model_name="m", model_sha256="0")


def encode(photo: Photo, name: str, quality: int = 95) -> tuple[bytes, list[str]]:
    stream = io.BytesIO()
    notes = write_by_pillow(photo, name, stream, quality)
    return stream.getvalue(), notes


def test_jpeg_is_444_at_the_stated_quality(full_photo: Photo) -> None:
    data, notes = encode(full_photo, "jpg", quality=90)
    with Image.open(io.BytesIO(data)) as image:
        assert [component[1:3] for component in image.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]
        tables = image.quantization  # type: ignore[attr-defined]
    reference = io.BytesIO()
    Image.fromarray(full_photo.pixels).save(reference, "JPEG", quality=90)
    with Image.open(reference) as image:
        assert tables == image.quantization  # type: ignore[attr-defined]
    assert notes == []


def test_sixteen_bits_are_rounded_to_the_nearest_of_eight() -> None:
    levels = np.arange(65_536, dtype=np.uint16)
    assert np.array_equal(to_8_bits(levels), np.rint(levels / 257).astype(np.uint8))
    grey = Photo(levels.reshape(256, 256, 1), None, Carried())
    assert encode(grey, "jpg")[1] == ["16 bits a channel were rounded to 8: JPG has no more."]


@pytest.mark.parametrize("name", ["jpg", "bmp"])
def test_transparent_parts_lie_on_white_where_there_is_no_alpha(colours: NDArray[np.uint8], name: str) -> None:
    alpha = np.full((24, 36), 255, np.uint8)
    assert encode(Photo(colours, alpha, Carried()), name)[1] == []  # nothing was transparent, nothing is lost
    alpha[:, :20] = 0
    data, notes = encode(Photo(colours, alpha, Carried()), name)
    assert "laid on white" in notes[0]
    assert read(data).pixels[:, :16].min() > 250  # JPEG's own loss at the edge


def test_half_transparent_parts_are_mixed_with_white_exactly() -> None:
    pixels, alpha = np.full((1, 3, 1), 100, np.uint8), np.array([[0, 128, 255]], np.uint8)
    data, _ = encode(Photo(pixels, alpha, Carried()), "bmp")
    assert read(data).pixels[0, :, 0].tolist() == [255, 177, 100]


def test_webp_keeps_alpha(colours: NDArray[np.uint8]) -> None:
    alpha = np.linspace(0, 255, 24 * 36).astype(np.uint8).reshape(24, 36)
    again = read(encode(Photo(colours, alpha, Carried(compression="lossless")), "webp")[0])
    assert np.array_equal(again.alpha, alpha)
    assert np.array_equal(again.pixels, colours)


def test_a_lossless_webp_stays_one(colours: NDArray[np.uint8]) -> None:
    stream = io.BytesIO()
    Image.fromarray(colours).save(stream, "WEBP", lossless=True, exif=exif.with_resolution(exif.EMPTY, (72.0, 72.0)))
    photo = read(stream.getvalue())
    assert photo.carried.compression == "lossless"
    assert np.array_equal(read(encode(photo, "webp")[0]).pixels, colours)
    stream = io.BytesIO()
    Image.fromarray(colours).save(stream, "WEBP")
    assert read(stream.getvalue()).carried.compression is None


def test_a_jpeg_resolution_in_centimetres_is_understood(colours: NDArray[np.uint8], full_photo: Photo) -> None:
    data = bytearray(encode(Photo(colours, None, Carried(dpi=(100.0, 100.0))), "jpg")[0])
    data[data.index(b"JFIF\0") + 7] = 2  # the unit: dots per centimetre
    assert read(bytes(data)).carried.dpi == (254.0, 254.0)


def test_xmp_beyond_64_kb_goes_through_a_jpeg(full_photo: Photo) -> None:
    packet = (full_photo.carried.xmp or b"").replace(b"goose", b"goose " * 30_000)
    packet = xmp.with_provenance(packet, PROVENANCE)
    photo = replace(full_photo, carried=replace(full_photo.carried, xmp=packet))
    data, notes = encode(photo, "jpg")
    assert notes == []
    again = read(data).carried.xmp
    assert again is not None
    assert again.count(b"goose") == 30_000
    assert xmp.ENHANCED.encode() in again


def test_exif_beyond_64_kb_loses_the_makers_notes_first(full_photo: Photo, exif_block: Callable[..., bytes]) -> None:
    large = replace(full_photo, carried=replace(full_photo.carried, exif=exif_block(note=bytes(70_000))))
    data, notes = encode(large, "jpg")
    assert notes == ["The camera maker's private notes were left out: JPEG has 64 KB for EXIF."]
    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif()[0x010F] == "Zeiss Ikon"


def test_what_a_format_has_no_place_for_is_said(full_photo: Photo) -> None:
    assert encode(full_photo, "webp")[1] == ['Left out, as the format has no place for it: IPTC, the text "Comment".']
    assert encode(full_photo, "bmp")[1] == [
        'Left out, as BMP has no place for it: EXIF, XMP, IPTC, the ICC profile, the text "Comment".'
    ]
    titled = replace(full_photo, carried=replace(full_photo.carried, texts=(("Title", "Geese"),)))
    assert encode(titled, "jpg")[1] == ['The text "Title" was left out: JPEG has no place for it.']


def test_bmp_keeps_resolution(colours: NDArray[np.uint8]) -> None:
    assert read(encode(Photo(colours, None, Carried(dpi=(300.0, 300.0))), "bmp")[0]).carried.dpi == (300.0, 300.0)


@pytest.mark.parametrize("name", ["avif", "heic", "jxl"])
def test_plugin_formats_keep_their_metadata(full_photo: Photo, name: str) -> None:
    if not can_write(name):
        pytest.skip(f"{name} cannot be written here")
    upright = {"exif": exif.with_resolution(exif.EMPTY, (600.0, 600.0)), "xmp": xmp.with_provenance(None, PROVENANCE)}
    photo = replace(full_photo, carried=replace(full_photo.carried, **upright))
    again = read(encode(photo, name)[0])
    assert again.carried.format == name
    assert np.abs(again.pixels.astype(int) - full_photo.pixels).mean() < 6  # the codec's loss at quality 95
    assert again.carried.xmp == photo.carried.xmp
    assert again.carried.dpi == (600.0, 600.0)
    assert again.carried.icc is not None
    if name != "jxl":  # JPEG XL stores the meaning of simple profiles and builds them anew
        assert again.carried.icc == photo.carried.icc


@pytest.mark.parametrize("with_exif", [True, False])
def test_a_jpegs_own_resolution_survives_where_only_exif_can_state_it(
    colours: NDArray[np.uint8], exif_block: Callable[..., bytes], with_exif: bool
) -> None:
    """Scanners state it in the JFIF header, beside an EXIF block that says something else or nothing."""
    block = exif_block(1) if with_exif else None
    content, _ = encode(Photo(colours, None, Carried(exif=block, dpi=(1200.0, 1200.0))), "webp")
    assert Image.open(io.BytesIO(content)).getexif()[0x011A] == 1200
    assert read(content).carried.dpi == (1200.0, 1200.0)


@pytest.mark.parametrize("alpha", [False, True])
def test_grey_with_a_profile_looks_the_same_in_webp(linear_grey_icc: bytes, alpha: bool) -> None:
    """WebP has no grey, and viewers ignore a grey profile on its colour."""
    ramp = np.repeat(np.arange(0, 256, 8, dtype=np.uint8), 32).reshape(32, 32, 1)
    cover = np.full((32, 32), 200, np.uint8) if alpha else None
    carried = Carried(format="webp", icc=linear_grey_icc, compression="lossless")
    content, notes = encode(Photo(ramp, cover, carried), "webp")
    back = read(content)
    light = ramp[:, :, 0] / 255
    srgb = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
    assert np.abs(back.pixels[:, :, 1] - srgb).max() < 1
    assert (back.alpha is not None) == alpha
    assert back.carried.icc is None
    assert notes == ["Grey became sRGB by its ICC profile: WEBP has no grey."]
    _, notes = encode(Photo(ramp, cover, replace(carried, icc=b"a".ljust(16) + b"GRAY, and no more")), "webp")
    assert notes == ["The ICC profile, which cannot be understood, was left out."]


def test_grey_stays_grey_in_avif(linear_grey_icc: bytes, colours: NDArray[np.uint8]) -> None:
    if not can_write("avif"):
        pytest.skip("this Pillow has no AVIF")
    content, _ = encode(Photo(colours[:, :, :1], None, Carried(icc=linear_grey_icc)), "avif")
    flags = content[content.index(b"av1C") + 6]
    assert flags & 0x10  # monochrome (AV1 codec configuration, section 2.3)
    assert Image.open(io.BytesIO(content)).info["icc_profile"] == linear_grey_icc
