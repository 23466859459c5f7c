"""Opening what a photo is read from: a file or bytes."""

from __future__ import annotations

import contextlib
import errno
import io
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from restore_cli.errors import PhotoUnreadable

_REASONS = {
    errno.ENOENT: ("the file does not exist", "It may have been moved or renamed meanwhile."),
    errno.EISDIR: ("it is a folder", "Give the folder as INPUT of the command, with -r for its subfolders."),
    errno.ENOTDIR: ("a part of its path is a file, not a folder", "Check the path."),
    errno.EACCES: ("permission denied", "Give yourself the right to read it, for example with: chmod u+r FILE"),
    errno.ELOOP: ("its symbolic links lead in a circle", "Repair or remove the link."),
    errno.EIO: ("the disk reports an error while reading", "Check the disk, or copy the file from a backup."),
}


@contextlib.contextmanager
def opened(source: Path | bytes) -> Iterator[BinaryIO]:
    """A seekable stream. Raises PhotoUnreadable, its message without the path, for all that the system refuses."""
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    try:
        kind = source.stat().st_mode
        if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):  # opening a pipe could wait for ever
            raise PhotoUnreadable("it is no ordinary file", hint="Use - to read a photo from a pipe.")
        with source.open("rb") as file:
            yield file
    except OSError as error:
        if error.errno is None:
            raise
        reason, hint = _REASONS.get(error.errno, (error.strerror or str(error), "Check the disk that it lies on."))
        raise PhotoUnreadable(reason, hint=hint) from error
