"""Writing files whole: nothing is ever seen half written, and a killed run's remains can be told and removed.

Data goes to a temporary file in the target's own folder, is flushed to the disk, and only then takes the target's name.
Temporary files are locked while their writer lives: an unlocked one belongs to a process that was killed.
"""

from __future__ import annotations

import errno
import itertools
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from restore_cli.batch.locking import lock, try_lock
from restore_cli.errors import PhotoUnwritable

PREFIX, SUFFIX = ".oldphoto-", ".tmp"
_TOKEN = secrets.token_hex(4)
_COUNTER = itertools.count()


class Staged:
    """A file on its way: on the disk and complete, but not under its name yet."""

    def __init__(self, target: Path, stream: BinaryIO, temporary: Path) -> None:
        self.target = target
        self._stream = stream
        self._temporary = temporary

    def fill(self, blocks: Iterable[bytes]) -> None:
        """Write the content and flush it to the disk."""
        for block in blocks:
            self._stream.write(block)
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def commit(self) -> None:
        """Give the file its name, replacing what had it. Raises PhotoUnwritable."""
        try:
            if os.name == "nt":  # Windows renames no open file
                self._stream.close()
            self._temporary.replace(self.target)
            _flush_folder(self.target.parent)
        except OSError as error:
            raise unwritable(self.target, error) from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove what is not committed. Safe to call twice and after a commit."""
        with suppress(OSError):
            self._temporary.unlink()
        with suppress(OSError):
            self._stream.close()


def stage(data: bytes, target: Path) -> Staged:
    """Write `data` beside `target`, flushed to the disk; missing folders are made. Raises PhotoUnwritable."""
    return stage_blocks((data,), target)


def stage_blocks(blocks: Iterable[bytes], target: Path) -> Staged:
    """The same for content that comes in blocks."""
    check_writable(target)
    try:
        staged = _open_locked(target)
    except OSError as error:
        raise unwritable(target, error) from error
    try:
        staged.fill(blocks)
    except OSError as error:
        staged.discard()
        raise unwritable(target, error) from error
    except BaseException:
        staged.discard()
        raise
    return staged


def check_writable(target: Path) -> None:
    """Raises PhotoUnwritable for what can be known before any work is done; makes missing folders."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            target.lstat()  # the temporary name is short: only this tells whether the real one is too long
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "there is a folder of that name")
        if not os.access(target.parent, os.W_OK):
            raise PermissionError(errno.EACCES, "its folder may not be written to")
    except OSError as error:
        raise unwritable(target, error) from error


def remove_remains(folders: Iterable[Path]) -> int:
    """Delete the temporary files in `folders` whose writers were killed; returns how many."""
    removed = 0
    for folder in folders:
        with suppress(OSError):
            for path in folder.glob(f"{PREFIX}*{SUFFIX}"):
                removed += _remove_if_dead(path)
    return removed


def unwritable(target: Path, error: OSError) -> PhotoUnwritable:
    """The error in words, with what to do about the common ones."""
    hints = {
        errno.ENOSPC: "Free some space and run the same command again: what is done stays done.",
        errno.EDQUOT: "Your quota is used up. Free some space and run the same command again.",
        errno.EROFS: "Choose a destination that can be written to.",
        errno.EACCES: "Choose a destination that you may write to.",
        errno.EPERM: "Choose a destination that you may write to.",
        errno.ENAMETOOLONG: "File systems take names of up to 255 bytes: rename the photo.",
    }
    hint = hints.get(error.errno or 0, "")
    return PhotoUnwritable(f"{target} cannot be written: {error.strerror or error}", hint=hint, path=target)


def _open_locked(target: Path) -> Staged:
    while True:
        temporary = target.with_name(f"{PREFIX}{_TOKEN}-{next(_COUNTER)}{SUFFIX}")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        stream = os.fdopen(descriptor, "wb")
        lock(stream.fileno())
        # Between creation and lock, another run that tidies up may have taken the file for a dead one.
        if os.name == "nt" or os.fstat(stream.fileno()).st_nlink:
            return Staged(target, stream, temporary)
        stream.close()


def _remove_if_dead(path: Path) -> int:
    try:
        with path.open("rb+") as stream:
            if not try_lock(stream.fileno()):
                return 0
            path.unlink()
            return 1
    except OSError:  # gone meanwhile, or Windows refuses because its writer lives
        return 0


def _flush_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, where the system lets folders be flushed."""
    if os.name == "nt":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
