"""A photo's file as bytes, read once: what is hashed is what is decoded, and a pipe can be an input."""

from __future__ import annotations

from typing import BinaryIO

from restore_cli.batch.location import Location, UrlPath
from restore_cli.errors import PhotoUnreadable

MAX_FILE_BYTES = 4 << 30
"""Larger files are refused: the format of nearly every photo ends there, and an endless pipe has to end somewhere."""
_BLOCK_BYTES = 1 << 20


def read_source(source: Location | None, stdin: BinaryIO | None) -> bytes:
    """The whole content; None reads stdin. Raises PhotoUnreadable if it cannot be read, is empty or too large."""
    shown = "-" if source is None else str(source)
    try:
        if source is None:
            assert stdin is not None
            data = _read_bounded(stdin)
        elif isinstance(source, UrlPath):
            data = source.read_bytes()
        else:
            with source.open("rb") as stream:
                data = _read_bounded(stream)
    except OSError as error:
        raise PhotoUnreadable(
            f"{shown} cannot be read: {error.strerror or error}",
            hint="Check that it is there and that you may read it.",
            path=str(source),
        ) from error
    if data is None:
        limit = MAX_FILE_BYTES >> 30
        raise PhotoUnreadable(f"{shown} is larger than {limit} GiB", hint="Is it a photo?", path=shown)
    if not data:
        raise PhotoUnreadable(f"{shown} is empty", hint="Copy it again from where it came from.", path=shown)
    return data


def _read_bounded(stream: BinaryIO) -> bytes | None:
    """None if there is more than MAX_FILE_BYTES."""
    blocks: list[bytes] = []
    size = 0
    while block := stream.read(_BLOCK_BYTES):
        size += len(block)
        if size > MAX_FILE_BYTES:
            return None
        blocks.append(block)
    return b"".join(blocks)
