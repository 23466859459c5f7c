"""How much memory a photo takes, told from the head of its file."""

from __future__ import annotations

import os
from pathlib import Path

from restore_cli.batch.plan import Job
from restore_cli.imaging import pixel_bytes

COPIES = 4
"""Of a photo's pixels that exist at a time: itself, the result, the mask, and what an encoder or decoder needs beside.

Measured up to 3.4 while a JPEG or PNG is decoded and 3.9 while it is written.
"""
WEBP_COPIES = 9
"""The same for WebP: measured 7.7 while it is decoded, and 6.3 beside photo, result and mask while it is written."""
FILES = 2
"""The photo's, and its result's."""
UNKNOWN_BYTES = 2**62
"""What a pipe will bring: its head cannot be looked at without being taken away."""


def needed_bytes(job: Job) -> int:
    """Memory that a photo takes at most from reading to writing, not counting what the processor works with.

    0 where that makes no sense: reading it will say why, and end there.
    """
    try:
        if job.source is None or (isinstance(job.source, Path) and not job.source.is_file()):
            return UNKNOWN_BYTES
        with job.source.open("rb") as stream:
            is_webp = stream.read(12)[8:] == b"WEBP" or job.format == "webp"
            stream.seek(0)
            return (WEBP_COPIES if is_webp else COPIES) * pixel_bytes(stream) + FILES * stream.seek(0, os.SEEK_END)
    except Exception:  # the edge of a photo: decoders answer broken files with any exception there is
        return 0
