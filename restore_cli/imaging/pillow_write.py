"""Photos in the formats that Pillow writes for us: JPEG, WebP, BMP, and AVIF, HEIC and JPEG XL where it can."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restore_cli.errors import PhotoUnwritable
from restore_cli.imaging import exif, grey_profile, iptc, xmp
from restore_cli.imaging.photo import Carried, Photo
from restore_cli.imaging.plugins import WRITABLE

SEGMENT_BYTES = 65_533
APP1, COMMENT = b"\xff\xe1", b"\xff\xfe"
_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
LONGEST_SIDE = {"jpg": 65_500, "webp": 16_383, "avif": 65_536}
WITHOUT_ALPHA = ("jpg", "bmp")
"""Pillow can write a fourth channel into a BMP, but not so that anybody knows it for alpha."""


def write_by_pillow(photo: Photo, name: str, file: BinaryIO, quality: int) -> list[str]:
    """Write in the format of our name `name`; notes on what it has no place for.

    quality: 1 to 100, for the lossy formats. PhotoUnwritable if the picture is too long for the format.
    """
    height, width = photo.pixels.shape[:2]
    if max(height, width) > LONGEST_SIDE.get(name, 2**31):
        raise PhotoUnwritable(
            f"{width} x {height} pixels are too many for {name.upper()}", hint="Choose --format png or --format tiff."
        )
    pixels, notes = _for_8_bits(photo, name)
    carried, is_grey = photo.carried, photo.pixels.shape[2] == 1
    if name == "webp" and is_grey and carried.icc and grey_profile.is_grey(carried.icc):
        pixels, note = _as_srgb(pixels, carried.icc)
        carried, notes = replace(carried, icc=None), [*notes, note]
    options, more = _OPTIONS[name](carried, quality)
    if name == "avif" and is_grey:
        options["subsampling"] = "4:0:0"
    # Through memory: Pillow writes to real files by descriptor and then cannot tell a full disk from a bug.
    encoded = io.BytesIO()
    Image.fromarray(np.squeeze(pixels, 2) if pixels.shape[2] == 1 else pixels).save(encoded, WRITABLE[name], **options)
    file.write(encoded.getbuffer())
    return notes + more


def _for_8_bits(photo: Photo, name: str) -> tuple[NDArray[np.uint8], list[str]]:
    """(H, W, C) with alpha as last channel where the format has it."""
    pixels, notes = to_8_bits(photo.pixels), []
    if photo.pixels.dtype == np.uint16:
        notes.append(f"16 bits a channel were rounded to 8: {name.upper()} has no more.")
    if photo.alpha is None:
        return pixels, notes
    alpha = to_8_bits(photo.alpha)[:, :, None]
    if name not in WITHOUT_ALPHA:
        return np.concatenate([pixels, alpha], axis=2), notes
    if alpha.min() < 255:
        notes.append(f"Transparent parts were laid on white: {name.upper()} has no alpha.")
        pixels = _on_white(pixels, alpha)
    return pixels, notes


def _as_srgb(pixels: NDArray[np.uint8], profile: bytes) -> tuple[NDArray[np.uint8], str]:
    """Grey, with or without alpha, for a format that shows it as colour; and a note."""
    grey = grey_profile.to_srgb(pixels[:, :, :1], profile)
    if grey is None:
        return pixels, "The ICC profile, which cannot be understood, was left out."
    return np.concatenate([grey, pixels[:, :, 1:]], axis=2), "Grey became sRGB by its ICC profile: WEBP has no grey."


def to_8_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """uint16 rounded to uint8 so that 65535 becomes 255 and 257 levels each become one; uint8 as it is."""
    if values.dtype == np.uint8:
        return values
    result = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), 256):
        result[row : row + 256] = (values[row : row + 256].astype(np.uint32) + 128) // 257
    return result


def _on_white(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    result = np.empty_like(pixels)
    for row in range(0, len(pixels), 256):
        cover = alpha[row : row + 256].astype(np.uint32)
        mixed = pixels[row : row + 256] * cover + 255 * (255 - cover)
        result[row : row + 256] = (mixed + 127) // 255
    return result


def _jpeg_options(carried: Carried, quality: int) -> tuple[dict[str, Any], list[str]]:
    notes: list[str] = []
    options: dict[str, Any] = {"quality": quality, "subsampling": "4:4:4", "icc_profile": carried.icc}
    if carried.dpi:
        options["dpi"] = tuple(round(value) for value in carried.dpi)
    block = carried.exif
    if block and len(block) > SEGMENT_BYTES - len(exif.PREFIX):
        block = exif.without_maker_note(block)
        notes.append("The camera maker's private notes were left out: JPEG has 64 KB for EXIF.")
        if block and len(block) > SEGMENT_BYTES - len(exif.PREFIX):
            block = None
            notes.append("EXIF was left out: JPEG has 64 KB for it.")
    if block:
        options["exif"] = exif.PREFIX + block
    segments = b""
    if carried.xmp:
        packed = _xmp_segments(carried.xmp)
        segments += packed
        notes += [] if packed else ["XMP was left out: it does not fit into a JPEG."]
    if carried.iptc:
        segments += iptc.app13_segments(carried.iptc)
    for keyword, text in carried.texts:
        comment = text.encode("utf-8", "surrogateescape")
        if keyword == "Comment" and len(comment) <= SEGMENT_BYTES:
            segments += _segment(comment, COMMENT)
        else:
            notes.append(f'The text "{keyword}" was left out: JPEG has no place for it.')
    if segments:
        options["extra"] = segments
    return options, notes


def _xmp_segments(packet: bytes) -> bytes:
    """APP1 segments; empty if the packet cannot be brought into a JPEG."""
    room = SEGMENT_BYTES - len(_XMP_SEGMENT)
    if len(packet) <= room:
        return _segment(_XMP_SEGMENT + packet)
    try:
        parts = xmp.split(packet, room)
    except xmp.XmpError:
        return b""
    if parts is None:
        return b""
    main, extension = parts
    head = xmp.EXTENSION_SEGMENT + (xmp.extension_id(main) or "").encode()
    step = SEGMENT_BYTES - len(head) - 8
    return _segment(_XMP_SEGMENT + main) + b"".join(
        _segment(head + struct.pack(">II", len(extension), start) + extension[start : start + step])
        for start in range(0, len(extension), step)
    )


def _segment(data: bytes, kind: bytes = APP1) -> bytes:
    return kind + struct.pack(">H", 2 + len(data)) + data


def _boxed_options(carried: Carried, quality: int) -> tuple[dict[str, Any], list[str]]:
    """WebP, AVIF, HEIC, JPEG XL: ICC, EXIF and XMP have boxes of their own, the resolution stands in EXIF."""
    block = carried.exif
    if carried.dpi and (block is None or exif.resolution(block) != carried.dpi):
        block = exif.with_resolution(block or exif.EMPTY, carried.dpi)
    blocks = {"icc_profile": carried.icc, "exif": block, "xmp": carried.xmp}
    options: dict[str, Any] = {"quality": quality, **{key: data for key, data in blocks.items() if data}}
    lost = ["IPTC"] * (carried.iptc is not None) + [f'the text "{keyword}"' for keyword, _ in carried.texts]
    return options, [f"Left out, as the format has no place for it: {', '.join(lost)}."] if lost else []


def _webp_options(carried: Carried, quality: int) -> tuple[dict[str, Any], list[str]]:
    options, notes = _boxed_options(carried, quality)
    if carried.compression == "lossless":
        options |= {"lossless": True, "quality": 75}  # here it is effort, and 75 the library's own choice
    return options | {"exact": True}, notes  # exact: colours under transparent pixels stay


def _avif_options(carried: Carried, quality: int) -> tuple[dict[str, Any], list[str]]:
    options, notes = _boxed_options(carried, quality)
    return options | {"subsampling": "4:4:4"}, notes


def _heic_options(carried: Carried, quality: int) -> tuple[dict[str, Any], list[str]]:
    options, notes = _boxed_options(carried, quality)
    return options | {"chroma": 444}, notes


def _bmp_options(carried: Carried, quality: int) -> tuple[dict[str, Any], list[str]]:
    lost = {"EXIF": carried.exif, "XMP": carried.xmp, "IPTC": carried.iptc, "the ICC profile": carried.icc}
    names = [name for name, data in lost.items() if data] + [f'the text "{keyword}"' for keyword, _ in carried.texts]
    notes = [f"Left out, as BMP has no place for it: {', '.join(names)}."] if names else []
    return ({"dpi": carried.dpi} if carried.dpi else {}), notes


_OPTIONS = {
    "jpg": _jpeg_options,
    "webp": _webp_options,
    "avif": _avif_options,
    "heic": _heic_options,
    "jxl": _boxed_options,
    "bmp": _bmp_options,
}
