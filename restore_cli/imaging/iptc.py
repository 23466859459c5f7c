"""IPTC-IIM records in the wrappings that file formats put around them.

Source: Adobe Photoshop File Formats Specification, "Image Resource Blocks" (id 0x0404), and ImageMagick's
"Raw profile type" texts, which are the common place for IPTC in PNG.
"""

from __future__ import annotations

import struct

RESOURCE = 0x0404
_SIGNATURE = b"8BIM"
_APP13 = b"Photoshop 3.0\0"


def app13_segments(records: bytes) -> bytes:
    """JPEG segments that hold the records, as many as needed (a segment holds 65,533 bytes)."""
    block, room = resource_block(records), 65_533 - len(_APP13)
    parts = (block[start : start + room] for start in range(0, len(block), room))
    return b"".join(b"\xff\xed" + struct.pack(">H", 2 + len(_APP13) + len(part)) + _APP13 + part for part in parts)


def resource_block(records: bytes) -> bytes:
    """A Photoshop resource block with an empty name."""
    return _SIGNATURE + struct.pack(">HHI", RESOURCE, 0, len(records)) + records + bytes(len(records) % 2)


def records_of(blocks: bytes) -> bytes | None:
    """The records inside a run of Photoshop resource blocks, or the bytes themselves if they are bare records."""
    if blocks[:1] == b"\x1c":
        return blocks
    position = 0
    while blocks[position : position + 4] == _SIGNATURE and len(blocks) >= position + 12:
        (identity,) = struct.unpack(">H", blocks[position + 4 : position + 6])
        position += 6 + (blocks[position + 6] + 2) // 2 * 2  # the name with its length byte, padded to even
        if len(blocks) < position + 4:
            return None
        (size,) = struct.unpack(">I", blocks[position : position + 4])
        if identity == RESOURCE:
            return blocks[position + 4 : position + 4 + size]
        position += 4 + size + size % 2
    return None


def raw_profile(records: bytes) -> str:
    """The text that goes into a PNG under the keyword "Raw profile type iptc"."""
    block = resource_block(records)
    digits = block.hex()
    lines = "\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
    return f"\niptc\n{len(block):8d}\n{lines}\n"


def of_raw_profile(text: str) -> bytes | None:
    """What a "Raw profile type ..." text holds, unwrapped from its hexadecimal digits; None if it is damaged."""
    parts = text.split(maxsplit=2)
    if len(parts) < 3:
        return None
    try:
        return bytes.fromhex(parts[2])
    except ValueError:
        return None
