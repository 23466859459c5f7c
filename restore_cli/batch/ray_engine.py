"""The engine for clusters: photos are restored by Ray actors, wherever Ray has room for them.

Plain actors, not Ray Data. What travels is a few hundred bytes a photo, names out and a row back, while the pixels go
between the workers and the shared storage. Ray Data moves the data itself, in blocks through its object store, and the
block is what it retries and what fails; here that has to be the photo: one row as soon as it is done, and the photo
that kills its worker told apart from those that were beside it. So Ray places the actors, notices their death and
hands over what they return, and `ray_crew` decides which photo goes where.

Back-pressure: a worker has a few photos in flight, and gets the next one when one of them is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from restore_cli.batch.held import MAX_HELD_BYTES
from restore_cli.batch.plan import Job
from restore_cli.batch.ray_actor import Terms
from restore_cli.batch.ray_cluster import RayOptions, connect
from restore_cli.batch.ray_crew import Crew
from restore_cli.batch.ray_storage import set_landmarks
from restore_cli.batch.result import PhotoResult
from restore_cli.batch.stop import StopSignal
from restore_cli.batch.worker import Worker
from restore_cli.errors import UsageProblem

IN_FLIGHT = 3
"""Photos that a worker has at a time: one before the device, one on it, one behind it."""
POLL_SECONDS = 1.0
GRACE_SECONDS = 5.0
"""After Ctrl+C, for the photos in flight."""


class RayEngine:
    """Runs jobs on a cluster. Results come in the order in which they are done."""

    def __init__(
        self, options: RayOptions, *, threads: int | None = None, max_held_bytes: int = MAX_HELD_BYTES
    ) -> None:
        """threads: photos decoded and encoded beside the one on each worker's device; max_held_bytes: for all these.

        Raises UsageProblem.
        """
        self._options, self._max_held_bytes = options, max_held_bytes
        self._in_flight = IN_FLIGHT if threads is None else threads + 1
        self._ray = connect(options.address)

    def run(
        self, worker: Worker, jobs: Iterable[Job], *, stop: StopSignal, started: Callable[[Job], None]
    ) -> Iterator[PhotoResult]:
        """Do the jobs until they end or `stop` is requested. `started` is told of each photo that is sent away.

        `worker` is this computer's own: it does no photo and loads no model, but says what all others must agree with.
        Raises UsageProblem for stdin and stdout, which are here and not there, and for a cluster without room for any
        worker; and whatever a worker meets that is not about one photo.
        """
        jobs = tuple(jobs)
        if any(job.source is None or job.target is None for job in jobs):
            raise UsageProblem(
                "stdin and stdout are on this computer only", hint="Leave --engine ray out, or use files."
            )
        if not jobs:
            return
        with set_landmarks(jobs) as landmarks:
            terms = Terms.of(worker, jobs, landmarks=landmarks, max_held_bytes=self._max_held_bytes)
            crew = Crew(self._ray, self._options, jobs, terms=terms, in_flight=self._in_flight)
            rest: list[PhotoResult] = []
            try:
                yield from _rows(crew, stop, started)
                if stop.requested:
                    rest = crew.finish(GRACE_SECONDS)
            finally:
                crew.dismiss()
            yield from rest


def _rows(crew: Crew, stop: StopSignal, started: Callable[[Job], None]) -> Iterator[PhotoResult]:
    """Rows as they come, until there are no more or `stop` is requested; Ctrl+C requests it."""
    try:
        while not stop.requested and crew.send(started):
            with stop.may_raise():
                arrived = crew.wait(POLL_SECONDS)
            for member, ref in arrived:
                row = crew.settle(member, ref)
                if row is not None:
                    yield row
    except KeyboardInterrupt:
        stop.request()
