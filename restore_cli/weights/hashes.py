"""Hashes of files, and the record of those that were trusted on first download."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from restore_cli.errors import WeightsDamaged
from restore_cli.weights.files import locked, write_text
from restore_cli.weights.places import home

_BLOCK_BYTES = 1 << 20


def sha256_of(path: Path) -> str:
    """Hash of a file's content as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def known_hashes() -> dict[str, str]:
    """Hash of each released file that was downloaded without a hash in the catalogue, by "MODEL/PART".

    Raises WeightsDamaged if the record is not readable.
    """
    path = _record()
    if not path.exists():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise WeightsDamaged(
            f"{path} is not readable: {problem}", hint="delete it; hashes are then recorded anew", path=path
        ) from problem
    return {str(key): str(value) for key, value in record.items()}


def remember_hash(key: str, sha256: str) -> None:
    """Record the hash of a first download. A hash that is recorded already stays."""
    with locked(_record()):
        record = known_hashes()
        record.setdefault(key, sha256)
        write_text(_record(), json.dumps(record, indent=2, sort_keys=True) + os.linesep)


def _record() -> Path:
    return home() / "known_hashes.json"
