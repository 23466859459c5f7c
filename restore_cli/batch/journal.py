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
from typing import Any

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
    notes: tuple[str, ...] = ()
    """What was done otherwise than asked, for later reports."""


class Journal:
    """Read and extended by any number of threads, and of runs on the same folder at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / NAME
        self._entries: dict[str, Entry] = {}
        self._versions: dict[str, set[str]] = {}
        self._read_bytes = 0
        self._guard = threading.Lock()

    def find(self, name: str) -> Entry | None:
        """The newest entry for the result of this name, those of other runs included."""
        with self._guard:
            self._read_news()
            return self._entries.get(name)

    def versions(self, name: str) -> frozenset[str]:
        """sha256 of all that runs of ours ever wrote under this name, be it a result or a side file."""
        with self._guard:
            self._read_news()
            return frozenset(self._versions.get(name, ()))

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
                self._note(entry)
            elif line:
                logger.warning("%s: a line cannot be read; what it stands for counts as somebody's own file", self.path)
        if (torn := parse_line(news[len(whole) :])) is not None:  # an editor took the end of the last line
            self._note(torn)

    def _note(self, entry: Entry) -> None:
        self._entries[entry.output] = entry
        for file in entry.files:
            self._versions.setdefault(file.path, set()).add(file.sha256)

    def _forget(self) -> None:
        self._entries.clear()
        self._versions.clear()
        self._read_bytes = 0


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
    """None for a torn or foreign line."""
    try:
        facts = json.loads(line)
        if facts.pop("version") != VERSION:
            return None
        files = tuple(WrittenFile(**file) for file in facts.pop("files"))
        width, height = facts.pop("size")
        damaged, seconds = float(facts.pop("damaged_fraction")), float(facts.pop("seconds"))
        notes, faces = tuple(map(str, facts.pop("notes", ()))), facts.pop("faces")
        faces = tuple(map(_face, faces)) if isinstance(faces, list) else None  # 0.1.0 wrote how many there were
        return Entry(
            files=files,
            size=(int(width), int(height)),
            damaged_fraction=damaged,
            faces=faces,
            seconds=seconds,
            notes=notes,
            **facts,
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _face(facts: dict[str, Any]) -> Face:
    x, y, width, height = map(int, facts["box"])
    return {"box": [x, y, width, height], "score": float(facts["score"]), "action": str(facts["action"])}
