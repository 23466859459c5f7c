from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

import restore_cli
from restore_cli.batch.plan import Job
from restore_cli.batch.processor import Model, Processed
from restore_cli.batch.sidecar import sidecar


def content(now: datetime) -> bytes:
    processed = Processed(
        pixels=np.zeros((2, 3, 3), np.uint8),
        mask=np.zeros((2, 3), bool),
        damaged_fraction=0.25,
        faces=({"box": (1, 2, 3, 4), "score": 0.9, "action": "refined"},),
    )
    return sidecar(
        Job(source=Path("in/a.jpg"), target=Path("out/a.png"), key="a.png"),
        processed,
        original=b"before",
        result=b"after",
        model=Model(name="tiny", sha256="0" * 64),
        settings={"strength": 1.0},
        size=(3, 2),
        notes=("a note",),
        now=now,
    )


def test_everything_that_made_the_result() -> None:
    facts = json.loads(content(datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))))
    assert facts == {
        "tool": {"name": "oldphoto", "version": restore_cli.__version__},
        "model": {"name": "tiny", "sha256": "0" * 64},
        "input": {"name": "a.jpg", "bytes": 6, "sha256": hashlib.sha256(b"before").hexdigest()},
        "output": {"name": "a.png", "bytes": 5, "sha256": hashlib.sha256(b"after").hexdigest()},
        "size": [3, 2],
        "status": "done",
        "settings": {"strength": 1.0},
        "mask": "detected",
        "damaged_fraction": 0.25,
        "faces": [{"box": [1, 2, 3, 4], "score": 0.9, "action": "refined"}],
        "notes": ["a note"],
        "date": "2030-01-02T01:04:05+00:00",
    }


def test_only_the_date_differs_between_two_runs() -> None:
    one, other = (content(datetime(2030, 1, day, tzinfo=timezone.utc)).splitlines() for day in (1, 2))
    assert [line for line, same in zip(one, other, strict=True) if line != same] == [
        b'  "date": "2030-01-01T00:00:00+00:00"'
    ]
