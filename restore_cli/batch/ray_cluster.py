"""Reaching a Ray cluster that exists already, or saying plainly why it cannot be. Ray is imported when it is needed."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
import threading
from dataclasses import dataclass
from typing import Any

from restore_cli.errors import UsageProblem

logger = logging.getLogger(__name__)
INSTALL = "pip install 'oldphoto[ray]'"
PORTS = {"ray": 10001, "": 6379}
"""Ray's own defaults: the client server's, and the head node's."""
KNOCK_SECONDS = 5.0
CONNECT_SECONDS = {"ray": 90.0, "": 30.0}
"""Where somebody listens. A client server starts a process for each client; Ray gives that up itself after a minute."""


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

    Raises UsageProblem if Ray is not installed here or the cluster does not answer in time.
    """
    if importlib.util.find_spec("ray") is None:
        raise UsageProblem("--engine ray needs Ray, which is not installed here", hint=f"Install it: {INSTALL}")
    import ray

    if ray.is_initialized():
        return ray
    chosen = (os.environ.get("RAY_ADDRESS") or "auto") if address == "auto" else address
    if chosen != "auto":
        _knock(chosen)
    try:
        _init_in_time(ray, chosen)
    except SystemExit as error:  # what Ray does when the head node stays silent
        raise _unreachable(chosen, "its head node does not answer") from error
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        raise _unreachable(chosen, str(error).strip()) from error
    return ray


def _init_in_time(ray: Any, address: str) -> None:
    """Raises what `ray.init` does, or TimeoutError: before a head node that is silent Ray waits for 13 minutes.

    In a thread, as nothing else ends such a wait. It is left behind then, and ends with the process.
    """
    debug = logger.isEnabledFor(logging.DEBUG)
    level = logging.INFO if debug else logging.ERROR
    os.environ.setdefault("RAY_COLOR_PREFIX", "0")  # its own messages go to our log files too
    outcome: list[BaseException | None] = []

    def act() -> None:
        try:
            ray.init(address=address, log_to_driver=debug, logging_level=level, configure_logging=True)
        except BaseException as error:  # raised again below
            outcome.append(error)
        else:
            outcome.append(None)

    seconds = CONNECT_SECONDS.get(_parts(address)[0], CONNECT_SECONDS[""])
    thread = threading.Thread(target=act, name="ray.init", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"no answer in {seconds:.0f} seconds")
    if outcome[0] is not None:
        raise outcome[0]


def _knock(address: str) -> None:
    """Whether anybody listens there, which shows at once. Raises UsageProblem."""
    scheme, host, port = _parts(address)
    try:
        number = int(port) if port else PORTS.get(scheme, PORTS[""])
        with socket.create_connection((host, number), timeout=KNOCK_SECONDS):
            return
    except (OSError, ValueError, OverflowError) as error:
        raise _unreachable(address, str(error)) from error


def _parts(address: str) -> tuple[str, str, str]:
    """Scheme, host and port of ray://HOST:PORT/..., the first and the last "" where they are not there."""
    scheme, _, place = address.rpartition("://")
    place = place.partition("/")[0]
    host, _, port = place.rpartition(":")
    return (scheme, host.strip("[]"), port) if host else (scheme, place, "")


def _unreachable(address: str, reason: str) -> UsageProblem:
    where = "no Ray cluster is running here" if address == "auto" else f"the Ray cluster {address} cannot be reached"
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    told = " ".join(dict.fromkeys([*lines[:1], *lines[-1:]]))  # between them stands a traceback
    return UsageProblem(
        f"{where}: {told}",
        hint="Start one with `ray start --head`, or give --ray-address HOST:PORT or ray://HOST:PORT. "
        f"Each machine needs the same oldphoto with Ray: {INSTALL}",
    )
