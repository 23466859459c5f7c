"""Watching folders: photos are taken up once they are fully written."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from restore_cli.batch.discover import Found, find_photos
from restore_cli.batch.location import Location, UrlPath, parse_location
from restore_cli.batch.names import folded, ignores_case
from restore_cli.batch.plan import Job, PlanOptions, folder_job
from restore_cli.batch.result import PhotoResult
from restore_cli.errors import UsageProblem

logger = logging.getLogger(__name__)
State = tuple[int, int]
"""Size in bytes and time of the last change: a file whose state stays the same between two looks is written."""


class Watcher:
    """Looks at folders again and again; each look gives the photos that have become ready since the one before.

    A photo that changes later, or whose mask does, is given out again. Looks should be a second or more apart: a
    scanner that pauses longer while it writes ends as a failed row, and is tried again when it goes on.
    """

    def __init__(self, inputs: Sequence[str], output: str, options: PlanOptions) -> None:
        """Raises UsageProblem for inputs that are not folders, or an output that is none."""
        target = parse_location(output)
        if output == "-" or isinstance(target, UrlPath) or target.is_file():
            raise UsageProblem("--watch writes into a folder", hint="Give a folder as destination.")
        self._folders = [parse_location(name) for name in inputs]
        for folder in self._folders:
            if not isinstance(folder, Path) or not folder.is_dir():
                raise UsageProblem(f"--watch looks at folders, and {folder} is none", hint="Leave --watch out.")
        self._output = target
        self._options = options
        self._seen: dict[Path, tuple[State, State | None]] = {}
        self._given_out: dict[Path, tuple[State, State | None]] = {}
        self._owners: dict[str, str] = {}
        self._ignores_case = ignores_case(self._output)

    def look(self) -> tuple[list[Job], list[PhotoResult]]:
        """Jobs for what is ready now, and a failed row for each photo whose output belongs to another photo."""
        jobs: list[Job] = []
        refused: list[PhotoResult] = []
        for photo in self._ready():
            job = folder_job(photo, self._output, self._options)
            if not self._options.shard.holds(job.key):
                continue
            owner = self._claim(job)
            if owner is None:
                jobs.append(job)
            else:
                error = f"{job.shown_target} is already the output of {owner}. Rename one of the two photos."
                refused.append(PhotoResult(input=job.shown, output=None, status="failed", seconds=0.0, error=error))
        return jobs, refused

    def _ready(self) -> list[Found]:
        try:
            found = find_photos(self._folders, recursive=self._options.recursive, output=self._output)
        except (UsageProblem, OSError) as error:  # a folder that is gone for a moment, as network drives are
            logger.warning("%s", error)
            return []
        ready: list[Found] = []
        states: dict[Path, tuple[State, State | None]] = {}
        for photo in self._options.masks.leave_out_masks(found):
            state = _state(photo.path)
            if not isinstance(photo.path, Path) or state is None:
                continue
            now = states[photo.path] = (state, _state(self._options.masks.for_photo(photo)))
            if self._seen.get(photo.path) == now != self._given_out.get(photo.path):
                self._given_out[photo.path] = now
                ready.append(photo)
        self._seen = states
        return ready

    def _claim(self, job: Job) -> str | None:
        """Note the job's outputs as taken; the owner instead, if another photo has one of them."""
        keys = [folded(target) if self._ignores_case else str(target) for target in job.targets]
        for key in keys:
            if self._owners.get(key, job.shown) != job.shown:
                return self._owners[key]
        self._owners.update(dict.fromkeys(keys, job.shown))
        return None


def _state(path: Location | None) -> State | None:
    if not isinstance(path, Path):
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
