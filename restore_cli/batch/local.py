"""The local engine: photos are decoded ahead of the device and encoded behind it, in threads, with bounded memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from restore_cli.batch.plan import Job
from restore_cli.batch.result import PhotoResult
from restore_cli.batch.stop import StopSignal
from restore_cli.batch.worker import Prepared, Worker

MAX_HELD_BYTES = 512 << 20
"""Photos waiting before the device, and again behind it; one alone may be larger."""

Ahead = deque[tuple[Job, "Future[Prepared | PhotoResult]"]]
Behind = deque[tuple[int, "Future[PhotoResult]"]]
"""Bytes held, result to come."""


def automatic_threads() -> int:
    """Decoding keeps up with any device with a few threads; more would only hold more photos in memory."""
    return max(1, min(4, os.cpu_count() or 1))


class LocalEngine:
    """Runs jobs on this machine. Results come in the order of the jobs."""

    def __init__(self, *, threads: int | None = None, max_held_bytes: int = MAX_HELD_BYTES) -> None:
        self._threads = threads or automatic_threads()
        self._max_held_bytes = max_held_bytes

    def run(
        self, worker: Worker, jobs: Iterable[Job], *, stop: StopSignal, started: Callable[[Job], None]
    ) -> Iterator[PhotoResult]:
        """Do the jobs until they end or `stop` is requested. `started` is told of each photo that gets the device.

        An error that is not one photo's (missing weights) is raised after the results before it were given out.
        """
        ahead: Ahead = deque()
        behind: Behind = deque()
        waiting = iter(jobs)
        fatal: Exception | None = None
        with ThreadPoolExecutor(self._threads) as decoders, ThreadPoolExecutor(self._threads) as encoders:
            try:
                while not stop.requested:
                    self._top_up(ahead, waiting, worker, decoders)
                    if not ahead:
                        break
                    self._next(ahead, behind, worker, encoders, stop=stop, started=started)
                    while behind and (behind[0][1].done() or self._is_full(behind)):
                        yield behind.popleft()[1].result()
            except KeyboardInterrupt:
                stop.request()
            except Exception as error:
                fatal = error
            finally:
                for _, future in ahead:
                    future.cancel()
            while behind:
                yield behind.popleft()[1].result()
        if fatal is not None:
            raise fatal

    def _top_up(self, ahead: Ahead, waiting: Iterator[Job], worker: Worker, decoders: ThreadPoolExecutor) -> None:
        while len(ahead) <= self._threads and (not ahead or _held_ahead(ahead) < self._max_held_bytes):
            job = next(waiting, None)
            if job is None:
                return
            ahead.append((job, decoders.submit(worker.prepare, job)))

    def _next(
        self,
        ahead: Ahead,
        behind: Behind,
        worker: Worker,
        encoders: ThreadPoolExecutor,
        *,
        stop: StopSignal,
        started: Callable[[Job], None],
    ) -> None:
        """Move one photo from before the device to behind it, or a few that are ready and gain by going together."""
        with stop.may_raise():
            group = [ahead.popleft()[1].result()]
        while ahead and len(group) < worker.photos_at_once and _is_ready(ahead[0][1]):
            group.append(ahead.popleft()[1].result())
        ready = [photo for photo in group if isinstance(photo, Prepared)]
        for photo in ready:
            started(photo.job)
        with stop.may_raise():
            computed = iter(worker.compute_all(ready))
        for outcome in group:
            reached = next(computed) if isinstance(outcome, Prepared) else outcome
            if isinstance(reached, PhotoResult):
                settled: Future[PhotoResult] = Future()
                settled.set_result(reached)
                behind.append((0, settled))
            else:
                behind.append((reached.held_bytes, encoders.submit(worker.deliver, reached)))

    def _is_full(self, behind: Behind) -> bool:
        held = sum(size for size, future in behind if not future.done())
        return len(behind) > self._threads or held > self._max_held_bytes


def _is_ready(future: Future[Prepared | PhotoResult]) -> bool:
    return future.done() and future.exception() is None


def _held_ahead(ahead: Ahead) -> int:
    decoded = (future.result() for _, future in ahead if _is_ready(future))
    return sum(photo.held_bytes for photo in decoded if isinstance(photo, Prepared))
