"""What the output folders already hold, and how new results enter them: files and journal together.

Each folder, on a disk or in a store, has its own journal, so that a photo restored alone, with its folder or with the
whole tree is the same photo, and a folder of results can be moved.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Literal

from restore_cli.batch.journal import Entry, Journal, WrittenFile
from restore_cli.batch.location import Location, UrlPath, exists
from restore_cli.batch.result import PhotoResult
from restore_cli.batch.url_journal import UrlJournal
from restore_cli.errors import PhotoUnwritable
from restore_cli.imaging.atomic import unwritable, whole_file

Existing = Literal["skip", "overwrite", "fail"]


class Ledger:
    """The accounts of all output folders under one `--existing` policy; any number of threads may use it."""

    def __init__(self, existing: Existing) -> None:
        self._existing = existing
        self._journals: dict[Location, Journal | UrlJournal] = {}

    def refuse_existing(self, targets: Iterable[Location]) -> None:
        """Raises PhotoUnwritable if writing the targets would replace what may not be replaced.

        Under "skip" only our own earlier results (and empty files) may be replaced: a file that this tool did not write
        could be somebody's only copy.
        """
        if self._existing == "overwrite":
            return
        for target in targets:
            try:
                if not exists(target):
                    continue
            except OSError as error:
                raise PhotoUnwritable(f"{target} cannot be looked at: {error}", path=str(target)) from error
            if self._existing == "fail":
                reason = "exists already"
            elif not self._may_replace(target):
                reason = "exists already and was not made by this tool"
            else:
                continue
            raise PhotoUnwritable(f"{target} {reason}", hint="--existing overwrite replaces it.", path=str(target))

    def done(
        self, target: Location, *, wanted: Iterable[Location], input_sha256: str, settings_sha256: str
    ) -> Entry | None:
        """The journal's entry if exactly this was done before and all `wanted` files are still there."""
        if self._existing != "skip":
            return None
        journal = self._journal(target)
        entry = journal.find(target.name)
        if entry is None or (entry.input_sha256, entry.settings_sha256) != (input_sha256, settings_sha256):
            return None
        return entry if journal.is_intact(entry, {path.name for path in wanted}) else None

    def enter(
        self,
        target: Location,
        contents: dict[Location, bytes],
        result: PhotoResult,
        *,
        input_sha256: str,
        settings_sha256: str,
    ) -> None:
        """Write all files, which lie in one folder, and the journal's line; no result of ours is ever without its line.

        Raises PhotoUnwritable, and then has left nothing behind.
        """
        assert result.size is not None
        entry = Entry(
            output=target.name,
            input=result.input,
            input_sha256=input_sha256,
            settings_sha256=settings_sha256,
            files=tuple(_written(path, content) for path, content in contents.items()),
            status=result.status,
            size=result.size,
            damaged_fraction=result.damaged_fraction or 0.0,
            faces=result.faces,
            seconds=round(result.seconds, 3),
        )
        if isinstance(target, UrlPath):
            self._journal(target).add(entry)
            for path, content in contents.items():
                _put(path, content)
            return
        with contextlib.ExitStack() as stack:  # leaving it gives all files their names, the last one first
            for path, content in contents.items():
                _fill(stack.enter_context(whole_file(Path(str(path)))), content)
            self._journal(target).add(entry)

    def _may_replace(self, target: Location) -> bool:
        if isinstance(target, Path) and target.is_file() and target.stat().st_size == 0:  # nothing to lose
            return True
        return self._journal(target).knows(target.name)

    def _journal(self, target: Location) -> Journal | UrlJournal:
        folder = target.parent
        journal = UrlJournal(folder) if isinstance(folder, UrlPath) else Journal(folder)
        return self._journals.setdefault(folder, journal)  # atomic: two threads get the same journal


def check_writable(target: Location) -> None:
    """Raises PhotoUnwritable for what can be known before any work is done; makes missing folders."""
    if isinstance(target, UrlPath):  # a store tells when it is written to
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            target.lstat()  # names too long for the disk show here
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not os.access(target.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise unwritable(error, target) from error


def _written(path: Location, content: bytes) -> WrittenFile:
    return WrittenFile(path=path.name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _put(path: Location, content: bytes) -> None:
    assert isinstance(path, UrlPath)
    try:
        path.write_bytes(content)
    except OSError as error:
        hint = "Check the address, your rights there, and its plugin."
        raise PhotoUnwritable(f"{path} cannot be written: {error}", hint=hint, path=str(path)) from error


def _fill(file: BinaryIO, content: bytes) -> None:
    """On the disk before the journal says so: a full one shows here."""
    file.write(content)
    file.flush()
    os.fsync(file.fileno())
