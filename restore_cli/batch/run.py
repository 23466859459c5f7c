"""A run: jobs, a worker and an engine become a stream of results."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Literal, Protocol

from restore_cli.batch.held import share_of
from restore_cli.batch.local import LocalEngine
from restore_cli.batch.plan import Job
from restore_cli.batch.ray_cluster import RayOptions
from restore_cli.batch.result import PhotoResult
from restore_cli.batch.stop import StopSignal
from restore_cli.batch.worker import Worker
from restore_cli.imaging.atomic import sweep

EngineName = Literal["local", "ray"]


class Engine(Protocol):
    """Takes jobs through a worker's three steps, wherever and however many at a time."""

    def run(
        self, worker: Worker, jobs: Iterable[Job], *, stop: StopSignal, started: Callable[[Job], None]
    ) -> Iterator[PhotoResult]:
        """One result a job. Ends early once `stop` is requested."""
        ...


def choose_engine(
    name: EngineName,
    *,
    threads: int | None = None,
    max_memory_bytes: int | None = None,
    cluster: RayOptions | None = None,
) -> Engine:
    """threads: photos decoded and encoded beside the device, None chooses. max_memory_bytes: of one process of the run.

    Raises UsageProblem (no cluster).
    """
    if name == "ray":
        from restore_cli.batch.ray_engine import RayEngine

        return RayEngine(cluster or RayOptions(), threads=threads, max_held_bytes=share_of(max_memory_bytes))
    return LocalEngine(threads=threads, max_held_bytes=share_of(max_memory_bytes))


def run_batch(
    jobs: Collection[Job],
    worker: Worker,
    *,
    engine: Engine | None = None,
    stop: StopSignal | None = None,
    started: Callable[[Job], None] = lambda job: None,
) -> Iterator[PhotoResult]:
    """Do every job; each ends as one PhotoResult, and one bad photo stops nothing.

    Raises WeightsMissing, WeightsDamaged or UsageProblem as soon as it is clear that no photo can be done.
    `stop` is for callers that handle signals: a KeyboardInterrupt raised inside ends the run as well, with what is
    finished given out, and leaves `stop.requested` set.
    """
    folders = {target.parent for job in jobs for target in job.targets}
    for folder in (place for place in folders if isinstance(place, Path)):  # stores have no half-written files
        with contextlib.suppress(OSError):  # does not exist yet
            sweep(folder)
    chosen = engine or LocalEngine()
    return chosen.run(worker, jobs, stop=stop or StopSignal(), started=started)
