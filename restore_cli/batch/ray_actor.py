"""What runs on the machines of a cluster: a worker that holds one model and takes photos through all three steps."""

from __future__ import annotations

import logging
import os
import platform
import threading
from dataclasses import dataclass

import restore_cli
from restore_cli.batch.journal import fingerprint
from restore_cli.batch.plan import Job
from restore_cli.batch.result import PhotoResult
from restore_cli.batch.worker import Order, Worker
from restore_cli.errors import OldPhotoError, UsageProblem


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What shapes results beside the photos: equal on all machines, or their results would differ."""

    version: str
    model: str
    settings_sha256: str

    @classmethod
    def of(cls, worker: Worker) -> Setup:
        """What this machine would restore with."""
        return cls(
            version=f"oldphoto {restore_cli.__version__}",
            model=f"model {worker.model.name} {worker.model.sha256[:12]}",
            settings_sha256=fingerprint(dict(worker.settings)),
        )

    def refuse_other(self, other: Setup, host: str) -> None:
        """Raises UsageProblem if `other`, found on `host`, is not the same."""
        if self == other:
            return
        mine, theirs = (
            f"{setup.version}, {setup.model}, settings {setup.settings_sha256[:12]}" for setup in (self, other)
        )
        raise UsageProblem(
            f"{host} would restore with {theirs}, and this computer with {mine}",
            hint="Install the same oldphoto and the same weights on every machine.",
        )


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where relative paths begin, and how talkative the worker is."""

    folder: str
    needs_folder: bool
    """Some path of the run is relative: the folder has to be there on every machine."""
    log_level: int


class PhotoActor:
    """Lives in a process of its own; Ray calls `restore` in as many threads as photos may be in flight.

    So one photo is decoded and another one encoded while a third has the device. The model is loaded once, when the
    first photo needs it.
    """

    def __init__(self, order: Order, setup: Setup, placement: Placement) -> None:
        logging.getLogger("restore_cli").setLevel(placement.log_level)
        self._order, self._setup, self._placement = order, setup, placement
        self._device = threading.Lock()

    def get_ready(self) -> OldPhotoError | None:
        """Look whether this machine can do its part; what is in the way otherwise."""
        try:
            self._enter_folder()
            self._worker = Worker(self._order)
            self._setup.refuse_other(Setup.of(self._worker), platform.node())
        except OldPhotoError as error:
            return _told_by_host(error)
        return None

    def restore(self, job: Job) -> PhotoResult | OldPhotoError:
        """One photo, from file to file. An error is one that ends the run: missing weights, no such device."""
        try:
            prepared = self._worker.prepare(job)
            if isinstance(prepared, PhotoResult):
                return prepared
            with self._device:
                computed = self._worker.compute(prepared)
            if isinstance(computed, PhotoResult):
                return computed
            del prepared
            return self._worker.deliver(computed)
        except OldPhotoError as error:
            return _told_by_host(error)

    def _enter_folder(self) -> None:
        try:
            os.chdir(self._placement.folder)
        except OSError as error:
            if self._placement.needs_folder:
                raise UsageProblem(
                    f"{self._placement.folder} is not there: {error.strerror}",
                    hint="Give paths that are the same on every machine, such as those of a shared disk.",
                ) from error


def _told_by_host(error: OldPhotoError) -> OldPhotoError:
    return type(error)(f"on {platform.node()}: {error.message}", hint=error.hint, path=error.path)
