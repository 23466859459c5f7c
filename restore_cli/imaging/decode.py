"""Decoded pictures of every mode Pillow knows, turned into grey or RGB without losing what the file holds.

The conversions run over bands of rows, so that a 100 megapixel picture is never held twice in Pillow's own memory.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

from restore_cli.errors import PhotoUnreadable
from restore_cli.imaging.canvas import Canvas

BAND_PIXELS = 4 * 2**20
FEWER_BITS_HINT = "Convert it to 8 or 16 bits a channel first, for example with: magick IN.tif -depth 16 OUT.tif"


@dataclass(frozen=True)
class Conversion:
    """How one picture gets into a canvas."""

    mode: str
    """Pillow's mode of the converted bands: "L", "LA", "RGB", "RGBA" or "I;16"."""
    apply: Callable[[Image.Image], Image.Image]
    note: str = ""
    """What people should know about it; empty where nothing changed."""
    keeps_profile: bool = True
    """False where the pixels left the colour space that the file's ICC profile describes."""


def conversion_for(image: Image.Image) -> Conversion:
    """Choose the conversion for a loaded picture. PhotoUnreadable for modes that no conversion keeps whole."""
    mode = image.mode
    if mode in ("1", "L", "RGB") and "transparency" in image.info:
        target = "RGBA" if mode == "RGB" else "LA"
        return Conversion(target, lambda band: band.convert(target), "One colour was marked transparent: now alpha.")
    if mode in ("L", "LA", "RGB", "RGBA"):
        return Conversion(mode, lambda band: band)
    if mode.startswith("I;16"):
        return Conversion("I;16", lambda band: band)
    if mode == "1":
        return Conversion("L", lambda band: band.convert("L"), "Black and white (1 bit) became 8-bit grey.")
    if mode in ("P", "PA"):
        target = _palette_target(image)
        return Conversion(target, lambda band: band.convert("RGBA").convert(target), f"The palette became {target}.")
    if mode in ("RGBa", "La"):
        target = {"RGBa": "RGBA", "La": "LA"}[mode]
        return Conversion(
            target, lambda band: band.convert(target), "Colours multiplied with alpha were divided again."
        )
    if mode == "RGBX":
        return Conversion("RGB", lambda band: band.convert("RGB"), "A fourth channel without meaning was left out.")
    if mode in ("CMYK", "LAB"):
        return _to_srgb(image)
    if mode in ("YCbCr", "HSV"):
        return Conversion("RGB", lambda band: band.convert("RGB"))
    raise PhotoUnreadable(f"its pixels ({mode}) have no fixed black and white", hint=FEWER_BITS_HINT)


def fill(image: Image.Image, conversion: Conversion, orientation: int) -> Canvas:
    """Copy a loaded picture into a canvas; orientation is the one that is still to be applied."""
    width, height = image.size
    grey = conversion.mode in ("L", "LA", "I;16")
    canvas = Canvas(
        (height, width),
        1 if grey else 3,
        alpha=conversion.mode in ("LA", "RGBA"),
        depth=np.uint16 if conversion.mode == "I;16" else np.uint8,
        orientation=orientation,
    )
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        canvas.put(np.asarray(conversion.apply(band)), top)
    return canvas


def _palette_target(image: Image.Image) -> str:
    colours = np.reshape(image.getpalette("RGB") or [0, 0, 0], (-1, 3))
    grey = bool((colours == colours[:, :1]).all())
    # An RGB profile would not fit grey pixels.
    target = "L" if grey and "icc_profile" not in image.info else "RGB"
    if not image.has_transparency_data:
        return target
    return {"L": "LA", "RGB": "RGBA"}[target]


def _to_srgb(image: Image.Image) -> Conversion:
    """CMYK and Lab pixels go to sRGB, by the file's own profile where it has a usable one."""
    mode, profile = image.mode, image.info.get("icc_profile")
    if mode == "CMYK" and profile is None:
        return _plain_cmyk()
    try:
        source = ImageCms.ImageCmsProfile(
            ImageCms.createProfile("LAB") if mode == "LAB" else io.BytesIO(profile or b"")
        )
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        transform = ImageCms.buildTransform(source, _srgb(), mode, "RGB", intent)
    except (ImageCms.PyCMSError, OSError):
        return _plain_cmyk()
    note = f"{mode} became sRGB{' by its own ICC profile' if mode == 'CMYK' else ''}."
    return Conversion("RGB", functools.partial(_apply, transform=transform), note, keeps_profile=False)


def _plain_cmyk() -> Conversion:
    note = "CMYK without a usable profile became RGB by the plain formula; colours are approximate."
    return Conversion("RGB", lambda band: band.convert("RGB"), note, keeps_profile=False)


def _apply(band: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(band, transform)
    assert converted is not None  # None only with inPlace
    return converted


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
