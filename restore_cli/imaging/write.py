"""Arrays to photo files, with everything the photo carried."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from restore_cli.errors import PhotoUnwritable
from restore_cli.imaging import exif, xmp
from restore_cli.imaging.atomic import whole_file, write_to_stream
from restore_cli.imaging.formats import written_format
from restore_cli.imaging.naming import shown
from restore_cli.imaging.photo import Carried, Photo
from restore_cli.imaging.pillow_write import write_by_pillow
from restore_cli.imaging.plugins import can_write
from restore_cli.imaging.png_colour import are_srgb
from restore_cli.imaging.png_write import write_png
from restore_cli.imaging.tiff_write import write_tiff
from restore_cli.imaging.xmp import Provenance


def write(
    photo: Photo,
    target: Path | BinaryIO,
    *,
    format: str = "same",
    quality: int = 95,
    strip_metadata: bool = False,
    provenance: Provenance | None = None,
) -> tuple[str, ...]:
    """Encode a photo; one sentence for each thing the format has no place for.

    A Path appears whole or not at all; to a stream everything is written in one go. format: "same", which is the
    photo's own, or PNG where that cannot be written, or one of OutputFormat, or "bmp" and the like. JPEG is written
    4:4:4 at `quality` (1 to 100), WebP, AVIF and HEIC at `quality` too, a WebP without loss if it came so; TIFF keeps
    none, LZW and deflate, everything else becomes deflate. JPEG, WebP and the like round 16 bits to 8, and JPEG and BMP
    lay transparent parts on white.

    ICC profile, EXIF, XMP, IPTC, resolution and texts are kept as far as the format has a place for them: orientation
    says upright, size tags say the size, thumbnails of the old picture are gone. `strip_metadata` leaves out EXIF, XMP,
    IPTC and texts; ICC profile and resolution stay, as the picture looks different without them. `provenance` is added
    to the XMP in either case.

    Raises PhotoUnwritable (full or read-only disk, missing folder, permission, format unknown or too small for the
    picture), leaving nothing behind.
    """
    carried, notes = _to_carry(photo, strip_metadata=strip_metadata, provenance=provenance)
    ready = replace(photo, carried=carried)
    name = written_format(carried.format, format)
    if not can_write(name):
        raise PhotoUnwritable(f"the format {name} cannot be written here", hint="Choose png, jpg, tiff or webp.")
    if isinstance(target, Path):
        notes += _write_file(ready, name, target, quality)
    else:
        buffer = io.BytesIO()
        notes += _encode(ready, name, buffer, quality)
        write_to_stream(target, buffer.getvalue())
    return tuple(notes)


def write_grey(array: NDArray[np.uint8], target: Path | BinaryIO) -> None:
    """Write a mask or probability map, (H, W) uint8, as an 8-bit grey PNG. Raises PhotoUnwritable as `write` does."""
    write(Photo(array[:, :, None], None, Carried()), target, format="png")


def _write_file(photo: Photo, name: str, target: Path, quality: int) -> list[str]:
    try:
        with whole_file(target) as file:
            return _encode(photo, name, file, quality)
    except PhotoUnwritable as error:
        if error.path is not None:
            raise
        raise PhotoUnwritable(f"{shown(target)}: {error.message}", hint=error.hint, path=target) from error


def _encode(photo: Photo, name: str, file: BinaryIO, quality: int) -> list[str]:
    if name == "png":
        write_png(photo, file)
        return []
    carried, notes = photo.carried, list[str]()
    if not carried.icc and not are_srgb(carried.png_colour):
        notes.append("The PNG's own gamma or colour space was left out: only PNG can name it without a profile.")
    if name != "tiff":
        return notes + write_by_pillow(photo, name, file, quality)
    write_tiff(photo, file)
    return notes + [f'The text "{keyword}" was left out: TIFF has no place for it.' for keyword, _ in carried.texts]


def _to_carry(photo: Photo, *, strip_metadata: bool, provenance: Provenance | None) -> tuple[Carried, list[str]]:
    """What goes into the file: corrected for an upright, restored picture."""
    carried, notes = photo.carried, list[str]()
    if strip_metadata:
        carried = replace(carried, exif=None, xmp=None, iptc=None, texts=())
    block, packet = carried.exif, carried.xmp
    if block is not None:
        block = exif.corrected(block, (photo.pixels.shape[0], photo.pixels.shape[1]))
        if block is None:
            notes.append("EXIF that could not be understood was left out.")
    try:
        if packet is not None:
            is_turned = carried.exif is not None and exif.orientation(carried.exif) != 1
            packet = xmp.for_restored(packet, is_turned=is_turned)
        if provenance is not None:
            packet = xmp.with_provenance(packet, provenance)
    except xmp.XmpError:
        if provenance is not None:
            notes.append("XMP that could not be understood was replaced.")
            packet = xmp.with_provenance(None, provenance)
    return replace(carried, exif=block, xmp=packet), notes
