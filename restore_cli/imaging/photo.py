"""A photo in memory: its pixels with everything its file carried beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What a file holds beside its pixels. Blocks are kept as bytes and only changed when the photo is written."""

    format: str = "png"
    """What the file was, by content: "png", "jpg", "tiff", "webp", "bmp", "gif", "avif", "heic", "jxl", "jp2"..."""
    icc: bytes | None = None
    """ICC profile of the pixels' own colour space; None means the usual sRGB."""
    exif: bytes | None = None
    """EXIF as a small TIFF structure ("II*\\0..." or "MM\\0*..."), without JPEG's "Exif" prefix."""
    xmp: bytes | None = None
    """XMP packet, UTF-8 XML."""
    iptc: bytes | None = None
    """IPTC-IIM records (0x1C ...), without the Photoshop block around them."""
    dpi: tuple[float, float] | None = None
    """Horizontal and vertical resolution in dots per inch."""
    texts: tuple[tuple[str, str], ...] = ()
    """Text beside the standards above: PNG's (keyword, text) pairs, a JPEG's ("Comment", text), with
    surrogate escapes for bytes that are no UTF-8."""
    png_colour: tuple[tuple[bytes, bytes], ...] = ()
    """PNG only: its cICP, sRGB, gAMA and cHRM chunks as (name, data)."""
    compression: str | None = None
    """How the pixels were packed: "none", "lzw" or "deflate" in a TIFF, "lossless" in a WebP; None: anything else."""
    notes: tuple[str, ...] = ()
    """One sentence for each conversion made while reading, for people."""


@dataclass(frozen=True, eq=False)
class Photo:
    """One photo, upright, in its own colour space."""

    pixels: Pixels
    """(H, W, C) uint8 or uint16, C = 1 (grey) or 3 (RGB), orientation applied."""
    alpha: Pixels | None
    """(H, W), same dtype as the pixels, 0 = transparent; None where the file has no transparency."""
    carried: Carried

    def __post_init__(self) -> None:
        assert self.pixels.ndim == 3, self.pixels.shape
        assert self.pixels.shape[2] in (1, 3), self.pixels.shape
        assert self.pixels.dtype in (np.uint8, np.uint16), self.pixels.dtype
        assert self.alpha is None or (self.alpha.shape, self.alpha.dtype) == (self.pixels.shape[:2], self.pixels.dtype)


def replace_pixels(photo: Photo, pixels: Pixels) -> Photo:
    """The same photo with other pixels: (H, W), (H, W, 1) or (H, W, 3), of the size and dtype it had.

    A grey photo may become RGB (a coloured overlay); its grey profile is then left behind. Raises ValueError if size or
    dtype differ: alpha and everything carried would no longer describe the pixels.
    """
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.shape[:2] != photo.pixels.shape[:2] or pixels.dtype != photo.pixels.dtype:
        wanted, given = photo.pixels, pixels
        raise ValueError(f"expected {wanted.shape} {wanted.dtype}, got {given.shape} {given.dtype}")
    same_space = pixels.shape[2] == photo.pixels.shape[2]
    return replace(photo, pixels=pixels, carried=photo.carried if same_space else replace(photo.carried, icc=None))
