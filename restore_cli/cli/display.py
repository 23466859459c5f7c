"""How a run looks on a terminal, in a log file, and at its end."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from restore_cli.cli.console import console, printable, say, say_error, shows_bars

if TYPE_CHECKING:
    from rich.progress import Progress

    from restore_cli.batch.plan import Job
    from restore_cli.batch.result import PhotoResult

FAILURES_LISTED = 50
"""Rows of the closing table; each failure was reported when it happened."""
NAME_WIDTH = 32
SECONDS_LOOKED_BACK = 600
"""For the time left: Rich's half minute is less than a large scan takes on a CPU."""


class RunDisplay:
    """A progress bar where there is a terminal, else one line a photo; failures at once; a summary at the end."""

    def __init__(self, total: int | None) -> None:
        """total: photos to come; None where nobody knows (--watch)."""
        from restore_cli.batch.result import Tally

        self.tally = Tally()
        self._total = total
        self._failures: list[str] = []
        self._started = time.monotonic()
        self._progress: Progress | None = None

    def __enter__(self) -> RunDisplay:
        if shows_bars() and self._total is not None:
            self._progress = _progress()
            self._task = self._progress.add_task("", total=self._total, rate="")
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._progress is not None:
            self._progress.stop()

    def started(self, job: Job) -> None:
        """This photo has the device now."""
        if self._progress is not None:
            self._progress.update(self._task, description=_shortened(job.shown))

    def finished(self, result: PhotoResult) -> None:
        """Count one more photo, and say what is worth a line."""
        self.tally = self.tally.plus(result)
        if result.status == "failed":
            line = _failure(result)
            self._failures.append(line)
            say_error(f"failed: {line}")
        elif self._progress is None and result.status != "skipped":
            of = "" if self._total is None else f"/{self._total}"
            say(f"[{self.tally.photos}{of}] {result.status} {result.input} -> {result.output}  {result.seconds:.1f} s")
        for note in () if result.status == "skipped" else result.notes:  # said when it was done
            say(f"{result.input}: {note}")
        if self._progress is not None:
            self._progress.update(self._task, advance=1, rate=self._rate())

    def summary(self, *, interrupted: bool) -> None:
        """The closing table, or one line for one photo."""
        seconds = time.monotonic() - self._started
        tally = self.tally
        if interrupted:
            say("interrupted: finished photos stay, the same command goes on with the rest")
        if tally.photos == 1 and not interrupted:
            say(f"{self._counts()} in {seconds:.1f} s")
            return
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for name in ("done", "unchanged", "skipped", "failed"):
            table.add_column(name, justify="right")
        table.add_column("seconds", justify="right")
        table.add_row(*map(str, (tally.done, tally.unchanged, tally.skipped, tally.failed)), f"{seconds:.1f}")
        console().print(table)
        self._list_failures()

    def _counts(self) -> str:
        names = ("done", "unchanged", "skipped", "failed")
        return ", ".join(f"{getattr(self.tally, name)} {name}" for name in names if getattr(self.tally, name))

    def _list_failures(self) -> None:
        if not self._failures:
            return
        say("failed:")
        for line in self._failures[:FAILURES_LISTED]:
            say(f"  {line}")
        if len(self._failures) > FAILURES_LISTED:
            say(f"  ... and {len(self._failures) - FAILURES_LISTED} more, each named above")

    def _rate(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-3)
        computed = self.tally.done + self.tally.unchanged
        return f"{computed / seconds:.2f} photos/s  {self.tally.megapixels / seconds:.2f} MP/s"


def _failure(result: PhotoResult) -> str:
    """Name and reason; most reasons name the file already."""
    reason = result.error or ""
    return reason if result.input in reason else f"{result.input}: {reason}"


def _progress() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
        console=console(),
        transient=True,
        speed_estimate_period=SECONDS_LOOKED_BACK,
    )


def _shortened(name: str) -> str:
    """The end of a path says more than its beginning."""
    shown = printable(name)
    return shown if len(shown) <= NAME_WIDTH else "…" + shown[1 - NAME_WIDTH :]
