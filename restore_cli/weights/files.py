"""Files that appear whole or not at all, and that one process at a time works on."""

from __future__ import annotations

import glob
import logging
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from restore_cli.errors import WeightsUnwritable

_log = logging.getLogger(__name__)
LEFTOVER_SECONDS = 24 * 3600
"""Age of a temporary file that nobody writes any more."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path in `path`'s folder; what was written there replaces `path` when the block ends well.

    Raises WeightsUnwritable (disk full, read-only folder); then nothing is left behind and `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        temporary.touch()
        usual_mode = temporary.stat().st_mode
        yield temporary
        # safetensors makes files that only their owner can read; models may be shared.
        temporary.chmod(usual_mode)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as problem:
        raise unwritable(path, problem) from problem
    finally:
        with suppress(OSError):
            temporary.unlink()


def _remove_leftovers(path: Path) -> None:
    """Of processes that were killed while they wrote this file; nobody takes a day for it."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with suppress(OSError):
            if left.stat().st_mtime < time.time() - LEFTOVER_SECONDS:
                left.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a small text file so that it is there whole or not at all. Raises WeightsUnwritable."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """While the block runs no other process is inside `locked` for the same path. Raises WeightsUnwritable."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            _log.warning("another process works on %s, waiting for it", path)
            lock.acquire()
    except OSError as problem:
        raise unwritable(path, problem) from problem
    try:
        yield
    finally:
        lock.release()


def unwritable(path: Path, problem: OSError) -> WeightsUnwritable:
    """The error for a file that could not be written."""
    return WeightsUnwritable(
        f"cannot write {path}: {problem.strerror or problem}",
        hint="free some space or make the folder writable, or set OLDPHOTO_HOME to another folder",
        path=path,
    )
