"""Grey pixels with an ICC profile of their own, for formats that have colour only."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

SPACE, GREY_SPACE = slice(16, 20), b"GRAY"
"""Where a profile names its colour space (ICC.1:2022, 7.2.6)."""


def is_grey(profile: bytes) -> bool:
    """Whether an ICC profile describes grey pixels."""
    return profile[SPACE] == GREY_SPACE


def to_srgb(pixels: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8] | None:
    """Grey of the profile, (H, W, 1), as the grey of sRGB that looks the same; None if the profile is of no use."""
    levels = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            "L",
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
        converted = ImageCms.applyTransform(levels, transform)
    except (ImageCms.PyCMSError, OSError):
        return None
    shown: NDArray[np.uint8] = np.asarray(converted)[0, :, 1]
    return shown[pixels]
