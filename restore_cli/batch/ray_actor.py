"""What runs on the machines of a cluster: a worker that holds one model and takes photos through all three steps."""

from __future__ import annotations

import logging
import os
import pickle
import platform
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import restore_cli
from restore_cli.batch.held import Room
from restore_cli.batch.journal import fingerprint
from restore_cli.batch.needs import needed_bytes
from restore_cli.batch.plan import Job
from restore_cli.batch.ray_storage import HINT, Landmarks
from restore_cli.batch.result import PhotoResult
from restore_cli.batch.worker import Order, Worker
from restore_cli.errors import OldPhotoError, UsageProblem


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What shapes results beside the photos and the program: equal on all machines, or their results would differ."""

    model: str
    settings_sha256: str

    @classmethod
    def of(cls, worker: Worker) -> Setup:
        """What this machine would restore with."""
        return cls(
            model=f"model {worker.model.name} {worker.model.sha256[:12]}",
            settings_sha256=fingerprint(dict(worker.settings)),
        )

    def refuse_other(self, other: Setup) -> None:
        """Raises UsageProblem if `other`, found on this machine, is not what the run was started with."""
        if self == other:
            return
        asked, found = (f"{setup.model}, settings {setup.settings_sha256[:12]}" for setup in (self, other))
        raise UsageProblem(
            f"photos would be restored with {found}, and the run was started with {asked}",
            hint="Install the same weights on every machine (`oldphoto weights list` shows them), faces included.",
        )


@dataclass(frozen=True, kw_only=True)
class Terms:
    """All that a worker is told before its first photo."""

    order: Order
    setup: Setup
    landmarks: Landmarks
    folder: str
    """Where relative paths begin."""
    needs_folder: bool
    """Some path of the run is relative: the folder has to be there on every machine."""
    log_level: int
    max_held_bytes: int
    """For all photos of a worker between reading and writing."""

    @classmethod
    def of(cls, worker: Worker, jobs: Sequence[Job], *, landmarks: Landmarks, max_held_bytes: int) -> Terms:
        """worker: this computer's own, with which the others must agree."""
        return cls(
            order=worker.order,
            setup=Setup.of(worker),
            landmarks=landmarks,
            folder=str(Path.cwd()),
            needs_folder=any(map(_is_relative, jobs)),
            log_level=logging.getLogger("restore_cli").getEffectiveLevel(),
            max_held_bytes=max_held_bytes,
        )


class PhotoActor:
    """Lives in a process of its own; Ray calls `restore` in as many threads as photos may be in flight.

    So one photo is decoded and another one encoded while a third has the device. The model is loaded once, when the
    first photo needs it.
    """

    def __init__(self, version: str, terms: bytes) -> None:
        """version: of the program that sends the terms. terms: pickled, to be opened by the same version only."""
        self._version, self._terms = version, terms
        self._device = threading.Lock()

    def get_ready(self) -> OldPhotoError | None:
        """Look whether this machine can do its part; what is in the way otherwise."""
        try:
            self._refuse_other_version()
            terms: Terms = pickle.loads(self._terms)
            logging.getLogger("restore_cli").setLevel(terms.log_level)
            _enter_folder(terms)
            terms.landmarks.look()
            self._worker, self._room = Worker(terms.order), Room(terms.max_held_bytes)
            terms.setup.refuse_other(Setup.of(self._worker))
        except OldPhotoError as error:
            return _told_by_host(error)
        return None

    def restore(self, job: Job) -> PhotoResult | OldPhotoError:
        """One photo, from file to file. An error is one that ends the run: missing weights, no such device."""
        try:
            with self._room.taken(needed_bytes(job)):
                result = self._restore(job)
        except OldPhotoError as error:
            return _told_by_host(error)
        if result.status == "failed":
            return replace(result, notes=(*result.notes, f"failed on {platform.node()}"))
        return result

    def _restore(self, job: Job) -> PhotoResult:
        prepared = self._worker.prepare(job)
        if isinstance(prepared, PhotoResult):
            return prepared
        with self._device:
            computed = self._worker.compute(prepared)
        if isinstance(computed, PhotoResult):
            return computed
        del prepared
        return self._worker.deliver(computed)

    def _refuse_other_version(self) -> None:
        if restore_cli.__version__ != self._version:
            raise UsageProblem(
                f"oldphoto {restore_cli.__version__} is installed, and the run was started by {self._version}",
                hint="Install the same version on every machine.",
            )


def _is_relative(job: Job) -> bool:
    paths = (job.source, job.target, job.given_mask)
    return any(isinstance(path, Path) and not path.is_absolute() for path in paths)


def _enter_folder(terms: Terms) -> None:
    try:
        os.chdir(terms.folder)
    except OSError as error:
        if terms.needs_folder:
            raise UsageProblem(f"{terms.folder} is not there: {error.strerror}", hint=HINT) from error


def _told_by_host(error: OldPhotoError) -> OldPhotoError:
    return type(error)(f"on {platform.node()}: {error.message}", hint=error.hint, path=error.path)
