"""Ctrl+C and SIGTERM during training: the step is finished and a checkpoint written first."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """While open, Ctrl+C and SIGTERM only set a flag, which the given function reads; a second Ctrl+C interrupts."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def note(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        log.warning("stopping after this step; a checkpoint will be written")
        asked.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
