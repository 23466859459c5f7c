"""ICC profile and XMP of a GIF, which Pillow passes over.

Source: GIF 89a, section 26 (application extensions); "Embedding ICC profiles in GIF" of the ICC; XMP specification,
part 3, 1.1.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

ICC_HEAD = b"\x21\xff\x0bICCRGBG1012"
XMP_HEAD = b"\x21\xff\x0bXMP DataXMP"
XMP_TRAILER = b"\x01\xff\xfe\xfd"
"""XMP stands there as it is, followed by bytes that lead a reader of blocks to the end from wherever it comes."""


def gif_blocks(stream: BinaryIO) -> dict[str, bytes]:
    """ "icc" and "xmp", those that the file has."""
    stream.seek(0)
    content = stream.read()
    found: dict[str, bytes] = {}
    if (at := content.find(ICC_HEAD)) >= 0:
        found["icc"] = b"".join(_blocks(content, at + len(ICC_HEAD)))
    if (at := content.find(XMP_HEAD)) >= 0:
        found["xmp"] = content[at + len(XMP_HEAD) :].partition(XMP_TRAILER)[0]
    return found


def _blocks(content: bytes, at: int) -> Iterator[bytes]:
    while at < len(content) and content[at]:
        yield content[at + 1 : at + 1 + content[at]]
        at += 1 + content[at]
