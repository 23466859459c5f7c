"""NAME.json beside a result: where it came from and what was done. The same for the same run, apart from the date."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import restore_cli
from restore_cli.batch.location import Location
from restore_cli.batch.plan import Job
from restore_cli.batch.processor import Model, Processed


def sidecar(
    job: Job,
    processed: Processed,
    *,
    original: bytes,
    result: bytes,
    model: Model,
    settings: Mapping[str, Any],
    size: tuple[int, int],
    notes: Sequence[str],
    now: datetime | None = None,
) -> bytes:
    """The file's content, UTF-8 JSON.

    size: (width, height). notes: what was done otherwise than asked. now: for the date, the current time by default.
    """
    moment = (now or datetime.now(timezone.utc)).astimezone(timezone.utc)
    facts = {
        "tool": {"name": "oldphoto", "version": restore_cli.__version__},
        "model": {"name": model.name, "sha256": model.sha256},
        "input": _file(job.source, original),
        "output": _file(job.target, result),
        "size": size,
        "status": "unchanged" if processed.unchanged else "done",
        "settings": dict(settings),
        "mask": job.given_mask.name if job.given_mask else "detected",
        "damaged_fraction": processed.damaged_fraction,
        "faces": [dict(face) for face in processed.faces],
        "notes": list(notes),
        "date": moment.isoformat(timespec="seconds"),
    }
    return json.dumps(facts, indent=2).encode() + b"\n"


def _file(path: Location | None, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    return {"name": path.name if path else "-", "bytes": len(content), "sha256": digest}
