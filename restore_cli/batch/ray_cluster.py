"""Reaching a Ray cluster that exists already, or saying plainly why it cannot be. Ray is imported when it is needed."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
from dataclasses import dataclass
from typing import Any

from restore_cli.errors import UsageProblem

logger = logging.getLogger(__name__)
INSTALL = "pip install 'oldphoto[ray]'"
PORTS = {"ray": 10001, "": 6379}
"""Ray's own defaults: the client server's, and the head node's."""
REACH_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class RayOptions:
    """Which cluster does the work, and with how many workers."""

    address: str = "auto"
    """auto: $RAY_ADDRESS, or the cluster that this machine is part of; HOST:PORT of a head node; ray://HOST:PORT."""
    workers: int | None = None
    """None: as many as the cluster has room for when the run starts."""
    gpus_per_worker: float | None = None
    """GPUs that Ray reserves for each worker; 0.5 lets two share one. None: 1 where the cluster has any, else 0."""

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise UsageProblem(f"--workers {self.workers} would do nothing", hint="Give 1 or more, or leave it out.")
        share = self.gpus_per_worker
        if share is not None and (share < 0 or (share > 1 and share != int(share))):
            raise UsageProblem(
                f"--gpus-per-worker {share} is no share of a GPU", hint="Give 0, a part such as 0.5, or whole GPUs."
            )


def connect(address: str) -> Any:
    """The `ray` module, connected. A program that has connected itself keeps its connection.

    Raises UsageProblem if Ray is not installed here or the cluster does not answer.
    """
    if importlib.util.find_spec("ray") is None:
        raise UsageProblem("--engine ray needs Ray, which is not installed here", hint=f"Install it: {INSTALL}")
    import ray

    if ray.is_initialized():
        return ray
    chosen = os.environ.get("RAY_ADDRESS", "auto") if address == "auto" else address
    if chosen not in ("auto", "local"):
        _knock(chosen)
    debug = logger.isEnabledFor(logging.DEBUG)
    level = logging.INFO if debug else logging.ERROR
    os.environ.setdefault("RAY_COLOR_PREFIX", "0")  # its own messages go to our log files too
    try:
        ray.init(address=chosen, log_to_driver=debug, logging_level=level, configure_logging=True)
    except SystemExit as error:  # what Ray does when the head node stays silent
        raise _unreachable(chosen, "its head node does not answer") from error
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        raise _unreachable(chosen, str(error).strip()) from error
    return ray


def _knock(address: str) -> None:
    """Whether anybody listens there: Ray itself would try for more than a minute. Raises UsageProblem."""
    scheme, _, place = address.rpartition("://")
    host, _, port = place.partition("/")[0].rpartition(":")
    try:
        number = int(port) if host else PORTS.get(scheme, PORTS[""])
        with socket.create_connection((host.strip("[]") or port, number), timeout=REACH_SECONDS):
            return
    except (OSError, ValueError, OverflowError) as error:
        raise _unreachable(address, str(error)) from error


def _unreachable(address: str, reason: str) -> UsageProblem:
    where = "no Ray cluster is running here" if address == "auto" else f"the Ray cluster {address} cannot be reached"
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    told = " ".join(dict.fromkeys([*lines[:1], *lines[-1:]]))  # between them stands a traceback
    return UsageProblem(
        f"{where}: {told}",
        hint="Start one with `ray start --head`, or give --ray-address HOST:PORT or ray://HOST:PORT. "
        f"Each machine needs the same oldphoto with Ray: {INSTALL}",
    )
