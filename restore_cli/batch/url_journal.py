"""The journal of an output folder in a store where nothing can be appended to: one small object a written file.

`.oldphoto-journal/NAME.json` beside NAME holds the same line as the journal on a disk would. Runs and shards that share
the folder need no lock, as each photo has an object of its own, and none of them reads what the others did.
"""

from __future__ import annotations

from restore_cli.batch.journal import Entry, line_of, parse_line
from restore_cli.batch.location import UrlPath
from restore_cli.errors import PhotoUnwritable

FOLDER = ".oldphoto-journal"


class UrlJournal:
    """Read and extended by any number of threads, and of runs on the same folder at the same time."""

    def __init__(self, folder: UrlPath) -> None:
        self.folder = folder

    def find(self, name: str) -> Entry | None:
        """The newest entry for the result of this name, those of other runs included."""
        entry = self._read(name)
        return entry if entry is not None and entry.output == name else None

    def versions(self, name: str) -> frozenset[str]:
        """sha256 of what a run of ours last wrote under this name, be it a result or a side file."""
        entry = self._read(name)
        return frozenset() if entry is None else frozenset(file.sha256 for file in entry.files if file.path == name)

    def add(self, entry: Entry) -> None:
        """Note the entry under each of its files' names. Raises PhotoUnwritable."""
        for file in entry.files:  # the result comes last
            place = self._place(file.path)
            try:
                place.write_bytes(line_of(entry))
            except OSError as error:
                raise PhotoUnwritable(
                    f"the journal {place} cannot be written: {error}",
                    hint="Without it a later run could not know what is done. Check the store and your rights there.",
                    path=str(place),
                ) from error

    def _read(self, name: str) -> Entry | None:
        place = self._place(name)
        try:
            return parse_line(place.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PhotoUnwritable(f"the journal {place} cannot be read: {error}", path=str(place)) from error

    def _place(self, name: str) -> UrlPath:
        return self.folder / FOLDER / f"{name}.json"
