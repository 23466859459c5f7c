"""What can be asked of a restoration: the library's own names for the options of `oldphoto restore`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from restore_cli.errors import UsageProblem

Attention = Literal["auto", "full", "patch"]
Faces = Literal["auto", "off", "on", "largest"]
Tone = Literal["keep", "stretch"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True, kw_only=True)
class RestoreSettings:
    """Settings of one restoration. Raises UsageProblem where a value is out of its range."""

    scratches: bool = True
    """Look for scratches and fill them; False is the plain quality path."""
    threshold: float = 0.4
    """Probability from which a pixel counts as damaged (0.4 as released)."""
    attention: Attention = "auto"
    """full: partial non-local block; patch: multi-scale patch attention, for models that have it."""
    faces: Faces = "auto"
    """auto: where the face weights are installed; largest: only the largest face of a photo."""
    face_strength: float = 1.0
    """Blend of the refined face with the face as it was, 0 to 1."""
    min_face_px: int = 24
    """Smallest side of a face that is refined."""
    tone: Tone = "keep"
    """stretch: the result's darkest value becomes 0 and its brightest 1, as the released code does."""
    strength: float = 1.0
    """Blend of the result with the photo as it was; 0 gives back its pixels exactly."""

    def __post_init__(self) -> None:
        for name, choices in (("attention", Attention), ("faces", Faces), ("tone", Tone)):
            if getattr(self, name) not in get_args(choices):
                raise UsageProblem(f"{name} is {getattr(self, name)!r}", hint=f"give {', '.join(get_args(choices))}")
        for name in ("threshold", "face_strength", "strength"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise UsageProblem(f"{name} is {value}", hint=f"give a {name.replace('_', '-')} between 0 and 1")
        if self.min_face_px < 1:
            raise UsageProblem(f"min_face_px is {self.min_face_px}", hint="give a --min-face of at least 1 pixel")
