"""Small pictures and metadata blocks that the tests of this room share."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from restore_cli.imaging import Carried, Photo
from restore_cli.imaging.ifd import Field, directory_bytes, integer_field

THUMBNAIL = b"\xff\xd8 the unrestored picture, small \xff\xd9"
MAKER_NOTE = b"private notes of the camera maker, with offsets inside"


@pytest.fixture
def colours() -> NDArray[np.uint8]:
    """(24, 36, 3) uint8, smooth, different in every corner and channel."""
    down, across = np.mgrid[0:24, 0:36]
    return np.stack([down * 10, across * 7, 255 - down * 5 - across], axis=2).astype(np.uint8)


@pytest.fixture
def deep(colours: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """The same with 16 bits, the lower 8 in use."""
    down, across = np.mgrid[0:24, 0:36]
    return colours * np.uint16(257) ^ ((down * 36 + across) % 256).astype(np.uint16)[:, :, None]


@pytest.fixture
def encoded() -> Callable[..., bytes]:
    """Pillow's own encoder: (array, format, mode=None, **options) -> bytes."""

    def encode(array: NDArray[Any], format: str, mode: str | None = None, **options: Any) -> bytes:
        image = Image.fromarray(array)
        stream = io.BytesIO()
        (image.convert(mode) if mode else image).save(stream, format, **options)
        return stream.getvalue()

    return encode


@pytest.fixture
def exif_block() -> Callable[..., bytes]:
    """An EXIF block with camera, resolution, size tags, private notes, GPS and a thumbnail."""

    def build(orientation: int = 6, order: Any = "<", note: bytes = MAKER_NOTE) -> bytes:
        def rational(tag: int, over: int, under: int) -> Field:
            return Field(tag, 5, struct.pack(order + "II", over, under))

        below = (
            Field(0x927C, 7, note),
            integer_field(0xA002, order, 9999, kind=4),
            integer_field(0xA003, order, 8888),
        )
        place = (Field(1, 2, b"N\0"), Field(2, 5, struct.pack(order + "6I", 52, 1, 30, 1, 0, 1)))
        main = (
            Field(0x010F, 2, b"Zeiss Ikon\0"),
            integer_field(0x0112, order, orientation),
            rational(0x011A, 600, 1),
            rational(0x011B, 600, 1),
            integer_field(0x0128, order, 2),
            Field(34665, 4, b"", children=below),
            Field(34853, 4, b"", children=place),
        )
        body = directory_bytes(main, order, at=8)
        second = 8 + len(body)
        sized = lambda start: (  # noqa: E731
            integer_field(0x0103, order, 6),
            integer_field(0x0201, order, start, kind=4),
            integer_field(0x0202, order, len(THUMBNAIL), kind=4),
        )
        start = second + len(directory_bytes(sized(0), order, at=second))
        next_at = 2 + 12 * len(main)
        chained = body[:next_at] + struct.pack(order + "I", second) + body[next_at + 4 :]
        mark = b"II*\0" if order == "<" else b"MM\0*"
        return (
            mark + struct.pack(order + "I", 8) + chained + directory_bytes(sized(start), order, at=second) + THUMBNAIL
        )

    return build


@pytest.fixture
def icc() -> bytes:
    """An RGB profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def linear_grey_icc() -> bytes:
    """A profile of grey pixels that are proportional to light."""
    white = struct.pack(">3i", *(round(value * 65_536) for value in (0.9642, 1, 0.8249)))
    tags = {b"wtpt": b"XYZ " + bytes(4) + white, b"kTRC": b"curv" + bytes(8)}
    table, data, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content
    head = struct.pack(">I4sI4s4s4s", start + len(data), b"lcms", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    return (head.ljust(36, b"\0") + b"acsp" + bytes(28) + white).ljust(128, b"\0") + table + data


@pytest.fixture
def xmp_packet() -> bytes:
    """A packet with a scanner's tool name, a source type, and a namespace nobody knows."""
    return (
        b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="Scanner 2000"'
        b' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"'
        b' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        b' Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/print">'
        b'<family:album xmlns:family="urn:our-family">Grandmother &amp; the goose</family:album>'
        b"</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
    )


@pytest.fixture
def iptc_records() -> bytes:
    """A caption record of odd length."""
    return b"\x1c\x02\x78\x00\x05goose"


@pytest.fixture
def full_photo(
    colours: NDArray[np.uint8],
    exif_block: Callable[..., bytes],
    icc: bytes,
    xmp_packet: bytes,
    iptc_records: bytes,
) -> Photo:
    """A photo that carries one of everything."""
    carried = Carried(
        format="png", icc=icc, exif=exif_block(), xmp=xmp_packet, iptc=iptc_records, dpi=(600.0, 600.0),
        texts=(("Comment", "Gänse, 1931"),),
    )  # fmt: skip
    return Photo(colours, None, carried)
