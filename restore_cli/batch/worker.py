"""One photo of a run, in the three steps that an engine may run in different threads: prepare, compute, deliver.

Every step ends in what the next one needs or, if the photo is already accounted for, in its PhotoResult.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from restore_cli.batch.current import current_photo
from restore_cli.batch.encode import Encode, Encoded, EncodeOptions, encode_photo
from restore_cli.batch.journal import Entry, fingerprint
from restore_cli.batch.ledger import Existing, Ledger
from restore_cli.batch.location import Location
from restore_cli.batch.plan import Job
from restore_cli.batch.processor import GroupProcessor, Processed, Processor
from restore_cli.batch.report.thumbnails import take_pictures
from restore_cli.batch.result import PhotoResult, Pictures
from restore_cli.batch.sidecar import sidecar
from restore_cli.batch.source import read_source
from restore_cli.errors import OldPhotoError, PhotoUnreadable, explained
from restore_cli.imaging import Photo, read, read_mask
from restore_cli.imaging.atomic import write_to_stream
from restore_cli.imaging.photo import Pixels

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Order:
    """What every worker of a run does: picklable, so that it can travel to other machines."""

    processor: Processor
    encode: Encode = encode_photo
    existing: Existing = "skip"
    options: EncodeOptions = field(default_factory=EncodeOptions)
    thumbnail_px: int | None = None
    """Long side of the report's pictures; None takes none."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A photo ready for the device."""

    job: Job
    original: bytes
    photo: Photo
    mask: NDArray[np.bool_] | None
    input_sha256: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Computed:
    """A photo ready to be written."""

    prepared: Prepared
    processed: Processed
    seconds: float


