"""The one family of errors that oldphoto raises on purpose.

Each message says what happened and where; `hint` says what to do about it. `exit_code` is what the command line returns
when the error ends a run (see docs/errors.md). Errors about a single photo are counted by a batch, and the run goes on.
"""

from __future__ import annotations

from pathlib import PurePath


class OldPhotoError(Exception):
    """Base of every expected error. `hint` is a sentence that names the option, command or place to try."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", path: PurePath | str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders; the default would drop the keyword-only facts.
        return _rebuild, (type(self), self.message, self.hint, self.path)


def _rebuild(kind: type[OldPhotoError], message: str, hint: str, path: PurePath | str | None) -> OldPhotoError:
    return kind(message, hint=hint, path=path)


class UsageProblem(OldPhotoError):
    """The command line asks for something that cannot be: clashing outputs, unknown device, bad value."""

    exit_code = 2


class WeightsMissing(OldPhotoError):
    """A model or one of its parts is not installed."""

    exit_code = 3


class WeightsDamaged(OldPhotoError):
    """A weights file is truncated, foreign, hostile, or not what its hash says."""

    exit_code = 3


class WeightsUnwritable(OldPhotoError):
    """A weights file could not be written: full disk, read-only folder."""

    exit_code = 3


class DownloadFailed(OldPhotoError):
    """No source gave the file: offline, not found, broken off too often, disk full."""

    exit_code = 3


class NoPhotosFound(OldPhotoError):
    """The inputs hold no file that could be a photo."""

    exit_code = 4


class PhotoUnreadable(OldPhotoError):
    """No decoder accepts the file, or it is larger than the reader allows. Counted per photo."""


class PhotoUnwritable(OldPhotoError):
    """The output could not be written: full disk, read-only folder, unknown format. Counted per photo."""


class OutOfMemory(OldPhotoError):
    """A photo does not fit even in the smallest pieces. Counted per photo."""


class TrainingStopped(OldPhotoError):
    """Training cannot go on: a loss that is not finite, no usable photos, a checkpoint that does not fit."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether that is what an exception means: PyTorch and oneDNN raise a plain RuntimeError, OpenCV its own kind."""
    said = str(error).lower()
    if isinstance(error, MemoryError) or "insufficient memory" in said:
        return True
    return isinstance(error, RuntimeError) and any(words in said for words in ("memory", "bad_alloc", "a primitive"))


def explained(error: Exception) -> str:
    """What to say of an exception that nobody expected: memory that ran out, or a bug."""
    if is_out_of_memory(error):
        return f"out of memory: {error}. Close other programs, lower --jobs and --max-memory, or give a smaller photo"
    return f"unexpected {type(error).__name__}: {error} (this is a bug; --debug shows where)"
