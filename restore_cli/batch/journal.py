"""The journal of an output folder: which result was made from which input, with which settings, and what came out.

A hidden file of JSON lines in the output folder, only ever appended to. A line is written when the outputs are complete
on the disk but not yet under their names. So every result of ours has a line, whenever the run is killed; and a result
is *done* only if the files under its names are, byte for byte, what its line says.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from restore_cli.batch.locking import lock, unlock
from restore_cli.batch.result import Face
from restore_cli.errors import PhotoUnwritable

logger = logging.getLogger(__name__)
NAME = ".oldphoto-journal.jsonl"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class WrittenFile:
    """One output as it was written."""

    path: str
    """Name in the journal's folder."""
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One result."""

    output: str
    """Key: the result's name in the journal's folder."""
    input: str
    """For people who read the journal; not compared."""
    input_sha256: str
    """Of the photo and, where one was given, the mask."""
    settings_sha256: str
    """Of everything else that shapes the result, the model included."""
    files: tuple[WrittenFile, ...]
    status: str
    size: tuple[int, int]
    damaged_fraction: float
    faces: tuple[Face, ...] | None
    seconds: float


class Journal:
    """Read and extended by any number of threads, and of runs on the same folder at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / NAME
        self._entries: dict[str, Entry] = {}
        self._names: set[str] = set()
        self._read_bytes = 0
        self._guard = threading.Lock()

    def find(self, name: str) -> Entry | None:
        """The newest entry for the result of this name, those of other runs included."""
        with self._guard:
            self._read_news()
            return self._entries.get(name)

    def knows(self, name: str) -> bool:
        """Whether a file of this name, a result or a side file, was ever written by a run of ours."""
        with self._guard:
            self._read_news()
            return name in self._names

    def is_intact(self, entry: Entry, wanted: set[str]) -> bool:
        """Whether all `wanted` files were written with this result and still are, byte for byte, what was written."""
        written = {file.path: file for file in entry.files}
        return wanted <= written.keys() and all(self._is_intact(written[name]) for name in wanted)

    def add(self, entry: Entry) -> None:
        """Append one line and flush it to the disk. Raises PhotoUnwritable; then the line is not there at all."""
        line = line_of(entry)
        try:
            with self._guard:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._append(line)
        except OSError as error:
            raise PhotoUnwritable(
                f"the journal {self.path} cannot be written: {error.strerror or error}",
                hint="Without it a later run could not know what is done. Free some space or check permissions.",
                path=self.path,
            ) from error

    def _append(self, line: bytes) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self.path, flags, 0o666)
        try:
            lock(descriptor)
            end = os.fstat(descriptor).st_size
            if end and _last_byte(descriptor, end) != b"\n":  # a line torn by a crash ends here and stays unread
                line = b"\n" + line
            written = os.write(descriptor, line)
            if written < len(line):  # the disk is full: take the fragment back
                os.ftruncate(descriptor, end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            unlock(descriptor)
            os.close(descriptor)

    def _read_news(self) -> None:
        """Read what was appended since the last look; a line without its end is left for the next look."""
        try:
            with self.path.open("rb") as stream:
                if os.fstat(stream.fileno()).st_size < self._read_bytes:  # deleted and begun anew
                    self._forget()
                stream.seek(self._read_bytes)
                news = stream.read()
        except FileNotFoundError:
            self._forget()
            return
        except OSError as error:
            raise PhotoUnwritable(f"the journal {self.path} cannot be read: {error}", path=self.path) from error
        whole = news[: news.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        for line in whole.splitlines():
            entry = parse_line(line)
            if entry is not None:
                self._entries[entry.output] = entry
                self._names.update(file.path for file in entry.files)

    def _forget(self) -> None:
        self._entries.clear()
        self._names.clear()
        self._read_bytes = 0

    def _is_intact(self, file: WrittenFile) -> bool:
        path = self.folder / file.path
        try:
            if path.stat().st_size != file.bytes:
                return False
            with path.open("rb") as stream:
                digest = hashlib.sha256()
                while block := stream.read(1 << 20):
                    digest.update(block)
        except OSError:
            return False
        return digest.hexdigest() == file.sha256


def fingerprint(facts: object) -> str:
    """sha256 of anything JSON can hold; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _last_byte(descriptor: int, end: int) -> bytes:
    os.lseek(descriptor, end - 1, os.SEEK_SET)
    return os.read(descriptor, 1)


def line_of(entry: Entry) -> bytes:
    """The entry as one line of JSON."""
    return json.dumps({"version": VERSION, **asdict(entry)}).encode() + b"\n"


def parse_line(line: bytes) -> Entry | None:
    """None for a torn or foreign line: its result is then made again, which is always safe."""
    if not line:
        return None
    try:
        facts = json.loads(line)
        if facts.pop("version") != VERSION:
            return None
        files = tuple(WrittenFile(**file) for file in facts.pop("files"))
        width, height = facts.pop("size")
        faces = facts.pop("faces")
        faces = tuple(faces) if isinstance(faces, list) else None  # 0.1.0 wrote how many there were
        return Entry(files=files, size=(width, height), faces=faces, **facts)
    except (ValueError, TypeError, KeyError, AttributeError):
        logger.warning("a line of the journal cannot be read; its photo will be made again")
        return None
