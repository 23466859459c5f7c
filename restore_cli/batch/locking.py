"""Advisory locks on open files, which the system releases when their holder dies.

Some network drives refuse locks. Then there is none: whole-file renames keep outputs intact, and only two runs that
write the journal at the same instant could disturb each other's line, which the reader leaves out.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import msvcrt
    import os

    FAR = 1 << 30
    """Windows locks keep others from reading the locked byte, so one far beyond the content is locked."""

    def _lock_far(descriptor: int, mode: int) -> bool:
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, mode, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)
        return True

    def lock(descriptor: int) -> None:
        """Wait for the exclusive lock (up to ten seconds, as Windows does)."""
        _lock_far(descriptor, msvcrt.LK_LOCK)

    def try_lock(descriptor: int) -> bool:
        """Take the exclusive lock if nobody holds it."""
        return _lock_far(descriptor, msvcrt.LK_NBLCK)

    def unlock(descriptor: int) -> None:
        """Release it."""
        _lock_far(descriptor, msvcrt.LK_UNLCK)

else:
    import fcntl

    def lock(descriptor: int) -> None:
        """Wait for the exclusive lock."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            return

    def try_lock(descriptor: int) -> bool:
        """Take the exclusive lock if nobody holds it; False also where the drive knows no locks."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def unlock(descriptor: int) -> None:
        """Release it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        except OSError:
            return
