"""How one photo of a batch ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

Status = Literal["done", "unchanged", "skipped", "failed"]


class Face(TypedDict):
    """One face that was found, as `--json`, sidecar, journal and report tell it."""

    box: Sequence[int]
    """x, y, width, height in photo pixels; a face that the edge cuts may reach beyond it."""
    score: float
    """The detector's confidence, 0 to 1."""
    action: str
    """"refined", or "left: " and why."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Small JPEGs of one photo for the report."""

    before: bytes
    after: bytes
    mask: bytes | None


@dataclass(frozen=True, kw_only=True)
class PhotoResult:
    """One row of a run, whichever engine made it. Holds no pixels but the report's thumbnails."""

    input: str
    """Path as the user wrote it or as it was found below a folder of the user's; "-" is stdin."""
    output: str | None
    """Path of the photo (or mask) written; "-" is stdout, None where nothing was written."""
    status: Status
    """done: restored now; unchanged: nothing was wrong, passed through; skipped: done by an earlier run; failed."""
    seconds: float
    """Time spent on this photo in all stages, waiting not counted."""
    size: tuple[int, int] | None = None
    """(width, height) in pixels, as people say it; None where the photo could not be read."""
    damaged_fraction: float | None = None
    """Share of the pixels that counted as damaged, 0 to 1."""
    faces: tuple[Face, ...] | None = None
    """Every face that was found; None where the photo was not done, or by a version that only counted them."""
    error: str | None = None
    """What went wrong and what to do about it; None unless failed."""
    notes: tuple[str, ...] = ()
    """One sentence for each thing a careful user may want to know."""
    pictures: Pictures | None = None
    """For the report; None unless one is wanted."""

    def to_json(self) -> str:
        """One line with the keys that docs and cli contract name: they do not change without an issue."""
        return json.dumps(
            {
                "input": self.input,
                "output": self.output,
                "status": self.status,
                "seconds": round(self.seconds, 3),
                "size": self.size,
                "damaged_fraction": self.damaged_fraction,
                "faces": self.faces,
                "error": self.error,
            }
        )


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What a run came to, so far."""

    done: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    megapixels: float = 0.0
    """Of the photos done or unchanged: skipped ones were not computed."""

    @property
    def photos(self) -> int:
        """All rows."""
        return self.done + self.unchanged + self.skipped + self.failed

    def plus(self, result: PhotoResult) -> Tally:
        """The tally with one more row."""
        counts = {name: getattr(self, name) for name in ("done", "unchanged", "skipped", "failed")}
        counts[result.status] += 1
        computed = result.size if result.status in ("done", "unchanged") else None
        added = computed[0] * computed[1] / 1e6 if computed else 0.0
        return Tally(**counts, megapixels=self.megapixels + added)
