"""What an output folder already holds, and how new results enter it: files and journal together."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Literal

from restore_cli.batch.journal import Entry, Journal, WrittenFile
from restore_cli.batch.plan import Job
from restore_cli.batch.result import PhotoResult
from restore_cli.errors import PhotoUnwritable
from restore_cli.imaging.atomic import unwritable, whole_file

Existing = Literal["skip", "overwrite", "fail"]


class Ledger:
    """The accounts of one output folder under one `--existing` policy."""

    def __init__(self, root: Path, existing: Existing) -> None:
        self._root = root
        self._existing = existing
        self._journal = Journal(root)

    def refuse_existing(self, job: Job) -> None:
        """Raises PhotoUnwritable if the job would replace what it may not.

        Under "skip" only our own earlier results (and empty files) may be replaced: a file that this tool did not write
        could be somebody's only copy.
        """
        if self._existing == "overwrite":
            return
        for target in job.targets:
            if not os.path.lexists(target):
                continue
            if self._existing == "fail":
                reason = "exists already"
            elif not self._may_replace(job, target):
                reason = "exists already and was not made by this tool"
            else:
                continue
            raise PhotoUnwritable(f"{target} {reason}", hint="--existing overwrite replaces it.", path=target)

    def done(self, job: Job, *, input_sha256: str, settings_sha256: str) -> Entry | None:
        """The journal's entry if exactly this was done before and is still there."""
        entry = self._journal.find(job.key) if self._existing == "skip" else None
        if entry is None:
            return None
        wanted = {self._key(target) for target in job.targets}
        same = self._journal.is_done(entry, input_sha256=input_sha256, settings_sha256=settings_sha256, wanted=wanted)
        return entry if same else None

    def enter(
        self, job: Job, contents: dict[Path, bytes], result: PhotoResult, *, input_sha256: str, settings_sha256: str
    ) -> None:
        """Write all files and the journal's line; at no moment is there a result of ours without its line.

        Raises PhotoUnwritable, and then has left nothing behind.
        """
        assert result.size is not None
        entry = Entry(
            output=job.key,
            input=result.input,
            input_sha256=input_sha256,
            settings_sha256=settings_sha256,
            files=tuple(self._written(path, content) for path, content in contents.items()),
            status=result.status,
            size=result.size,
            damaged_fraction=result.damaged_fraction or 0.0,
            faces=result.faces or 0,
            seconds=round(result.seconds, 3),
        )
        with contextlib.ExitStack() as stack:  # leaving it gives all files their names, the last one first
            for path, content in contents.items():
                _fill(stack.enter_context(whole_file(path)), content)
            self._journal.add(entry)

    def _may_replace(self, job: Job, target: Path) -> bool:
        if target.is_file() and target.stat().st_size == 0:  # nothing to lose
            return True
        key = self._key(target)
        if self._journal.find(key) is not None:
            return True
        entry = self._journal.find(job.key)
        return entry is not None and any(file.path == key for file in entry.files)

    def _written(self, path: Path, content: bytes) -> WrittenFile:
        return WrittenFile(path=self._key(path), bytes=len(content), sha256=hashlib.sha256(content).hexdigest())

    def _key(self, target: Path) -> str:
        return target.relative_to(self._root).as_posix()


def check_writable(target: Path) -> None:
    """Raises PhotoUnwritable for what can be known before any work is done; makes missing folders."""
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


def _fill(file: BinaryIO, content: bytes) -> None:
    """On the disk before the journal says so: a full one shows here."""
    file.write(content)
    file.flush()
    os.fsync(file.fileno())
