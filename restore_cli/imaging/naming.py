"""Paths in sentences: file names may hold anything, a message must stay one readable line."""

from __future__ import annotations

import os
from pathlib import Path


def shown(path: Path) -> str:
    """The path with control characters and bytes that are no UTF-8 written as escapes."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
