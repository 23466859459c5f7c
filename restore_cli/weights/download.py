"""Download models: each missing file from its first good source, checked, installed, its hash remembered."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from restore_cli.errors import DownloadFailed, WeightsDamaged
from restore_cli.weights.catalogue import Catalogue, CatalogueFile, CatalogueModel, load_catalogue
from restore_cli.weights.files import locked
from restore_cli.weights.hashes import known_hashes, remember_hash, sha256_of
from restore_cli.weights.install import install
from restore_cli.weights.installed import is_intact
from restore_cli.weights.parts import PARTS
from restore_cli.weights.places import downloads_folder
from restore_cli.weights.sources import Source, sources
from restore_cli.weights.web import Patience, SourceError

if TYPE_CHECKING:
    from restore_cli.weights.network_file import Header

_log = logging.getLogger(__name__)

Progress = Callable[[str, int, int | None], None]
"""Told the part, how many bytes of it have arrived, and how many there will be (None: unknown)."""


@dataclass(frozen=True)
class Arrival:
    """A part that is installed now."""

    model: str
    part: str
    origin: str | None
    """Where it was downloaded from; None if it was there already."""


def is_offline() -> bool:
    """The environment forbids the network: OLDPHOTO_OFFLINE or huggingface_hub's HF_HUB_OFFLINE is set."""
    words = (os.environ.get(name, "").upper() for name in ("OLDPHOTO_OFFLINE", "HF_HUB_OFFLINE"))
    return any(word in ("1", "ON", "YES", "TRUE") for word in words)


def download(
    names: Iterable[str],
    *,
    offline: bool = False,
    catalogue: Catalogue | None = None,
    patience: Patience | None = None,
    progress: Progress = lambda part, done, total: None,
    layouts: Mapping[str, Header] | None = None,
) -> tuple[Arrival, ...]:
    """Install whatever is missing or damaged of these models. A part that fails does not keep the others from it.

    catalogue: None for the one that is set up (see `load_catalogue`). layouts: see `install`. Raises DownloadFailed,
    offline before any socket is opened, else at the end, with what each source answered in its message or, if several
    parts failed, in the log; UsageProblem for a name that is not in the catalogue; WeightsUnwritable on a full disk.
    """
    catalogue = catalogue or load_catalogue()
    wanted = [(model, file) for model in map(catalogue.model, names) for file in model.files]
    missing = [(model, file) for model, file in wanted if not is_intact(PARTS[file.part])]
    if missing and (offline or is_offline()):
        parts = ", ".join(file.part for _, file in missing)
        raise DownloadFailed(
            f"{parts}: not installed, and working offline",
            hint="drop --offline and unset OLDPHOTO_OFFLINE, or `oldphoto weights import PATH` files you have",
        )
    arrived = [Arrival(model.name, file.part, None) for model, file in wanted if (model, file) not in missing]
    failures: list[DownloadFailed] = []
    for model, file in missing:
        job = _Job(model, file, patience or Patience(), progress, layouts)
        try:
            arrived.append(job.run())
        except DownloadFailed as problem:
            _log.warning("%s", problem)
            failures.append(problem)
    if len(failures) > 1:
        parts = ", ".join(str(problem.path) for problem in failures)
        raise DownloadFailed(f"{len(failures)} parts could not be downloaded: {parts}", hint=failures[0].hint)
    if failures:
        raise failures[0]
    return tuple(arrived)


@dataclass(frozen=True)
class _Job:
    """Getting one file."""

    model: CatalogueModel
    file: CatalogueFile
    patience: Patience
    progress: Progress
    layouts: Mapping[str, Header] | None

    def run(self) -> Arrival:
        """Bring the file from the first source that gives it. Raises DownloadFailed if none does."""
        target = downloads_folder() / self.model.name / f"{self.file.part}{self.file.suffix}"
        with locked(target):
            if is_intact(PARTS[self.file.part]):  # another process was faster
                return Arrival(self.model.name, self.file.part, None)
            failures: list[str] = []
            for source in sources(self.model, self.file):
                try:
                    self._try(source, target)
                except (SourceError, WeightsDamaged) as problem:
                    failures.append(f"{source.label}: {problem}")
                else:
                    return Arrival(self.model.name, self.file.part, source.label)
            raise DownloadFailed(
                f"no source gave {self.file.part} of {self.model.name}: {'; '.join(failures)}",
                hint="run the same command again, it goes on where it stopped, or `oldphoto weights import PATH`",
                path=self.file.part,
            )

    def _try(self, source: Source, target: Path) -> None:
        """Leaves `target` behind only where getting it again would not help: disk full, interrupted."""
        key = f"{self.model.name}/{self.file.part}"
        expected = self.file.sha256 or known_hashes().get(key)
        if not target.exists():
            promised = source.bring(target, expected, self.patience, self._tell)
            expected = expected or promised
        try:
            sha256 = sha256_of(target)
            if expected and sha256 != expected:
                raise SourceError(f"it gave another file (sha256 {sha256}, expected {expected})")
            name = PurePath(self.file.hub_path or self.file.zip_member or self.file.url or target)
            install(target, name, source.label, expected=PARTS[self.file.part], layouts=self.layouts)
        except (SourceError, WeightsDamaged):
            target.unlink()
            raise
        if not self.file.sha256:
            remember_hash(key, sha256)
        for done_with in (target, *target.parent.glob(f"{target.name}.*.part")):
            done_with.unlink()

    def _tell(self, done: int, total: int | None) -> None:
        self.progress(self.file.part, done, total)
