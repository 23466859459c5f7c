"""The local engine: photos are decoded ahead of the device and encoded behind it, in threads, with bounded memory.

What a photo will need is told from the head of its file. Only as many are read as fit together, from reading to
writing; one that needs more than there is goes alone. Who is let in is decided in one place, between two photos on the
device: no thread ever waits for memory, so none can wait for ever.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from restore_cli.batch.held import MAX_HELD_BYTES
from restore_cli.batch.needs import needed_bytes
from restore_cli.batch.plan import Job
from restore_cli.batch.result import PhotoResult
from restore_cli.batch.stop import StopSignal
from restore_cli.batch.worker import Prepared, Worker


@dataclass
class _Coming:
    """A photo before the device."""

    job: Job
    needs: Future[int]
    """Bytes."""
    prepared: Future[Prepared | PhotoResult] | None = None
    """None as long as there is no room for it."""

    @property
    def is_ready(self) -> bool:
        """Whether the device can have it at once."""
        return self.prepared is not None and self.prepared.done() and self.prepared.exception() is None


@dataclass(frozen=True)
class _Leaving:
    """A photo behind the device."""

    needs_bytes: int
    result: Future[PhotoResult]


Ahead = deque[_Coming]
Behind = deque[_Leaving]


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
        with (
            ThreadPoolExecutor(1) as measurers,  # threads that once decoded keep memory: no more of them than must be
            ThreadPoolExecutor(self._threads) as decoders,
            ThreadPoolExecutor(self._threads) as encoders,
        ):
            try:
                while not stop.requested:
                    self._top_up(ahead, waiting, worker, measurers)
                    if not ahead:
                        break
                    while not self._admit(ahead, behind, worker, decoders, stop):
                        yield behind.popleft().result.result()
                    self._next(ahead, behind, worker, encoders, stop=stop, started=started)
                    while behind and (behind[0].result.done() or len(behind) > self._threads):
                        yield behind.popleft().result.result()
            except KeyboardInterrupt:
                stop.request()
            except Exception as error:
                fatal = error
            finally:
                for photo in ahead:
                    photo.needs.cancel()
                    if photo.prepared is not None:
                        photo.prepared.cancel()
            while behind:
                yield behind.popleft().result.result()
        if fatal is not None:
            raise fatal

    def _top_up(self, ahead: Ahead, waiting: Iterator[Job], worker: Worker, measurers: ThreadPoolExecutor) -> None:
        while len(ahead) <= self._threads:
            job = next(waiting, None)
            if job is None:
                return
            ahead.append(_Coming(job, measurers.submit(needed_bytes, job)))

    def _admit(
        self, ahead: Ahead, behind: Behind, worker: Worker, decoders: ThreadPoolExecutor, stop: StopSignal
    ) -> bool:
        """Have photos read in their order, as far as they fit beside those that are; whether the next one is read.

        If it is not, some photo behind the device is in its way: nothing before the device can be, as it comes first.
        """
        held = sum(photo.needs_bytes for photo in behind if not photo.result.done())
        for photo in ahead:
            if photo is not ahead[0] and not photo.needs.done():
                break
            with stop.may_raise():
                needs = photo.needs.result()
            if photo.prepared is None:
                if held > 0 and held + needs > self._max_held_bytes:
                    break
                photo.prepared = decoders.submit(worker.prepare, photo.job)
            held += needs
        return ahead[0].prepared is not None

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
        group = [ahead.popleft()]
        with stop.may_raise():
            outcomes = [_prepared(group[0])]
        while ahead and len(group) < worker.photos_at_once and ahead[0].is_ready:
            group.append(ahead.popleft())
            outcomes.append(_prepared(group[-1]))
        ready = [photo for photo in outcomes if isinstance(photo, Prepared)]
        for prepared in ready:
            started(prepared.job)
        with stop.may_raise():
            computed = iter(worker.compute_all(ready))
        for photo, outcome in zip(group, outcomes, strict=True):
            reached = next(computed) if isinstance(outcome, Prepared) else outcome
            result: Future[PhotoResult]
            if isinstance(reached, PhotoResult):
                result = Future()
                result.set_result(reached)
            else:
                result = encoders.submit(worker.deliver, reached)
            behind.append(_Leaving(photo.needs.result(), result))


def _prepared(photo: _Coming) -> Prepared | PhotoResult:
    assert photo.prepared is not None
    return photo.prepared.result()
