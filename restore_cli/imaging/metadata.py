"""Everything a file carries beside its pixels, collected from Pillow's picture or from a TIFF's directories."""

from __future__ import annotations

import math
import struct
from typing import Any, BinaryIO

from PIL import Image

from restore_cli.imaging import exif, iptc, xmp
from restore_cli.imaging.boxes import jp2_blocks, jxl_xmp
from restore_cli.imaging.gif_read import gif_blocks
from restore_cli.imaging.photo import Carried
from restore_cli.imaging.png_colour import colour_chunks
from restore_cli.imaging.tiff_facts import KEPT_COMPRESSIONS, TiffFacts

_DPCM_TO_DPI = 2.54
_PROFILE_TEXT = "Raw profile type "
_NOT_TEXTS = ("XML:com.adobe.xmp",)


def carried_of_tiff(facts: TiffFacts) -> Carried:
    """Everything but the notes."""
    return Carried(
        format="tiff",
        icc=facts.icc,
        exif=facts.exif,
        xmp=facts.xmp,
        iptc=facts.iptc,
        dpi=_upright_dpi(exif.resolution(facts.exif) if facts.exif else None, facts.orientation),
        compression=KEPT_COMPRESSIONS.get(facts.compression),
    )


def complete(image: Image.Image, name: str, stream: BinaryIO) -> None:
    """Put into a picture's `info`, under Pillow's names, what Pillow leaves in the file."""
    blocks: dict[str, bytes] = {}
    if name == "jp2":
        blocks = jp2_blocks(stream)
    elif name == "gif":
        blocks = gif_blocks(stream)
    elif name == "jxl" and (packet := jxl_xmp(stream)):
        blocks = {"xmp": packet}
    if "icc" in blocks:
        image.info.setdefault("icc_profile", blocks["icc"])
    if "iptc" in blocks:
        image.info.setdefault("photoshop", {iptc.RESOURCE: iptc.records_of(blocks["iptc"])})
    for key in ("exif", "xmp"):
        if key in blocks and not image.info.get(key):
            image.info[key] = blocks[key]


def carried_of(image: Image.Image, name: str, stream: BinaryIO) -> Carried:
    """Everything but the notes, for other formats. The picture must be loaded (PNG keeps some of it behind the pixels)
    and complete.

    name: our name of the format. stream: the file.
    """
    texts: dict[str, str] = dict(getattr(image, "text", {}))
    block = _exif_block(image, texts)
    dpi = _stated_dpi(image, name) or (exif.resolution(block) if block else None)
    return Carried(
        format=name,
        icc=image.info.get("icc_profile") or None,
        exif=block,
        xmp=_xmp_packet(image),
        iptc=_iptc_records(image, texts),
        dpi=_upright_dpi(dpi, stored_orientation(block, name)),
        texts=_other_texts(image, texts),
        png_colour=colour_chunks(image.info, stream) if name == "png" else (),
        compression="lossless" if name == "webp" and _is_lossless_webp(stream) else None,
    )


def stored_orientation(block: bytes | None, name: str) -> int:
    """What is still to be applied to the pixels that Pillow gives. JPEG XL's decoder has already obeyed."""
    return 1 if block is None or name == "jxl" else exif.orientation(block)


def _exif_block(image: Image.Image, texts: dict[str, str]) -> bytes | None:
    block = image.info.get("exif")
    for kind in ("exif", "APP1"):
        if not block and (text := texts.get(_PROFILE_TEXT + kind)):
            block = iptc.of_raw_profile(text)
    return exif.without_prefix(block) if block else None


def _xmp_packet(image: Image.Image) -> bytes | None:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "replace")
    if not packet:
        return None
    extension = _xmp_extension(image, packet)
    if extension:
        try:
            return xmp.with_extension(packet, extension)
        except xmp.XmpError:
            return bytes(packet)
    return bytes(packet)


def _xmp_extension(image: Image.Image, packet: bytes) -> bytes:
    """A JPEG's further XMP (XMP part 3, 1.1.3.1): portions of 40 bytes of header and their data, in any order."""
    identity = xmp.extension_id(packet)
    prefix = xmp.EXTENSION_SEGMENT + (identity or "").encode()
    portions = {
        struct.unpack(">I", data[len(prefix) + 4 : len(prefix) + 8])[0]: data[len(prefix) + 8 :]
        for name, data in getattr(image, "applist", [])
        if identity and name == "APP1" and data.startswith(prefix) and len(data) > len(prefix) + 8
    }
    return b"".join(portions[offset] for offset in sorted(portions))


def _iptc_records(image: Image.Image, texts: dict[str, str]) -> bytes | None:
    resources: Any = image.info.get("photoshop", {})
    records = resources.get(iptc.RESOURCE) if isinstance(resources, dict) else None
    if not records and (text := texts.get(_PROFILE_TEXT + "iptc")):
        blocks = iptc.of_raw_profile(text)
        records = iptc.records_of(blocks) if blocks else None
    return records or None


def _stated_dpi(image: Image.Image, name: str) -> tuple[float, float] | None:
    info = image.info
    if name == "jpg":  # Pillow would say 72 where nothing is stated
        if info.get("jfif_unit") not in (1, 2):
            return None
        across, down = info["jfif_density"]
        per_inch = 1 if info["jfif_unit"] == 1 else _DPCM_TO_DPI
        return across * per_inch, down * per_inch
    try:
        across, down = (float(value) for value in info.get("dpi", ()))
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return _snapped(across), _snapped(down)


def _snapped(value: float) -> float:
    # PNG and BMP count dots per metre, which turns 300 into 299.9994.
    nearest = round(value) if math.isfinite(value) else 0
    return float(nearest) if abs(value - nearest) < 0.013 else value


def _upright_dpi(dpi: tuple[float, float] | None, orientation: int) -> tuple[float, float] | None:
    if dpi is None or not all(math.isfinite(value) and 0 < value < 1e6 for value in dpi):
        return None
    return dpi[::-1] if orientation >= 5 else dpi


def _other_texts(image: Image.Image, texts: dict[str, str]) -> tuple[tuple[str, str], ...]:
    comments = [data for name, data in getattr(image, "applist", []) if name == "COM"] or [image.info.get("comment")]
    if any(comments):
        return tuple(("Comment", comment.decode("utf-8", "surrogateescape")) for comment in comments if comment)
    return tuple(
        (keyword, str(text))
        for keyword, text in texts.items()
        if keyword not in _NOT_TEXTS and not keyword.startswith(_PROFILE_TEXT)
    )


def _is_lossless_webp(stream: BinaryIO) -> bool:
    stream.seek(12)
    while len(head := stream.read(8)) == 8:
        kind, size = struct.unpack("<4sI", head)
        if kind in (b"VP8 ", b"VP8L"):
            return bool(kind == b"VP8L")
        stream.seek(size + size % 2, 1)
    return False
