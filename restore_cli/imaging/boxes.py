"""What JPEG 2000, JPEG XL and AVIF files hold in boxes that Pillow and its plugins do not open.

Source: the box structure of ISO/IEC 14496-12, section 4.2, which ISO/IEC 15444-1 (JP2), 18181-2 (JPEG XL) and AVIF
share; colour boxes as in 15444-1 and 15444-2; the uuids of XMP, EXIF and IPTC as Adobe's XMP specification, part 3, and
ExifTool name them.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from typing import BinaryIO

JP2_UUIDS = {
    uuid.UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes: "xmp",
    b"JpgTiffExif->JP2": "exif",
    uuid.UUID("33c7a4d2-b81d-4723-a0ba-f1a3e097ad38").bytes: "iptc",
}
ICC_METHODS = (b"\2", b"\3")
"""Of a colour box: a restricted profile, any profile."""
LARGEST_BLOCK_BYTES = 64 * 2**20
CODESTREAM = b"\xff\x4f\xff\x51"


def boxes(stream: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, position of the content, position behind it) of the boxes between two positions, as far as they make
    sense."""
    while start + 8 <= stop:
        stream.seek(start)
        size, kind = struct.unpack(">I4s", stream.read(8))
        head = 8
        if size == 1 and start + 16 <= stop:
            (size,), head = struct.unpack(">Q", stream.read(8)), 16
        behind = stop if (size, head) == (0, 8) else start + size
        if behind < start + head or behind > stop:
            return
        yield kind, start + head, behind
        start = behind


def jp2_blocks(stream: BinaryIO) -> dict[str, bytes]:
    """ "icc", "xmp", "exif" and "iptc" of a JP2 file, those that it has."""
    found: dict[str, bytes] = {}
    for kind, start, stop in _outer_boxes(stream):
        if kind == b"jp2h":
            colours = [span for inner, *span in boxes(stream, start, stop) if inner == b"colr"]
            profiles = [content[3:] for span in colours if (content := _content(stream, *span))[:1] in ICC_METHODS]
            found |= {"icc": profiles[0]} if profiles else {}
        elif kind == b"uuid" and (name := JP2_UUIDS.get(_content(stream, start, min(start + 16, stop)))) is not None:
            found.setdefault(name, _content(stream, start + 16, stop))
    return found


def jp2_bits(stream: BinaryIO) -> int:
    """Bits of the first channel of a JPEG 2000 picture, in a file or bare; 0 where its codestream is not found."""
    start = next((start for kind, start, _ in _outer_boxes(stream) if kind == b"jp2c"), 0)
    stream.seek(start)
    head = stream.read(43)  # the depth of the first channel stands 42 bytes on (15444-1, A.5.1)
    return (head[42] & 0x7F) + 1 if head.startswith(CODESTREAM) and len(head) == 43 else 0


def jxl_xmp(stream: BinaryIO) -> bytes | None:
    """The XMP of a JPEG XL file, which the plugin writes but does not read."""
    return next((_content(stream, *span) for kind, *span in _outer_boxes(stream) if kind == b"xml "), None)


def avif_bits(stream: BinaryIO) -> int:
    """Bits of a channel, 8, 10 or 12 (AV1 codec configuration, section 2.3)."""
    for kind, start, stop in _outer_boxes(stream):
        if kind == b"meta":
            content = _content(stream, start, stop)
            at = content.find(b"av1C")
            flags = content[at + 6] if 0 <= at < len(content) - 6 else 0
            return 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
    return 8


def _outer_boxes(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    return boxes(stream, 0, stream.seek(0, 2))


def _content(stream: BinaryIO, start: int, stop: int) -> bytes:
    if stop - start > LARGEST_BLOCK_BYTES:
        raise ValueError(f"a box of metadata with {stop - start:,} bytes")
    stream.seek(start)
    return stream.read(stop - start)
