"""Ctrl+C and SIGTERM during a run: what is finished stays, what is begun ends cleanly, nothing new starts."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType


class StopSignal:
    """Within its `with`, the first signal sets `requested`; the second one raises KeyboardInterrupt anywhere.

    Where nothing can be left half done (a long computation, a pause), `may_raise` lets the first signal raise as well.
    Signals reach Python's main thread only; in another thread `request` does the same for `requested`.
    """

    def __init__(self) -> None:
        self.requested = False
        self._raising = False
        self._before: dict[int, object] = {}

    def request(self) -> None:
        """Ask the run to stop."""
        self.requested = True

    @contextmanager
    def may_raise(self) -> Iterator[None]:
        """Let a signal raise KeyboardInterrupt at once, inside."""
        if self.requested:
            raise KeyboardInterrupt
        self._raising = True
        try:
            yield
        finally:
            self._raising = False

    def pause(self, seconds: float) -> None:
        """Sleep, but wake up at a signal."""
        try:
            with self.may_raise():
                time.sleep(seconds)
        except KeyboardInterrupt:
            return

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        again, self.requested = self.requested, True
        if again or self._raising:
            raise KeyboardInterrupt
