"""Reading photo files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from restore_cli.errors import PhotoUnreadable
from restore_cli.imaging.photo import Carried, Photo

FORMATS = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "TIFF": "tiff", "WEBP": "webp", "BMP": "bmp"}


def read(source: Path | bytes) -> Photo:
    """Decode a file or its bytes. Raises PhotoUnreadable if no decoder accepts it."""
    path = None if isinstance(source, bytes) else source
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            name = FORMATS.get(image.format or "", (image.format or "png").lower())
            icc = image.info.get("icc_profile")
            upright = ImageOps.exif_transpose(image)
            if upright.mode not in ("L", "RGB", "RGBA", "LA", "I;16"):
                upright = upright.convert("RGBA" if "transparency" in upright.info else "RGB")
            array = np.asarray(upright)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        where = path or "the photo on stdin"
        raise PhotoUnreadable(f"{where} cannot be read: {error}", hint="Is it a photo?", path=path) from error
    if array.ndim == 2:
        array = array[:, :, None]
    alpha = array[:, :, -1] if array.shape[2] in (2, 4) else None
    pixels = array if alpha is None else array[:, :, :-1]
    return Photo(pixels, alpha, Carried(format=name, icc=icc))


def read_mask(path: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """White = damaged. size: (height, width) the mask must have. Returns (H, W) bool."""
    grey = read(path).pixels
    if grey.shape[:2] != size:
        raise PhotoUnreadable(
            f"mask {path} is {grey.shape[1]} x {grey.shape[0]} pixels but its photo is {size[1]} x {size[0]}",
            hint="Save the mask at the photo's own size.",
            path=path,
        )
    half: NDArray[np.bool_] = grey.mean(axis=2) > np.iinfo(grey.dtype).max / 2
    return half
