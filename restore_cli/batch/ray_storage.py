"""Do all machines of a run reach the same storage? If not, results could end on some machine's own disk, unnoticed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from restore_cli.batch.location import UrlPath, parse_location
from restore_cli.batch.plan import Job
from restore_cli.errors import UsageProblem
from restore_cli.imaging.atomic import passing_file

SAMPLES = 3
HINT = "Give paths that are the same on every machine, such as those of a shared disk."


@dataclass(frozen=True, kw_only=True)
class Landmarks:
    """What a machine has to see before it may work."""

    photos: tuple[Path, ...]
    """Some of the inputs: one of them at least is there, unless somebody takes photos away during the run."""
    mark: Path | None
    """A file that the run has put into an output folder; None where it could not, or has none on a disk."""
    addresses: tuple[str, ...] = ()
    """One of each kind of store: its plugin has to be there."""

    def look(self) -> None:
        """Raises UsageProblem if this machine does not see them."""
        for address in self.addresses:
            parse_location(address)
        if self.photos and not any(map(os.path.lexists, self.photos)):
            raise UsageProblem(f"{self.photos[0]} is not there", hint=HINT)
        if self.mark is not None and not os.path.lexists(self.mark):
            raise UsageProblem(f"{self.mark.parent} is not the folder that the command was given", hint=HINT)


@contextlib.contextmanager
def set_landmarks(jobs: Sequence[Job]) -> Iterator[Landmarks]:
    """What shows that a disk is the one meant, as long as the block runs."""
    sources = [job.source for job in jobs if isinstance(job.source, Path)]
    folder = next((job.target.parent for job in jobs if isinstance(job.target, Path)), None)
    urls = [place for job in jobs for place in (job.source, job.target) if isinstance(place, UrlPath)]
    with contextlib.ExitStack() as stack:
        mark = None
        if folder is not None:
            with contextlib.suppress(OSError):  # each photo's row will say what is wrong with the folder
                folder.mkdir(parents=True, exist_ok=True)
                mark = stack.enter_context(passing_file(folder / "run"))
        yield Landmarks(
            photos=tuple(sources[:: max(1, len(sources) // SAMPLES)][:SAMPLES]),
            mark=mark,
            addresses=tuple({url.scheme: str(url) for url in urls}.values()),
        )
