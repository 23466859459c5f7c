"""What the output folders already hold, and how new results enter them: files and journal together.

Each folder, on a disk or in a store, has its own journal, so that a photo restored alone, with its folder or with the
whole tree is the same photo, and a folder of results can be moved.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import BinaryIO, Literal

from restore_cli.batch.discover import real_path
from restore_cli.batch.journal import Entry, Journal, WrittenFile
from restore_cli.batch.kept import kept_of
from restore_cli.batch.location import Location, UrlPath, exists
from restore_cli.batch.result import PhotoResult
from restore_cli.batch.url_journal import UrlJournal
from restore_cli.errors import PhotoUnwritable
from restore_cli.imaging.atomic import unwritable, whole_file

logger = logging.getLogger(__name__)
Existing = Literal["skip", "overwrite", "fail"]
OVERWRITE_HINT = "--existing overwrite replaces it."


class Ledger:
    """The accounts of all output folders under one `--existing` policy; any number of threads may use it."""

    def __init__(self, existing: Existing) -> None:
        self._existing = existing
        self._folders: set[Path] = set()
        self._journals: dict[Location, Journal | UrlJournal] = {}

    def prepare(self, targets: Iterable[Location]) -> None:
        """Make their folders. Raises PhotoUnwritable if they cannot be written, or if that would replace what may not
        be replaced, as far as that is known before the photo is read.
        """
        targets = list(targets)
        for target in targets:
            self._check_writable(target)
        self._refuse_existing(targets)

    def refuse_loss(self, targets: Iterable[Location], source: Location | None, input_sha256: str) -> None:
        """Raises PhotoUnwritable if writing would replace what may not be replaced.

        Under "skip" only our own earlier results of the same photo may be, as they were written, and what is empty or
        cut off: anything else could be somebody's only copy.
        """
        there = self._refuse_existing(targets)
        if self._existing != "skip":
            return
        for target in there:
            self._refuse_other_photo(target, source, input_sha256)
            if kept_of(target, self._journal(target).versions(target.name)) == "changed":
                reason = "was changed since it was made"
                raise PhotoUnwritable(f"{target} {reason}", hint=OVERWRITE_HINT, path=str(target))

    def done(
        self, target: Location, *, wanted: Iterable[Location], input_sha256: str, settings_sha256: str
    ) -> Entry | None:
        """The journal's entry if exactly this was done before and all `wanted` files are still there: as they were
        written, or as somebody changed them since, which a line in the log tells.
        """
        if self._existing != "skip":
            return None
        journal = self._journal(target)
        entry = journal.find(target.name)
        if entry is None or (entry.input_sha256, entry.settings_sha256) != (input_sha256, settings_sha256):
            return None
        written = {file.path: file.sha256 for file in entry.files}
        changed: list[Location] = []
        for path in wanted:
            if path.name not in written:
                return None
            if kept_of(path, {written[path.name]}) == "written":
                continue
            if kept_of(path, journal.versions(path.name)) != "changed":
                return None
            changed.append(path)
        for path in changed:
            logger.warning("%s was changed since it was made: left as it is", path)
        return entry

    def enter(
        self,
        target: Location,
        contents: dict[Location, bytes],
        result: PhotoResult,
        *,
        source: Location | None,
        input_sha256: str,
        settings_sha256: str,
    ) -> None:
        """Write all files, which lie in one folder, and the journal's line; no result of ours is ever without its line.

        contents: the result last. source: the photo. Raises PhotoUnwritable, and then has left nothing behind, also if
        what may not be replaced has come up meanwhile.
        """
        assert result.size is not None
        self.refuse_loss(contents, source, input_sha256)
        self._tell_stale(target, contents)
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
            notes=result.notes,
        )
        if isinstance(target, UrlPath):
            self._journal(target).add(entry)
            for path, content in contents.items():
                _put(path, content)
            return
        with contextlib.ExitStack() as stack:  # leaving it gives all files their names, the last one first
            for path, content in reversed(contents.items()):
                _fill(stack.enter_context(whole_file(Path(str(path)))), content)
            self._journal(target).add(entry)

    def _tell_stale(self, target: Location, contents: Collection[Location]) -> None:
        """Side files of an earlier result that this one does not bring describe what is not there any more."""
        earlier = self._journal(target).find(target.name)
        for file in () if earlier is None else earlier.files:
            path = target.with_name(file.path)
            if path not in contents and exists(path):
                logger.warning("%s is of an earlier result", path)

    def _check_writable(self, target: Location) -> None:
        """Raises PhotoUnwritable for what can be known before any work is done; makes missing folders, each once: one
        that goes away later is a drive that is gone, and what lies under its name is not it.
        """
        if isinstance(target, UrlPath):  # a store tells when it is written to
            return
        try:
            if target.parent not in self._folders:
                target.parent.mkdir(parents=True, exist_ok=True)
                self._folders.add(target.parent)
            target.parent.stat()
            with contextlib.suppress(FileNotFoundError):
                target.lstat()  # names too long for the disk show here
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not os.access(target.parent, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            raise unwritable(error, target) from error

    def _refuse_existing(self, targets: Iterable[Location]) -> list[Location]:
        """Those that exist, if all of them may perhaps be replaced."""
        if self._existing == "overwrite":
            return []
        there: list[Location] = []
        for target in targets:
            try:
                if not exists(target):
                    continue
            except OSError as error:
                raise PhotoUnwritable(f"{target} cannot be looked at: {error}", path=str(target)) from error
            if self._existing == "fail":
                reason = "exists already"
            elif not self._journal(target).versions(target.name) and not _is_empty(target):
                reason = "exists already and was not made by this tool"
            else:
                there.append(target)
                continue
            raise PhotoUnwritable(f"{target} {reason}", hint=OVERWRITE_HINT, path=str(target))
        return there

    def _refuse_other_photo(self, target: Location, source: Location | None, input_sha256: str) -> None:
        """A photo that has changed since may replace its result; another photo that is still there may not."""
        entry = self._journal(target).find(target.name)
        if source is None or entry is None or entry.input_sha256 == input_sha256:
            return
        other = UrlPath(entry.input) if isinstance(source, UrlPath) else Path(entry.input)
        if other != source and exists(other) and real_path(other) != real_path(source):
            raise PhotoUnwritable(
                f"{target} is the result of {other}",
                hint=f"Restore into another folder, or add a --suffix. {OVERWRITE_HINT}",
                path=str(target),
            )

    def _journal(self, target: Location) -> Journal | UrlJournal:
        folder = target.parent
        journal = UrlJournal(folder) if isinstance(folder, UrlPath) else Journal(folder)
        return self._journals.setdefault(folder, journal)  # atomic: two threads get the same journal


def _is_empty(target: Location) -> bool:
    """Then there is nothing to lose."""
    return isinstance(target, Path) and target.is_file() and target.stat().st_size == 0


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
