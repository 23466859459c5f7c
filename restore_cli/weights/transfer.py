"""Fetch bytes into a partial file, going on from where an earlier attempt broke off."""

from __future__ import annotations

import errno
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from restore_cli.weights.files import unwritable
from restore_cli.weights.web import Address, Patience, SourceError, TransientError, body

_log = logging.getLogger(__name__)
_CHUNK_BYTES = 1 << 18
T = TypeVar("T")

BytesDone = Callable[[int], None]
"""Told how many bytes of a file are there, from time to time."""


def fetch(
    address: Address, partial: Path, *, start: int, length: int | None, patience: Patience, tell: BytesDone
) -> None:
    """Bring bytes start..start + length (None: to the end) of a file into `partial`, which may hold the first of them.

    What is of unknown length starts over, and so does a whole file whose server ignores ranges. Raises SourceError
    when patience ends (see `patiently`), WeightsUnwritable; `partial` stays.
    """

    def attempt() -> None:
        _attempt(address, partial, start=start, length=length, patience=patience, tell=tell)

    patiently(attempt, patience, progress=lambda: _size(partial))


def patiently(ask: Callable[[], T], patience: Patience, *, progress: Callable[[], int] = lambda: 0) -> T:
    """What `ask` returns. A TransientError makes it ask again, `patience.retries` times without any `progress`.

    Raises SourceError, at once or when patience ends.
    """
    attempts = 0
    while True:
        before = progress()
        try:
            return ask()
        except TransientError as problem:
            attempts = 1 if progress() > before else attempts + 1
            if attempts > patience.retries:
                raise SourceError(f"gave up after {attempts} attempts: {problem}") from problem
            pause = patience.pause_seconds * 2 ** (attempts - 1)
            _log.info("%s; trying again in %.1f s", problem, pause)
            time.sleep(pause)


def require_space(folder: Path, needed_bytes: int) -> None:
    """Raises WeightsUnwritable if the disk that holds `folder` has less free space."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        reason = f"No space left: {needed_bytes / 1e6:.1f} MB needed, {free / 1e6:.1f} MB free"
        raise unwritable(folder, OSError(errno.ENOSPC, reason))


def _attempt(
    address: Address, partial: Path, *, start: int, length: int | None, patience: Patience, tell: BytesDone
) -> None:
    have = _size(partial)
    if length is None or have > length:
        _cut(partial, 0)
        have = 0
    if have == length:
        return
    stop = None if length is None else start + length
    with body(address, start + have, stop, patience) as (offset, stream):
        if offset != start + have:
            if start:
                raise SourceError("the server ignores ranges, so that a part of the file cannot be read alone")
            _cut(partial, 0)
            have = 0
        tell(have)
        try:
            with partial.open("ab") as file:
                while chunk := stream.read(_CHUNK_BYTES):
                    file.write(chunk)
                    have += len(chunk)
                    tell(have)
        except OSError as problem:  # the stream's own are TransientError
            raise unwritable(partial, problem) from problem
    if length is not None and have < length:
        raise TransientError(f"the connection ended after {have} of {length} bytes")


def _cut(partial: Path, size: int) -> None:
    try:
        with partial.open("ab") as file:
            file.truncate(size)
    except OSError as problem:
        raise unwritable(partial, problem) from problem


def _size(partial: Path) -> int:
    return partial.stat().st_size if partial.exists() else 0
