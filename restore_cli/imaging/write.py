"""Writing photo files."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restore_cli.errors import PhotoUnwritable
from restore_cli.imaging.photo import Photo

PILLOW_NAMES = {"jpg": "JPEG", "png": "PNG", "tiff": "TIFF", "webp": "WEBP", "bmp": "BMP"}


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Who changed the pixels, for the file's XMP."""

    tool_version: str
    model_name: str
    model_sha256: str


def write(
    photo: Photo,
    target: Path | BinaryIO,
    *,
    format: str = "same",
    quality: int = 95,
    strip_metadata: bool = False,
    provenance: Provenance | None = None,
) -> None:
    """Encode and write a photo."""
    name = PILLOW_NAMES.get(photo.carried.format if format == "same" else format, "PNG")
    pixels = photo.pixels if photo.alpha is None else np.dstack([photo.pixels, photo.alpha])
    image = Image.fromarray(np.squeeze(pixels))
    stream = io.BytesIO()
    if name == "JPEG":
        image.convert("RGB").save(stream, name, quality=quality, subsampling=0)
    else:
        image.save(stream, name)
    _deliver(stream.getvalue(), target)


def write_grey(array: NDArray[np.uint8], target: Path | BinaryIO) -> None:
    """Write a mask or probability map, (H, W) uint8, as an 8-bit grey PNG."""
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    _deliver(stream.getvalue(), target)


def _deliver(data: bytes, target: Path | BinaryIO) -> None:
    if not isinstance(target, Path):
        target.write(data)
        return
    try:
        target.write_bytes(data)
    except OSError as error:
        raise PhotoUnwritable(f"{target} cannot be written: {error}", path=target) from error
