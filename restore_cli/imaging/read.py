"""Photo files to arrays."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from restore_cli.errors import PhotoUnreadable
from restore_cli.imaging import boxes, jp2_read, png_read, pnm_read, tiff_facts, tiff_read
from restore_cli.imaging.canvas import Canvas
from restore_cli.imaging.decode import FEWER_BITS_HINT, conversion_for, fill
from restore_cli.imaging.metadata import carried_of, carried_of_tiff, complete, stored_orientation
from restore_cli.imaging.naming import shown
from restore_cli.imaging.photo import Carried, Photo
from restore_cli.imaging.plugins import MAX_PIXELS, READABLE, prepare_pillow
from restore_cli.imaging.source import opened

logger = logging.getLogger(__name__)
HEAD_BYTES = 64
SAMPLES_OF_A_PALETTE = 4
"""At most: its colours may have alpha."""
DAMAGED_HINT = "Copy the file again from where it came from, or open it in another program and save it anew."
TO_8_BITS = "{} bits a channel could only be read as 8 in {}."
DEEP_READERS = {"png": png_read.read_16_bit, "ppm": pnm_read.read_deep, "jp2": jp2_read.read_deep}
"""For more than 8 bits, where Pillow would cut them."""
ONE_PICTURE_HINT = "Split it into single pictures first, for example with: magick IN OUT-%03d.png"


def read(source: Path | str | bytes, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Decode a file, or the bytes of one, by its content; the suffix does not matter.

    Pixels come upright, (H, W, 1) or (H, W, 3) RGB, uint8 or uint16, and stay in the photo's own colour space, which
    the carried ICC profile names. What had to be converted (palette, CMYK, 1 bit...) is told in `carried.notes`.

    Nothing is lost silently. Files with several pages or frames, floating point pixels and camera raw files raise
    PhotoUnreadable with what to do instead; its message begins with the path, if there is one. So do files that are
    missing, empty, damaged, of unknown kind, or larger than `max_pixels`, which is checked before anything is decoded
    (TIFF knows any limit, other formats up to 10^9). The one exception: the further pictures that phones put into JPEG
    and HEIC files (gain maps, previews) are left out with a note.
    """
    source = Path(source) if isinstance(source, str) else source
    path = None if isinstance(source, bytes) else source
    where = "" if path is None else f"{shown(path)}: "
    try:
        with opened(source) as stream:
            return _decoded(stream, max_pixels)
    except PhotoUnreadable as error:
        raise PhotoUnreadable(f"{where}{error.message}", hint=error.hint, path=path) from error.__cause__
    except MemoryError as error:
        raise PhotoUnreadable(
            f"{where}there is not enough memory to decode it", hint="Close other programs.", path=path
        ) from error
    except Exception as error:  # the edge of a photo: decoders answer broken files with any exception there is
        raise PhotoUnreadable(
            f"{where}the file is damaged or ends too early ({_short(error)})", hint=DAMAGED_HINT, path=path
        ) from error


