"""The terminal: messages for people on stderr, data for programs on a stdout that nothing else reaches."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, cast

from restore_cli.errors import OldPhotoError, UsageProblem

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, kw_only=True)
class Talk:
    """How much is said."""

    quiet: bool = False
    """Only errors."""
    debug: bool = False
    """Tracebacks and the library's debug log."""


_talk = Talk()
PLAIN_TERMINALS = ("dumb", "unknown")
"""As an editor's shell calls itself: lines are all it shows."""


class TalkHandler(logging.Handler):
    """The library's log records as lines for people, each with the photo it is about."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        from restore_cli.batch.current import current_photo

        photo = current_photo.get()
        out = error_console() if record.levelno >= logging.ERROR else console()
        text = f"{photo}: {record.getMessage()}" if photo else record.getMessage()
        out.print(printable(text), markup=False, highlight=False, soft_wrap=True)
        if record.exc_info and is_debug():
            out.print(logging.Formatter().formatException(record.exc_info), markup=False, highlight=False)


def configure(talk: Talk) -> None:
    """Set once, by `main`, before a command runs."""
    global _talk
    _talk = talk
    library = logging.getLogger("restore_cli")
    library.handlers = [TalkHandler()]
    library.setLevel(logging.DEBUG if talk.debug else logging.WARNING)


def is_quiet() -> bool:
    """Whether --quiet was given."""
    return _talk.quiet


def is_debug() -> bool:
    """Whether --debug was given."""
    return _talk.debug


def console() -> Console:
    """For messages, progress and tables: stderr; nothing with --quiet. Colour and bars only on a terminal."""
    return _console(quiet=_talk.quiet, drawing=_may_draw())


def error_console() -> Console:
    """For what has to be said even with --quiet."""
    return _console(quiet=False, drawing=_may_draw())


def shows_bars() -> bool:
    """Whether a progress bar may be drawn."""
    return _may_draw() and not _talk.quiet


def say(message: str) -> None:
    """One line to people, as it is: square brackets in names are no markup, long lines are not broken."""
    console().print(printable(message), markup=False, highlight=False, soft_wrap=True)


def say_error(message: str) -> None:
    """The same even with --quiet."""
    error_console().print(printable(message), markup=False, highlight=False, soft_wrap=True)


def complain(error: OldPhotoError) -> None:
    """An expected error: what happened and where, then what to do about it."""
    out = error_console()
    out.print("error:", style="bold red", end=" ", highlight=False)
    out.print(printable(error.message), markup=False, highlight=False, soft_wrap=True)
    if error.hint:
        out.print(printable(error.hint), markup=False, highlight=False, soft_wrap=True)


def printable(text: str) -> str:
    """Names may hold newlines, escape sequences and bytes that are no text: shown escaped, so that a line is a line."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "backslashreplace").decode("ascii")
        for character in text
    )


@contextlib.contextmanager
def data_stdout() -> Iterator[BinaryIO]:
    """The real stdout as a byte stream; whatever else prints meanwhile, from Python or from C, lands on stderr."""
    caught = sys.stdout
    if caught is None:
        raise UsageProblem("there is no stdout to write to: it is closed", hint="Write to a file, or into a pipe.")
    caught.flush()
    if _descriptor_of(caught) != 1:  # a test or an embedding program has replaced it: its buffer takes the data
        with contextlib.redirect_stdout(sys.stderr):
            yield caught.buffer
            caught.buffer.flush()
        return
    kept = os.dup(1)
    os.dup2(2, 1)
    stream = os.fdopen(kept, "wb")
    try:
        yield stream
    finally:
        with contextlib.suppress(OSError):  # a reader that went away has been reported already
            caught.flush()
        os.dup2(kept, 1)
        with contextlib.suppress(OSError):  # whoever wrote has flushed, and said what went wrong
            stream.close()


def _descriptor_of(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


class _Messages:
    """sys.stderr, whatever that is just now. Once it takes no more (a full disk, a closed terminal), what is said is
    dropped: no photo is lost for a message.
    """

    def write(self, text: str) -> int:
        """Always takes the whole text."""
        with self._dropping_what_fails():
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """As write."""
        with self._dropping_what_fails():
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)

    @contextlib.contextmanager
    def _dropping_what_fails(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError):
            sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  # for good: what the old one holds would fail again


@lru_cache
def _console(*, quiet: bool, drawing: bool) -> Console:
    from rich.console import Console

    messages = cast(TextIO, _Messages())
    return Console(file=messages, quiet=quiet, force_terminal=drawing, no_color=not drawing, highlight=False)


def _may_draw() -> bool:
    """Colour and bars need a terminal that can draw and a user who has not said NO_COLOR."""
    try:
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") in PLAIN_TERMINALS
        return sys.stderr.isatty() and not plain
    except ValueError:  # closed
        return False
