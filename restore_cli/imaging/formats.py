"""File formats: which suffix means which format, and which suffix an output gets.

A format that can be read but not written here (GIF, JPEG 2000, HEIC without its plugin...) becomes PNG, which keeps
every pixel.
"""

from __future__ import annotations

from typing import Literal

from restore_cli.imaging.plugins import can_write

OutputFormat = Literal["same", "png", "jpg", "tiff", "webp"]

SUFFIX_FORMATS = {
    ".jpg": "jpg",
    ".jpeg": "jpg",
    ".jpe": "jpg",
    ".jfif": "jpg",
    ".jfi": "jpg",
    ".jif": "jpg",
    ".mpo": "jpg",
    ".png": "png",
    ".apng": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".webp": "webp",
    ".bmp": "bmp",
    ".dib": "bmp",
    ".gif": "gif",
    ".ppm": "ppm",
    ".pgm": "ppm",
    ".pbm": "ppm",
    ".pnm": "ppm",
    ".jp2": "jp2",
    ".j2k": "jp2",
    ".j2c": "jp2",
    ".jpc": "jp2",
    ".jpf": "jp2",
    ".jpx": "jp2",
    ".avif": "avif",
    ".avifs": "avif",
    ".heic": "heic",
    ".heif": "heic",
    ".hif": "heic",
    ".jxl": "jxl",
}
"""Suffix in lower case to format name, for every format that some reader of ours may accept."""


def format_of_suffix(suffix: str) -> str | None:
    """ ".JPG" -> "jpg"; None if the suffix means no image format known here."""
    return SUFFIX_FORMATS.get(suffix.lower())


def written_format(photo_format: str, requested: str) -> str:
    """The format `write` uses: the requested one, for "same" the photo's own, or PNG if that cannot be written."""
    if requested != "same":
        return requested
    return photo_format if can_write(photo_format) else "png"


def output_suffix(input_suffix: str, requested: str = "same") -> str:
    """The suffix of the output's name, known before the photo is read: the input's own wherever it still fits."""
    own = format_of_suffix(input_suffix)
    written = written_format(own or "png", requested)
    return input_suffix if written == own else f".{written}"
