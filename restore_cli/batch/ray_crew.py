"""The workers of one run on a cluster: who has which photo, and what becomes of it when a worker dies.

Ray cannot tell which of a dead worker's photos killed it. So each of them is tried again alone, with nothing beside it:
those that were only there are done then, and the one to blame uses up its tries without taking others with it.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import restore_cli
from restore_cli.batch.plan import Job
from restore_cli.batch.ray_actor import PhotoActor, Terms
from restore_cli.batch.ray_cluster import INSTALL, RayOptions
from restore_cli.batch.ray_room import CPUS, Need
from restore_cli.batch.result import PhotoResult
from restore_cli.errors import OldPhotoError, UsageProblem
from restore_cli.imaging.atomic import sweep

logger = logging.getLogger(__name__)
RETRIES = 3
"""How often a photo is tried again after its worker died."""
FAILED_STARTS = 3
"""So many workers in a row that died before they were ready, for each one wanted, mean that none will ever be."""
REASON_LETTERS = 240
PATIENCE_SECONDS = 30.0
"""Without any worker, until a line says so."""
GIVE_UP_SECONDS = 300.0
"""Without any machine that has room for a worker, once there was one: it may come back."""


@dataclass(frozen=True, kw_only=True)
class Try:
    """A job, and how many workers have died with it."""

    job: Job
    deaths: int = 0


@dataclass(eq=False, kw_only=True)
class Member:
    """One worker: a process on some machine, or the wish for one."""

    actor: Any
    ready_ref: Any
    is_ready: bool = False
    is_lost: bool = False
    running: dict[Any, Try] = field(default_factory=dict)

    @property
    def room(self) -> bool:
        """Whether photos may be sent there that nothing is known against."""
        return self.is_ready and not self.is_lost and not any(attempt.deaths for attempt in self.running.values())


class Crew:
    """As many workers as were asked for or as the cluster has room for; the dead are replaced."""

    def __init__(
        self,
        ray: Any,
        options: RayOptions,
        jobs: Sequence[Job],
        *,
        terms: Terms,
        in_flight: int,
    ) -> None:
        """ray: the connected module. in_flight: photos that a worker has at a time.

        Raises UsageProblem if no machine of the cluster has room for a worker.
        """
        self._ray = ray
        self._in_flight = in_flight
        self._waiting = deque(jobs)
        self._again: deque[Try] = deque()
        self._members: list[Member] = []
        self._left_behind: set[Path] = set()
        self._failed_starts = 0
        nodes = ray.nodes()
        self._need = Need.of(options, nodes)
        places = self._need.places(nodes)
        if not places:
            raise self._need.refusal(nodes)
        self._size = min(options.workers or places, len(jobs))
        self._last_seen = self._last_told = self._last_place = time.monotonic()
        self._kind = ray.remote(
            num_cpus=CPUS,
            num_gpus=self._need.gpus,
            max_restarts=0,  # a new one may start on any machine, with a name of its own in what it returns
            max_concurrency=in_flight,
            scheduling_strategy="SPREAD",
        )(PhotoActor)
        self._terms = ray.put(ray.cloudpickle.dumps(terms))

    def send(self, started: Callable[[Job], None]) -> bool:
        """Give every worker that has room its next photos; False once all rows are in."""
        if not self._waiting and not self._again and not any(member.running for member in self._members):
            return False
        for _ in range(self._size - sum(not member.is_lost for member in self._members)):
            actor = self._kind.remote(restore_cli.__version__, self._terms)
            self._members.append(Member(actor=actor, ready_ref=actor.get_ready.remote()))
        idlest_first = sorted((member for member in self._members if member.room), key=lambda one: len(one.running))
        suspects = len(self._again)
        for index, member in enumerate(idlest_first):
            if index < suspects:  # what it has is let finish first, then the suspect goes there alone
                if not member.running:
                    self._start(member, self._again.popleft(), started)
                continue
            while self._waiting and len(member.running) < self._in_flight:
                self._start(member, Try(job=self._waiting.popleft()), started)
        return True

    def wait(self, seconds: float) -> list[tuple[Member, Any]]:
        """What has arrived, for `settle`; nothing after so many seconds without news.

        Raises UsageProblem if the cluster has lost all machines for a worker, and none has come back for minutes.
        """
        owners = {ref: member for member in self._members for ref in member.running}
        owners |= {member.ready_ref: member for member in self._members if not member.is_ready and not member.is_lost}
        refs = list(owners)
        arrived, _ = self._ray.wait(refs, num_returns=1, timeout=seconds)
        if arrived:
            arrived, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        self._look_for_workers()
        return [(owners[ref], ref) for ref in arrived]

    def settle(self, member: Member, ref: Any) -> PhotoResult | None:
        """Account for what has arrived; a row if it ends a photo. Raises what ends the run."""
        attempt = member.running.pop(ref, None)
        try:
            outcome = self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:  # a bug, not a death
            raise error.as_instanceof_cause() from None
        except self._ray.exceptions.RayError as error:
            self._lose(member)
            if attempt is not None:
                return self._died_with(attempt, error)
            self._died_at_start(error)
            return None
        if isinstance(outcome, OldPhotoError):
            raise outcome
        if attempt is None:
            member.is_ready = True
            self._failed_starts = 0
        return outcome if isinstance(outcome, PhotoResult) else None

    def finish(self, seconds: float) -> list[PhotoResult]:
        """Rows of the photos in flight that end within so many seconds."""
        rows: list[PhotoResult] = []
        deadline = time.monotonic() + seconds
        while any(member.running for member in self._members) and (left := deadline - time.monotonic()) > 0:
            for member, ref in self.wait(left):
                row = self.settle(member, ref)
                rows += [] if row is None else [row]
        return rows

    def dismiss(self) -> None:
        """End all workers, whatever they are doing, and clear up after those that died."""
        for member in tuple(self._members):
            self._lose(member)
        for folder in self._left_behind:
            with contextlib.suppress(OSError):
                sweep(folder)

    def _start(self, member: Member, attempt: Try, started: Callable[[Job], None]) -> None:
        started(attempt.job)
        member.running[member.actor.restore.remote(attempt.job)] = attempt

    def _lose(self, member: Member) -> None:
        if not member.is_lost:
            member.is_lost = True
            self._ray.kill(member.actor)
        if not member.running and member in self._members:
            self._members.remove(member)

    def _died_at_start(self, error: Exception) -> None:
        self._failed_starts += 1
        if self._failed_starts >= FAILED_STARTS * self._size:
            raise UsageProblem(
                f"no worker can start: {_reason(error)}",
                hint=f"Each machine of the cluster needs the same oldphoto with Ray: {INSTALL}",
            ) from error

    def _died_with(self, attempt: Try, error: Exception) -> PhotoResult | None:
        attempt = Try(job=attempt.job, deaths=attempt.deaths + 1)
        self._left_behind |= {target.parent for target in attempt.job.targets if isinstance(target, Path)}
        reason = _reason(error)
        if attempt.deaths <= RETRIES:
            logger.warning("%s is tried again: %s", attempt.job.shown, reason)
            self._again.append(attempt)
            return None
        message = f"its worker died {attempt.deaths} times, the last time so: {reason} Is there enough memory for it?"
        return PhotoResult(input=attempt.job.shown, output=None, status="failed", seconds=0.0, error=message)

    def _look_for_workers(self) -> None:
        now = time.monotonic()
        if any(member.is_ready for member in self._members):
            self._last_seen = self._last_told = self._last_place = now
        if now - self._last_told < PATIENCE_SECONDS:
            return
        nodes = self._ray.nodes()
        if self._need.places(nodes):
            self._last_place = now
        elif now - self._last_place > GIVE_UP_SECONDS:
            raise self._need.refusal(nodes)
        logger.warning("no worker for %.0f seconds: %s", now - self._last_seen, self._need.compared_with(nodes))
        self._last_told = now


def _reason(error: Exception) -> str:
    """Ray's last paragraph says why: its first sentences, before the advice."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1] if lines else type(error).__name__
    return reason if len(reason) <= REASON_LETTERS else reason[:REASON_LETTERS].rpartition(". ")[0] + "."
