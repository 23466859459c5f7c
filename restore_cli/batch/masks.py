"""Damage given by hand: which mask belongs to which photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from restore_cli.batch.discover import Found, real_path
from restore_cli.batch.location import Location
from restore_cli.errors import UsageProblem


@dataclass(frozen=True, kw_only=True)
class MaskSource:
    """One mask for every photo, or a folder of masks, or neither."""

    file: Path | None = None
    folder: Path | None = None
    """Holds NAME_mask.png or NAME.png for a photo NAME.*, in the same subfolders as the photos."""

    def __post_init__(self) -> None:
        if self.file and self.folder:
            raise UsageProblem("--mask and --mask-dir exclude each other", hint="Give one of them.")
        if self.file and not self.file.is_file():
            raise UsageProblem(f"the mask {self.file} does not exist", hint="Give a picture, white where damaged.")
        if self.folder and not self.folder.is_dir():
            raise UsageProblem(f"the mask folder {self.folder} does not exist", hint="Give a folder of NAME.png files.")

    def for_photo(self, photo: Found) -> Path | None:
        """The photo's mask, None where there is none and damage must be detected."""
        if self.folder is None:
            return self.file
        stem = photo.below.stem
        for name in (f"{stem}_mask.png", f"{stem}.png"):
            mask = self.folder / photo.below.parent / name
            # Masks may lie among the photos: then NAME.png is the photo itself.
            if mask.is_file() and not (photo.path is not None and _same_file(mask, photo.path)):
                return mask
        return None

    def leave_out_masks(self, found: Sequence[Found]) -> list[Found]:
        """The photos among `found`: where a mask lies among the photos, be it one for all or NAME_mask.png of another
        photo, it is not one.
        """
        if self.file is None and self.folder is None:
            return list(found)
        masks = {real_path(mask) for mask in map(self.for_photo, found) if mask is not None}
        return [photo for photo in found if photo.path is None or real_path(photo.path) not in masks]

    def check_any_match(self, *, jobs_have_masks: bool) -> None:
        """Raises UsageProblem if a folder of masks fits no photo at all, which is a wrong folder."""
        if self.folder is not None and not jobs_have_masks:
            raise UsageProblem(
                f"no mask in {self.folder} belongs to a photo",
                hint="A mask for NAME.jpg is called NAME.png or NAME_mask.png, in the same subfolder.",
                path=self.folder,
            )


def _same_file(one: Path, other: Location) -> bool:
    try:
        return isinstance(other, Path) and one.samefile(other)
    except OSError:
        return False
