"""Names of outputs: what a photo's result is called, and which two names mean the same file."""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from restore_cli.batch.location import Location, UrlPath
from restore_cli.imaging import format_of_suffix, output_suffix
from restore_cli.imaging.formats import written_format


@dataclass(frozen=True, kw_only=True)
class Naming:
    """How outputs are called after their inputs."""

    format: str = "same"
    """Format of the result: "same" or one that `imaging.write` knows."""
    suffix: str = ""
    """Added to the stem of each result."""
    as_mask: bool = False
    """The result is a mask: NAME_mask.png."""
    save_mask: bool = False
    """A mask is written beside the result."""
    sidecar: bool = False
    """A NAME.json is written beside the result."""
    overlay: bool = False
    """A NAME_overlay.png is written beside the result."""

    def result_name(self, input_name: str) -> str:
        """ "a.jpg" -> "a.jpg", "a_restored.png", "a_mask.png"... following the settings."""
        stem, own_suffix = Path(input_name).stem, Path(input_name).suffix
        if self.as_mask:
            return f"{stem}{self.suffix}_mask.png"
        # A name that says no format keeps saying none: only the content knows, and it is not read yet.
        says_none = format_of_suffix(own_suffix) is None
        new_suffix = own_suffix if self.format == "same" and says_none else output_suffix(own_suffix, self.format)
        return f"{stem}{self.suffix}{new_suffix}"

    def result_format(self, input_name: str) -> str:
        """`format`, or the one that `result_name` chose because the input's cannot be written."""
        own = format_of_suffix(Path(input_name).suffix)
        written = self.format if own is None else written_format(own, self.format)
        return self.format if written == own else written

    def beside(self, target: Location) -> dict[str, Location]:
        """Everything else written with `target`, by role: "mask", "sidecar", "overlay"."""
        stem = target.stem
        bare = stem.removesuffix("_mask") if self.as_mask else stem
        wanted = {
            "mask": (self.save_mask, f"{bare}_mask.png"),
            "sidecar": (self.sidecar, f"{stem}.json"),
            "overlay": (self.overlay, f"{bare}_overlay.png"),
        }
        return {role: target.with_name(name) for role, (on, name) in wanted.items() if on}


def folded(path: Location) -> str:
    """The same text for all spellings of a path that a file system without case (and Unicode form) takes for one."""
    return unicodedata.normalize("NFC", str(path)).casefold()


def ignores_case(folder: Location) -> bool:
    """Whether names below `folder` (which need not exist yet) that differ only in case are the same file."""
    if isinstance(folder, UrlPath):
        return False
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".oldphoto-case-") as probe:
            return Path(probe.name).with_name(Path(probe.name).name.upper()).exists()
    except OSError:  # read-only: nothing will be written there anyway
        return False


def first_clash(targets: Iterable[tuple[str, Location]], *, fold: bool) -> tuple[str, str, Location] | None:
    """The first two owners that want the same path, and that path; with `fold`, case does not tell paths apart."""
    owners: dict[str, str] = {}
    for owner, target in targets:
        key = folded(target) if fold else str(target)
        if key in owners:
            return owners[key], owner, target
        owners[key] = owner
    return None
