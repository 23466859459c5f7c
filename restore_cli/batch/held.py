"""What photos of a run may hold in memory while another one has the device: between reading and writing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

MAX_HELD_BYTES = 2**30
"""For all of them together, where `--max-memory` says nothing."""
PARTS = 8
"""One in so many of `--max-memory` is for them."""


def share_of(max_memory_bytes: int | None) -> int:
    """Their part of `--max-memory`, in bytes."""
    return MAX_HELD_BYTES if max_memory_bytes is None else min(max_memory_bytes // PARTS, MAX_HELD_BYTES)


class Room:
    """Room for photos that threads take from reading to writing. One waits for it at a time, and none overtakes it.

    No thread waits for more room while it holds some, so none waits for ever. Where one thread decides for all photos
    of a run, as in `local`, that is better: it can look at what comes.
    """

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._held_bytes = self._photos = 0
        self._turn = threading.Lock()
        self._left = threading.Condition()

    @contextmanager
    def taken(self, needs_bytes: int) -> Iterator[None]:
        """Wait until a photo fits beside those inside, and hold its room; one larger than all of it goes in alone."""
        with self._turn, self._left:
            self._left.wait_for(lambda: self._photos == 0 or self._held_bytes + needs_bytes <= self._size_bytes)
            self._held_bytes += needs_bytes
            self._photos += 1
        try:
            yield
        finally:
            with self._left:
                self._held_bytes -= needs_bytes
                self._photos -= 1
                self._left.notify_all()