class Worker:
    """Does the photos of one order. `prepare` and `deliver` may run in any thread, `compute` in one at a time."""

    def __init__(self, order: Order, *, stdin: BinaryIO | None = None, stdout: BinaryIO | None = None) -> None:
        self.order = order
        self._stdin, self._stdout = stdin, stdout
        self.model = order.processor.model()
        self.settings: Mapping[str, object] = {
            **order.processor.settings(),
            "quality": order.options.quality,
            "strip_metadata": order.options.strip_metadata,
        }
        """What shapes all results beside the photos and the model."""
        self._loaded = False
        self._ledger = Ledger(order.existing)

    def prepare(self, job: Job) -> Prepared | PhotoResult:
        """Decide whether there is anything to do, and read the photo."""
        return self._at_the_edge(job, 0.0, lambda started: self._prepare(job, started))

    def compute(self, prepared: Prepared) -> Computed | PhotoResult:
        """Run the processor. An error that is not about this photo alone (weights, device) is raised."""
        self._load_once()

        def act(started: float) -> Computed | PhotoResult:
            job = prepared.job
            # Another run on the same folder may have done it since it was read.
            if (entry := self._entry_if_done(job, prepared.input_sha256)) is not None:
                return self._skipped(job, entry, prepared.original, started)
            processed = self.order.processor.process(prepared.photo, prepared.mask)
            seconds = prepared.seconds + time.perf_counter() - started
            return Computed(prepared=prepared, processed=processed, seconds=seconds)

        return self._at_the_edge(prepared.job, prepared.seconds, act)

    @property
    def photos_at_once(self) -> int:
        """How many photos `compute_all` is worth calling with."""
        processor = self.order.processor
        return processor.photos_at_once if isinstance(processor, GroupProcessor) else 1

    def compute_all(self, group: Sequence[Prepared]) -> list[Computed | PhotoResult]:
        """`compute` for several photos at once, in their order, where the processor gains by it."""
        processor = self.order.processor
        if len(group) > 1 and isinstance(processor, GroupProcessor):
            try:
                return self._compute_together(processor, group)
            except Exception:  # the edge of these photos: whose fault it was shows when each is done alone
                logger.debug("photos that failed together are done one by one", exc_info=True)
        return [self.compute(prepared) for prepared in group]

    def deliver(self, computed: Computed) -> PhotoResult:
        """Write everything the job asks for, whole, and note it in the journal."""
        job = computed.prepared.job
        return self._at_the_edge(job, computed.seconds, lambda started: self._deliver(computed, started))

    def _load_once(self) -> None:
        if not self._loaded:
            self.order.processor.load()
            self._loaded = True

    def _compute_together(self, processor: GroupProcessor, group: Sequence[Prepared]) -> list[Computed | PhotoResult]:
        """The time is shared out by the photos' sizes."""
        self._load_once()
        started = time.perf_counter()
        made = processor.process_all([(prepared.photo, prepared.mask) for prepared in group])
        per_value = (time.perf_counter() - started) / sum(prepared.photo.pixels.size for prepared in group)
        return [
            Computed(
                prepared=prepared,
                processed=processed,
                seconds=prepared.seconds + per_value * prepared.photo.pixels.size,
            )
            for prepared, processed in zip(group, made, strict=True)
        ]

    def _at_the_edge(self, job: Job, before: float, act: Callable[[float], T]) -> T | PhotoResult:
        """The edge of a photo: whatever goes wrong with it is one failed row, and the others go on."""
        token = current_photo.set(job.shown)
        started = time.perf_counter()
        try:
            return act(started)
        except OldPhotoError as error:
            if error.exit_code != OldPhotoError.exit_code:
                raise
            message = f"{error.message.rstrip('.')}. {error.hint}".rstrip() if error.hint else error.message
        except Exception as error:
            logger.debug("unexpected error", exc_info=True)
            message = explained(error)
        finally:
            current_photo.reset(token)
        seconds = before + time.perf_counter() - started
        return PhotoResult(input=job.shown, output=None, status="failed", seconds=seconds, error=message)

    def _prepare(self, job: Job, started: float) -> Prepared | PhotoResult:
        if job.problem:
            raise PhotoUnreadable(job.problem, path=job.shown)
        self._ledger.prepare(job.targets)
        original = read_source(job.source, self._stdin)
        mask_bytes = read_source(job.given_mask, None) if job.given_mask else b""
        input_sha256 = _sha256(original) + (_sha256(mask_bytes) if job.given_mask else "")
        if (entry := self._entry_if_done(job, input_sha256)) is not None:
            return self._skipped(job, entry, original, started)
        self._ledger.refuse_loss(job.targets, job.source, input_sha256)
        photo = _decode(original, job)
        mask = read_mask(job.given_mask, photo.pixels.shape[:2]) if job.given_mask else None
        seconds = time.perf_counter() - started
        return Prepared(job=job, original=original, photo=photo, mask=mask, input_sha256=input_sha256, seconds=seconds)

    def _entry_if_done(self, job: Job, input_sha256: str) -> Entry | None:
        if job.target is None:
            return None
        settings_sha256 = self._settings_sha256(job)
        return self._ledger.done(
            job.target, wanted=job.targets, input_sha256=input_sha256, settings_sha256=settings_sha256
        )

    def _skipped(self, job: Job, entry: Entry, original: bytes, started: float) -> PhotoResult:
        pictures, target = None, job.target
        if self.order.thumbnail_px is not None and target is not None:
            pictures = self._pictures(_decode(original, job).pixels, read(read_source(target, None)).pixels, None)
        return PhotoResult(
            input=job.shown,
            output=job.shown_target,
            status="skipped",
            seconds=time.perf_counter() - started,
            size=entry.size,
            damaged_fraction=entry.damaged_fraction,
            faces=entry.faces,
            notes=entry.notes,
            pictures=pictures,
        )

    def _deliver(self, computed: Computed, started: float) -> PhotoResult:
        prepared, processed = computed.prepared, computed.processed
        job, photo = prepared.job, prepared.photo
        encoded = self.order.encode(job, prepared.original, photo, processed, self.model, self.order.options)
        pictures = self._pictures(photo.pixels, processed.pixels, processed.mask)
        height, width = photo.pixels.shape[:2]
        result = PhotoResult(
            input=job.shown,
            output=job.shown_target,
            status="unchanged" if processed.unchanged else "done",
            seconds=computed.seconds + time.perf_counter() - started,
            size=(width, height),
            damaged_fraction=processed.damaged_fraction,
            faces=processed.faces,
            notes=(*encoded.notes, *processed.notes),
            pictures=pictures,
        )
        if job.target is None:
            assert self._stdout is not None
            write_to_stream(self._stdout, encoded.result)
        else:
            self._ledger.enter(
                job.target,
                self._contents(computed, encoded, result),
                result,
                source=job.source,
                input_sha256=prepared.input_sha256,
                settings_sha256=self._settings_sha256(job),
            )
        return replace(result, seconds=computed.seconds + time.perf_counter() - started)

    def _contents(self, computed: Computed, encoded: Encoded, result: PhotoResult) -> dict[Location, bytes]:
        """Every file to write with its content, the result last: once it is there, all is."""
        job = computed.prepared.job
        assert job.target is not None
        assert result.size is not None
        contents = {job.mask_target: encoded.mask, job.overlay_target: encoded.overlay}
        if job.sidecar_target is not None:
            contents[job.sidecar_target] = sidecar(
                job,
                computed.processed,
                original=computed.prepared.original,
                result=encoded.result,
                model=self.model,
                settings=self._settings(job),
                size=result.size,
                notes=result.notes,
            )
        contents[job.target] = encoded.result
        return {path: content for path, content in contents.items() if path is not None and content is not None}

    def _settings(self, job: Job) -> dict[str, object]:
        return {**self.settings, "format": job.format}

    def _settings_sha256(self, job: Job) -> str:
        return fingerprint([self._settings(job), self.model.sha256])

    def _pictures(self, before: Pixels, after: Pixels, mask: NDArray[np.bool_] | None) -> Pictures | None:
        px = self.order.thumbnail_px
        return None if px is None else take_pictures(before, after, mask, long_side_px=px)


def _decode(original: bytes, job: Job) -> Photo:
    """Decode, and say the file's name where something is wrong: the decoder saw only bytes."""
    try:
        return read(original)
    except OldPhotoError as error:
        raise type(error)(f"{job.shown}: {error.message}", hint=error.hint, path=job.shown) from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
