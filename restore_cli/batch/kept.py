"""What lies under an output's name: our result, what is left of one, or what somebody made of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from restore_cli.batch.location import Location
from restore_cli.errors import PhotoUnreadable
from restore_cli.imaging import read

Kept = Literal["missing", "written", "damaged", "changed"]
"""damaged: empty or cut off, nothing to lose. changed: whole, but not as it was written, so somebody's work."""


def kept_of(path: Location, versions: Collection[str]) -> Kept:
    """versions: sha256 of all that was ever written under this name."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return "missing"
    except OSError:  # what cannot be looked into is not ours to replace
        return "changed"
    if hashlib.sha256(content).hexdigest() in versions:
        return "written"
    return "changed" if _is_whole(content, is_json=Path(path.name).suffix == ".json") else "damaged"


def _is_whole(content: bytes, *, is_json: bool) -> bool:
    if is_json:
        try:
            json.loads(content)
        except ValueError:
            return False
        return True
    try:
        read(content)
    except PhotoUnreadable as error:
        return bool(content) and error.__cause__ is None  # a photo of a kind that is not read, such as an animation
    return True