def read_mask(path: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """A damage mask: white = damaged. Any readable picture will do; from half way to white on a pixel counts as white,
    unless it is more than half transparent: strokes on a layer of their own are a mask, too.

    size: (height, width) of the photo. Returns (H, W) bool, True where damaged. PhotoUnreadable as `read`, and if the
    mask's size is another.
    """
    photo = read(path)
    pixels = photo.pixels
    if pixels.shape[:2] != size:
        raise PhotoUnreadable(
            f"{shown(path)}: the mask is {pixels.shape[1]} x {pixels.shape[0]} pixels, its photo {size[1]} x {size[0]}",
            hint="Save the mask at the photo's own size.",
            path=path,
        )
    half = pixels.shape[2] * (int(np.iinfo(pixels.dtype).max) // 2)
    damaged: NDArray[np.bool_] = pixels.sum(axis=2, dtype=np.uint32) > half
    if photo.alpha is not None:
        damaged &= photo.alpha > np.iinfo(photo.alpha.dtype).max // 2
    if (pixels.any() or photo.alpha is not None) and not damaged.any():
        logger.warning("%s: nothing in the mask is white, so nothing counts as damaged (white is 255, not 1)", path)
    return damaged


def pixel_bytes(stream: BinaryIO) -> int:
    """Memory that the arrays of a photo will take, alpha included, told from the head of its file.

    Rather too much than too little, where pixels are converted. Raises PhotoUnreadable, or what a decoder raises, for
    files that `read` refuses.
    """
    head = stream.read(HEAD_BYTES)
    if head[:4] in tiff_facts.SIGNATURES:
        facts = tiff_facts.facts_of(stream)
        samples = facts.samples if facts.is_plain else max(facts.samples, SAMPLES_OF_A_PALETTE)
        return facts.size[0] * facts.size[1] * samples * (2 if max(facts.bits) > 8 else 1)
    with _identified(stream, head) as image:
        samples = SAMPLES_OF_A_PALETTE if image.mode in ("P", "PA") else len(image.getbands())
        deep = image.mode.startswith("I") or _bits(image, READABLE[image.format or ""], stream) > 8
        positions: int = image.width * image.height
        return positions * samples * (2 if deep else 1)


def _decoded(stream: BinaryIO, max_pixels: int) -> Photo:
    head = stream.read(HEAD_BYTES)
    if not head:
        raise PhotoUnreadable("the file is empty", hint="Copy it again from where it came from.")
    if head[:4] in tiff_facts.SIGNATURES:
        return _decoded_tiff(stream, max_pixels)
    with _identified(stream, head) as image:
        name = READABLE[image.format or ""]
        _check_size(image.size[::-1], max_pixels)
        notes = _other_pictures(image, name)
        bits = _bits(image, name, stream)
        if name == "png":
            _check_png(stream)
        image.load()
        complete(image, name, stream)
        carried = carried_of(image, name, stream)
        orientation = stored_orientation(carried.exif, name)
        if bits in (2, 4) and image.mode == "L" and "transparency" in image.info:
            image.info["transparency"] *= 255 // (2**bits - 1)  # Pillow stretches the pixels, but not this one
        if image.mode == "1" and image.info.get("transparency"):
            image.info["transparency"] = 255  # what Pillow 12 and later say themselves
        if bits <= 8 or name not in DEEP_READERS or (name == "jp2" and image.mode not in jp2_read.MODES):
            notes += [TO_8_BITS.format(bits, name.upper())] if bits > 8 else []
            return _converted(image, carried, orientation, notes)
    del image  # its pixels, cut to 8 bits, only proved the file whole
    return _photo(DEEP_READERS[name](stream, orientation), carried, notes)


def _bits(image: Image.Image, name: str, stream: BinaryIO) -> int:
    """Bits of a channel as the file stores them, where Pillow may give others; else 8."""
    if name == "png":
        return png_read.bits_of(stream)
    if name == "ppm":
        return 16 if pnm_read.white_of(stream) > 255 else 8
    if name == "jp2":
        return boxes.jp2_bits(stream)
    if name == "avif":
        return boxes.avif_bits(stream)
    return int(image.info.get("bit_depth", 8))  # of HEIC's plugin


def _decoded_tiff(stream: BinaryIO, max_pixels: int) -> Photo:
    facts = tiff_facts.facts_of(stream)
    _check_size(facts.size, max_pixels)
    notes = ["A preview inside the file was left out."] * bool(facts.previews)
    notes += ["Photoshop's layers were left out; the picture they make stays."] * facts.has_layers
    if facts.is_raw:
        raise PhotoUnreadable(
            "it is a camera's raw file, or begins with a preview", hint="Develop it to a 16-bit TIFF first."
        )
    if facts.pages > 1:
        raise PhotoUnreadable(f"the TIFF holds {facts.pages} pages", hint=ONE_PICTURE_HINT)
    carried = carried_of_tiff(facts)
    if facts.is_plain:
        canvas, more = tiff_read.read_plain(stream, facts)
        return _photo(canvas, carried, notes + more)
    if not facts.is_unsigned or max(facts.bits) > 16:
        raise PhotoUnreadable(
            f"its pixels are {'whole numbers' if facts.is_unsigned else 'signed or floating point numbers'} of"
            f" {max(facts.bits)} bits, which have no fixed black and white",
            hint=FEWER_BITS_HINT,
        )
    with _identified_tiff(stream, facts) as image:
        image.info.pop("xmp", None)  # Pillow would also obey an orientation that stands only there, against all viewers
        image.load()  # turns the picture upright
        photo = _converted(image, carried, 1, notes)
    if photo.pixels.dtype == np.uint16:
        tiff_read.stretch_to_16_bits(photo.pixels, facts.bits[0])
    elif max(facts.bits) > 8:
        carried = photo.carried
        lost = TO_8_BITS.format(max(facts.bits), "this kind of TIFF")
        return replace(photo, carried=replace(carried, notes=(*carried.notes, lost)))
    return photo


def _converted(image: Image.Image, carried: Carried, orientation: int, notes: list[str]) -> Photo:
    conversion = conversion_for(image)
    if conversion.note:
        notes = [*notes, conversion.note]
    if not conversion.keeps_profile:
        carried = replace(carried, icc=None)
    return _photo(fill(image, conversion, orientation), carried, notes)


def _photo(canvas: Canvas, carried: Carried, notes: list[str]) -> Photo:
    return Photo(canvas.pixels, canvas.alpha, replace(carried, notes=tuple(notes)))


def _identified(stream: BinaryIO, head: bytes) -> Image.Image:
    formats = prepare_pillow()
    try:
        return Image.open(stream, formats=formats)
    except UnidentifiedImageError as error:
        raise PhotoUnreadable("it is no photo in a format known here", hint=_format_hint(head)) from error
    except Image.DecompressionBombError as error:
        found = re.search(r"\d+", str(error))
        raise _too_large(f"{int(found[0]):,}" if found else "far too many", MAX_PIXELS) from error


def _identified_tiff(stream: BinaryIO, facts: tiff_facts.TiffFacts) -> Image.Image:
    try:
        return Image.open(stream, formats=("TIFF",))
    except UnidentifiedImageError as error:
        raise PhotoUnreadable(
            f"this kind of TIFF is not read here ({facts.samples} samples of {max(facts.bits)} bits for each pixel,"
            f" PhotometricInterpretation {facts.photometric}, Compression {facts.compression})",
            hint="Convert it first, for example with: magick IN.tif -colorspace sRGB -depth 16 OUT.tif",
        ) from error


def _format_hint(head: bytes) -> str:
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc"):
        return "HEIC needs a plugin: pip install pillow-heif"
    if head[:2] == b"\xff\x0a" or head[4:8] == b"JXL ":
        return "JPEG XL needs a plugin: pip install pillow-jxl-plugin"
    return "Read are JPEG, PNG, TIFF, WebP, BMP, GIF, JPEG 2000 and AVIF. If it is one of these, the file is damaged."


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    height, width = size
    if height * width > max_pixels:
        raise _too_large(f"{width} x {height} = {width * height:,}", max_pixels)


def _too_large(pixels: str, max_pixels: int) -> PhotoUnreadable:
    return PhotoUnreadable(
        f"it has {pixels} pixels, more than the {max_pixels:,} that are read",
        hint="Cut it into parts or make it smaller; from Python: read(path, max_pixels=...).",
    )


def _other_pictures(image: Image.Image, name: str) -> list[str]:
    if not getattr(image, "is_animated", False):
        return []
    count: int = getattr(image, "n_frames", 2)
    if name in ("jpg", "heic"):
        return [f"Of the {count} pictures in the file the first was taken."]
    raise PhotoUnreadable(f"it is an animation of {count} pictures", hint=ONE_PICTURE_HINT)


def _check_png(stream: BinaryIO) -> None:
    """Compare all checksums: Pillow skips those of the pixels, and one wrong bit there shifts the colours."""
    stream.seek(0)
    Image.open(stream, formats=("PNG",)).verify()


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:200] or type(error).__name__
