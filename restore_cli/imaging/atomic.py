"""Files that appear whole or not at all.

The content goes to a temporary file in the target's folder, is forced to the disk and then takes the target's name in
one step. A process that is killed leaves at most its temporary file, which `sweep` recognises by name and, because a
living writer holds a lock on it, never takes from another run.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from restore_cli.errors import PhotoUnwritable
from restore_cli.imaging.naming import shown

try:
    import fcntl
except ImportError:  # Windows refuses to delete files that are open, which protects as well
    fcntl = None  # type: ignore[assignment]

NAME_BYTES = 255
_TEMPORARY = re.compile(rb"^\..*\.oldphoto-[0-9a-f]{8}\.tmp$", re.DOTALL)

_REASONS = {
    errno.ENOSPC: (
        "the disk is full",
        "Free some space or choose another output folder, then run the same command again.",
    ),
    errno.EDQUOT: ("the disk quota is used up", "Free some space or choose another output folder."),
    errno.EROFS: ("the disk is read-only", "Choose an output folder on another disk."),
    errno.EACCES: ("permission denied", "Choose an output folder that you may write to."),
    errno.EPERM: ("the operation is not permitted", "Choose an output folder that you may write to."),
    errno.ENOENT: ("its folder does not exist", "Create the folder first, or choose another."),
    errno.ENOTDIR: ("a part of its path is a file, not a folder", "Choose another output folder."),
    errno.EISDIR: ("a folder of that name is in the way", "Remove that folder or choose another output name."),
    errno.ENAMETOOLONG: ("the name is too long for the disk", "Choose a shorter --suffix or output folder."),
    errno.EPIPE: ("whoever reads the output has gone", ""),
}


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[BinaryIO]:
    """Open a seekable file that takes the name `target` when the block ends without an exception.

    An existing file is replaced in one step and lends its permissions; a symbolic link is replaced, not followed.
    Raises PhotoUnwritable for everything the system refuses, inside the block too, and for devices and pipes, whose
    name a file must not take; nothing is left behind then.
    """
    _refuse_devices(target)
    try:
        file, temporary = _temporary_beside(target)
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                _lend_permissions(target, file.fileno())
                if fcntl is not None:  # the lock is held until the name is taken
                    temporary.replace(target)
            if fcntl is None:
                temporary.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(target.parent)
    except OSError as error:
        raise unwritable(error, target) from error


@contextlib.contextmanager
def passing_file(beside: Path) -> Iterator[Path]:
    """An empty file in the folder of `beside`, gone when the block ends; `sweep` leaves it alone until then.

    Raises OSError.
    """
    file, temporary = _temporary_beside(beside)
    try:
        with file:
            yield temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_to_stream(stream: BinaryIO, content: bytes) -> None:
    """Write all of it, now. Raises PhotoUnwritable."""
    try:
        stream.write(content)
        stream.flush()
    except OSError as error:
        raise unwritable(error, None) from error


def unwritable(error: OSError, target: Path | None) -> PhotoUnwritable:
    """The error in words. target: None for a stream."""
    reason, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error), ""))
    where = "the output stream" if target is None else shown(target)
    return PhotoUnwritable(f"{where} cannot be written: {reason}", hint=hint, path=target)


def sweep(folder: Path) -> int:
    """Remove the temporary files that dead runs left in a folder; how many there were."""
    removed = 0
    for entry in list(os.scandir(folder)):
        if is_temporary(entry.name) and entry.is_file(follow_symlinks=False):
            with contextlib.suppress(OSError):
                _remove_unless_locked(Path(entry.path))
                removed += 1
    return removed


def is_temporary(name: str) -> bool:
    """Whether a file of this name is an unfinished output of ours and no photo."""
    return _TEMPORARY.match(os.fsencode(name)) is not None


def _refuse_devices(target: Path) -> None:
    try:
        mode = target.stat().st_mode
    except OSError:  # not there, or a link to nowhere
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise PhotoUnwritable(
            f"{shown(target)} cannot be written: it is a device or a pipe", hint="Name a file.", path=target
        )


def _temporary_beside(target: Path) -> tuple[BinaryIO, Path]:
    while True:
        ending = os.fsencode(f".oldphoto-{secrets.token_hex(4)}.tmp")
        name = b"." + os.fsencode(target.name)[: NAME_BYTES - 1 - len(ending)] + ending
        temporary = target.parent / os.fsdecode(name)
        try:
            file = temporary.open("x+b")
        except FileExistsError:
            continue
        if fcntl is None:
            return file, temporary
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # some network disks know no locks; writing there works all the same
            return file, temporary
        if os.fstat(file.fileno()).st_nlink:  # else a sweep was quicker than the lock
            return file, temporary
        file.close()


def _remove_unless_locked(temporary: Path) -> None:
    with temporary.open("rb") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        temporary.unlink()


def _lend_permissions(target: Path, descriptor: int) -> None:
    with contextlib.suppress(OSError):
        mode = target.lstat().st_mode
        if hasattr(os, "fchmod") and stat.S_ISREG(mode):
            os.fchmod(descriptor, stat.S_IMODE(mode))


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power failure, where the system lets folders be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
