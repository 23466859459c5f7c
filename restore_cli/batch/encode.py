"""From processed pixels to the bytes of each output file."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np

import restore_cli
from restore_cli.batch.plan import Job
from restore_cli.batch.processor import Model, Processed
from restore_cli.imaging import (
    OutputFormat,
    Photo,
    Provenance,
    format_of_suffix,
    replace_pixels,
    write,
    write_grey,
)
from restore_cli.imaging.formats import written_format


@dataclass(frozen=True, kw_only=True)
class EncodeOptions:
    """How results are written."""

    quality: int = 95
    """Of JPEG and WebP, 1 to 100."""
    strip_metadata: bool = False


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """File contents; None where the job does not ask for one."""

    result: bytes
    mask: bytes | None = None
    overlay: bytes | None = None
    notes: tuple[str, ...] = ()
    """What else was changed to read it and write it: nothing where the result is the original file."""


Encode = Callable[[Job, bytes, Photo, Processed, Model, EncodeOptions], Encoded]


def encode_photo(
    job: Job, original: bytes, photo: Photo, processed: Processed, model: Model, options: EncodeOptions
) -> Encoded:
    """A restored photo in its format, and its mask.

    An unchanged photo is its original file, byte for byte, wherever format and metadata are to stay as they are:
    encoding a JPEG again would change pixels in which nothing was wrong.
    """
    mask = _grey_png(processed.mask.astype(np.uint8) * 255) if job.mask_target else None
    own, written = photo.carried.format, written_format(photo.carried.format, job.format)
    if processed.unchanged and written == own and not options.strip_metadata:
        return Encoded(result=original, mask=mask)
    stream = io.BytesIO()
    notes = write(
        replace_pixels(photo, processed.pixels),
        stream,
        format=cast(OutputFormat, job.format),  # or BMP and the like, where the output file is called so
        quality=options.quality,
        strip_metadata=options.strip_metadata,
        provenance=None if processed.unchanged else _provenance(model),
    )
    return Encoded(
        result=stream.getvalue(), mask=mask, notes=(*photo.carried.notes, *notes, *_other_format(job, own, written))
    )


def encode_mask(
    job: Job, original: bytes, photo: Photo, processed: Processed, model: Model, options: EncodeOptions
) -> Encoded:
    """A detector's grey PNG, and the photo with its damage in red. `original` and `model` leave no trace in them."""
    assert processed.grey is not None
    overlay = None
    if job.overlay_target:
        stream = io.BytesIO()
        write(replace_pixels(photo, processed.pixels), stream, format="png", strip_metadata=options.strip_metadata)
        overlay = stream.getvalue()
    return Encoded(result=_grey_png(processed.grey), overlay=overlay, notes=photo.carried.notes)


def _other_format(job: Job, own: str, written: str) -> tuple[str, ...]:
    """A note where the file's content is another than before, and its name, chosen unseen, does not say which."""
    named = None if job.target is None else format_of_suffix(job.target.suffix)
    if job.format != "same" or written in (own, named):
        return ()
    return (f"Written as {written.upper()}, whatever its name says: {own.upper()} cannot be written here.",)


def _grey_png(grey: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    stream = io.BytesIO()
    write_grey(grey, stream)
    return stream.getvalue()


def _provenance(model: Model) -> Provenance:
    return Provenance(tool_version=restore_cli.__version__, model_name=model.name, model_sha256=model.sha256)
