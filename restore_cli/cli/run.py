"""Running a batch for a command: plan, results to stdout, progress to stderr, the outcome as exit code."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import typer

from restore_cli.cli.console import complain, data_stdout
from restore_cli.cli.display import RunDisplay
from restore_cli.errors import NoPhotosFound, UsageProblem

if TYPE_CHECKING:
    from restore_cli.batch.encode import Encode, EncodeOptions
    from restore_cli.batch.ledger import Existing
    from restore_cli.batch.plan import Job, PlanOptions
    from restore_cli.batch.processor import Processor
    from restore_cli.batch.ray_cluster import RayOptions
    from restore_cli.batch.report.page import ReportPage
    from restore_cli.batch.result import PhotoResult
    from restore_cli.batch.run import Engine, EngineName
    from restore_cli.batch.stop import StopSignal
    from restore_cli.batch.watch import Watcher
    from restore_cli.batch.worker import Worker

WATCH_SECONDS = 1.0
"""Between two looks at a watched folder."""


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What a command wants done with the photos on its command line."""

    inputs: list[str]
    output: str
    plan: PlanOptions
    processor: Callable[[int | None], Processor]
    """Makes the processor, told how much memory it may use; None lets it decide."""
    encode: Encode
    encoding: EncodeOptions
    existing: Existing
    engine: EngineName = "local"
    cluster: RayOptions | None = None
    threads: int | None = None
    max_memory_bytes: int | None = None
    """For the processor and for the photos that wait for it, together."""
    as_json: bool = False
    report: Path | None = None
    watch: bool = False


def run_and_exit(request: RunRequest) -> None:
    """Plan, run and show; raises typer.Exit with the contract's code unless all is well."""
    from restore_cli.batch.run import choose_engine
    from restore_cli.batch.stop import StopSignal
    from restore_cli.imaging.atomic import write_to_stream

    engine = choose_engine(
        request.engine, threads=request.threads, max_memory_bytes=request.max_memory_bytes, cluster=request.cluster
    )
    jobs, watcher = _plan(request)
    with contextlib.ExitStack() as stack:
        prints = request.as_json or request.output == "-" or request.engine == "ray"  # Ray itself writes to stdout
        data = stack.enter_context(data_stdout()) if prints else None
        stop = stack.enter_context(StopSignal())
        with _uncollected():
            worker = _worker(request, None if watcher else len(jobs), stdout=data)
        page = stack.enter_context(_page(request.report, worker)) if request.report else None
        display = stack.enter_context(RunDisplay(None if watcher else len(jobs)))
        run = _Run(worker=worker, engine=engine, display=display, stop=stop)
        for result in run.once(jobs) if watcher is None else run.on_and_on(watcher):
            display.finished(result)
            if page is not None:
                page.add(result)
            if request.as_json and data is not None:
                write_to_stream(data, result.to_json().encode() + b"\n")
    display.summary(interrupted=stop.requested)
    problem = page.problem if page is not None else None
    if problem is not None:
        complain(problem)
    code = 130 if stop.requested else 1 if display.tally.failed or problem is not None else 0
    if code:
        raise typer.Exit(code)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector: it would look through all of PyTorch again and again while that is imported."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _plan(request: RunRequest) -> tuple[tuple[Job, ...], Watcher | None]:
    from restore_cli.batch.plan import make_plan
    from restore_cli.batch.watch import Watcher

    if request.as_json and request.output == "-":
        raise UsageProblem("--json and a photo cannot both go to stdout", hint="Write the photo to a file.")
    if not request.watch:
        return make_plan(request.inputs, request.output, request.plan), None
    watcher = Watcher(request.inputs, request.output, request.plan)
    # What is there already is planned only to be checked: it may be half written, so the watcher gives it out.
    with contextlib.suppress(NoPhotosFound):
        make_plan(request.inputs, request.output, request.plan)
    return (), watcher


def _worker(request: RunRequest, photos: int | None, *, stdout: BinaryIO | None) -> Worker:
    """photos: how many there will be, where that is known."""
    from restore_cli.batch.held import share_of
    from restore_cli.batch.report.thumbnails import thumbnail_px
    from restore_cli.batch.worker import Order, Worker

    memory = request.max_memory_bytes
    if memory is not None and photos != 1:
        memory -= share_of(memory)
    order = Order(
        processor=request.processor(memory),
        encode=request.encode,
        existing=request.existing,
        options=request.encoding,
        thumbnail_px=thumbnail_px(photos) if request.report else None,
    )
    return Worker(order, stdin=sys.stdin.buffer, stdout=stdout)


def _page(path: Path, worker: Worker) -> ReportPage:
    from restore_cli.batch.report.page import ReportPage

    return ReportPage(path, facts={"model": worker.model.name, "model sha256": worker.model.sha256, **worker.settings})


@dataclass(frozen=True, kw_only=True)
class _Run:
    worker: Worker
    engine: Engine
    display: RunDisplay
    stop: StopSignal

    def once(self, jobs: Collection[Job]) -> Iterator[PhotoResult]:
        from restore_cli.batch.run import run_batch

        return run_batch(jobs, self.worker, engine=self.engine, stop=self.stop, started=self.display.started)

    def on_and_on(self, watcher: Watcher) -> Iterator[PhotoResult]:
        while not self.stop.requested:
            jobs, refused = watcher.look()
            yield from refused
            yield from self.once(jobs)
            self.stop.pause(WATCH_SECONDS)
