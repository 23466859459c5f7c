"""The report of a run: one self-contained HTML file, written as results come and put in place at the end."""

from __future__ import annotations

import contextlib
import html
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any

import restore_cli
from restore_cli.batch.report.card import card
from restore_cli.batch.result import PhotoResult, Tally
from restore_cli.errors import PhotoUnwritable, UsageProblem
from restore_cli.imaging.atomic import unwritable, whole_file

_BLOCK_BYTES = 1 << 20
_BEGINNING = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>oldphoto: before and after</title>'


class ReportPage:
    """Collects cards on the disk, not in memory; leaving its `with` writes the page.

    A disk that fills up during the run costs the page and not the run: `problem` then says why there is no page.
    """

    def __init__(self, path: Path, *, facts: Mapping[str, Any]) -> None:
        """facts: model and settings of the run, shown once. An earlier report at `path` will be replaced.

        Raises PhotoUnwritable, UsageProblem if something else is there.
        """
        self._path = path
        self.problem: PhotoUnwritable | None = None
        self._facts = facts
        self._tally = Tally()
        self._begun = datetime.now().astimezone()
        try:
            _refuse_foreign(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            # Without a name, so that nothing stays behind when the run is killed; not in /tmp, which is small on many
            # machines.
            self._cards = tempfile.TemporaryFile("w+b", dir=path.parent)  # noqa: SIM115  # closed by __exit__
        except OSError as error:
            raise unwritable(error, path) from error

    def add(self, result: PhotoResult) -> None:
        """One more photo."""
        self._tally = self._tally.plus(result)
        if self.problem is None:
            try:
                self._cards.write(card(result, self._path.parent).encode("utf-8"))
            except OSError as problem:
                self.problem = unwritable(problem, self._path)

    def __enter__(self) -> ReportPage:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if self._tally.photos and self.problem is None:
                with whole_file(self._path) as file:
                    file.writelines(self._blocks())
        except PhotoUnwritable as problem:
            self.problem = problem
        finally:
            with contextlib.suppress(OSError):  # it would write what a full disk has not taken
                self._cards.close()

    def _blocks(self) -> Iterator[bytes]:
        yield self._head().encode("utf-8")
        self._cards.seek(0)
        while block := self._cards.read(_BLOCK_BYTES):
            yield block
        yield f"</main><script>{_asset('page.js')}</script></body></html>\n".encode()

    def _head(self) -> str:
        tally = self._tally
        counts = {"all": tally.photos, "done": tally.done, "unchanged": tally.unchanged}
        counts |= {"skipped": tally.skipped, "failed": tally.failed}
        buttons = "".join(
            f'<button type="button" data-show="{name}" aria-pressed="{pressed}">{name} {count}</button>'
            for (name, count), pressed in zip(counts.items(), ("true", *["false"] * 4), strict=True)
            if count
        )
        ended = datetime.now().astimezone()
        rows = {
            "oldphoto": restore_cli.__version__,
            **self._facts,
            "begun": self._begun.isoformat(" ", "seconds"),
            "ended": ended.isoformat(" ", "seconds"),
        }
        table = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(str(v))}</td></tr>" for k, v in rows.items())
        return (
            f'{_BEGINNING}<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<style>{_asset('page.css')}</style></head><body><h1>Before and after</h1>"
            f"<details><summary>Settings and times</summary><table>{table}</table></details>"
            f'<nav>{buttons}<input type="search" placeholder="name" aria-label="find by name"></nav><main>\n'
        )


def _refuse_foreign(path: Path) -> None:
    if path.is_dir():
        raise UsageProblem(f"the report {path} is a folder", hint="Name a file, such as report.html.", path=path)
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("rb") as file:
        if file.read(len(_BEGINNING)) != _BEGINNING.encode():
            raise UsageProblem(
                f"{path} exists already and is no report of oldphoto",
                hint="Give --report another name, such as report.html.",
                path=path,
            )


def _asset(name: str) -> str:
    return resources.files("restore_cli.batch.report").joinpath(name).read_text("utf-8")
