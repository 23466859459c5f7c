"""Which photo a thread is busy with, so that log records can be told apart. Imports nothing, for the command line."""

from __future__ import annotations

from contextvars import ContextVar

current_photo: ContextVar[str] = ContextVar("current_photo", default="")
