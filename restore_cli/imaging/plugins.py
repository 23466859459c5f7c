"""Pillow as this package uses it: which formats it may open, how large, with which plugins."""

from __future__ import annotations

import contextlib
import functools
import importlib
import warnings

from PIL import Image, PngImagePlugin

MAX_PIXELS = 500_000_000
"""Largest picture read without being asked for more: 500 megapixels are 1.5 GB as 8-bit RGB."""
LARGEST_TEXT_BYTES = 64 * 2**20
"""Of a profile or text in a PNG, unpacked: profiles of printers have several MB, where Pillow would stop at one."""

READABLE = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "TIFF": "tiff",
    "WEBP": "webp",
    "BMP": "bmp",
    "DIB": "bmp",
    "GIF": "gif",
    "PPM": "ppm",
    "JPEG2000": "jp2",
    "AVIF": "avif",
    "HEIF": "heic",
    "JXL": "jxl",
}
"""Pillow's names to ours. Anything else Pillow knows stays closed: some of it starts other programs (EPS)."""

WRITABLE = {"jpg": "JPEG", "bmp": "BMP", "webp": "WEBP", "avif": "AVIF", "heic": "HEIF", "jxl": "JXL"}
"""Our names to Pillow's for what is written by Pillow. PNG and TIFF have modules of their own, png_write and
tiff_write."""


@functools.cache
def prepare_pillow() -> tuple[str, ...]:
    """Register the optional plugins; the names of the formats that can then be opened.

    Pillow's own size limits are lifted, that of pixels to twice ours, process-wide, because they cannot be given by
    call: every photo is measured before it is decoded. Its warnings about odd metadata are of no use to somebody with
    ten thousand photos.
    """
    if Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, MAX_PIXELS)
    PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, LARGEST_TEXT_BYTES)
    warnings.filterwarnings("ignore", module=r"PIL\.")
    with contextlib.suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()
    with contextlib.suppress(ImportError):
        importlib.import_module("pillow_jxl")  # registers itself
    Image.init()
    return tuple(name for name in READABLE if name in Image.OPEN)


def can_write(name: str) -> bool:
    """Whether a format in our naming can be written here."""
    if name in ("png", "tiff"):
        return True
    prepare_pillow()
    return WRITABLE.get(name, "") in Image.SAVE
