"""The processor behind `oldphoto restore`: a Restorer, loaded when the first photo needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from restore_cli import weights
from restore_cli.batch.processor import Model, Processed
from restore_cli.errors import WeightsMissing
from restore_cli.imaging import Photo
from restore_cli.restoration.settings import Precision, RestoreSettings

if TYPE_CHECKING:
    from restore_cli.restoration.restorer import Restorer


@dataclass
class RestoringProcessor:
    """Restores each photo with one model and the same settings."""

    model_name: str = "auto"
    device: str = "auto"
    precision: Precision = "auto"
    max_memory_bytes: int | None = None
    restore: RestoreSettings = field(default_factory=RestoreSettings)
    _restorer: Restorer | None = field(default=None, init=False, repr=False)

    def model(self) -> Model:
        """Raises WeightsMissing, also for faces that are asked for without their weights."""
        if self.restore.faces in ("on", "largest") and not _faces_installed():
            raise WeightsMissing(
                f"face weights not installed, and --faces {self.restore.faces} needs them",
                hint="run `oldphoto weights download wan2020-faces face-detector`, or use --faces auto",
            )
        found = weights.resolve_model(self.model_name)
        return Model(name=found.name, sha256=found.sha256)

    def settings(self) -> Mapping[str, Any]:
        """Device and memory are left out: they change pixels by rounding only, and a run may move elsewhere."""
        faces = self.restore.faces
        if faces == "auto":  # what it means today: once face weights are installed, faces are worth another run
            faces = "on" if _faces_installed() else "off"
        return {**asdict(self.restore), "faces": faces, "precision": self.precision}

    def load(self) -> None:
        """Raises WeightsMissing, WeightsDamaged, UsageProblem (device)."""
        from restore_cli.restoration.restorer import Restorer

        self._restorer = Restorer.load(
            self.model_name,
            device=self.device,
            precision=self.precision,
            max_memory_bytes=self.max_memory_bytes,
        )

    def process(self, photo: Photo, mask: NDArray[np.bool_] | None) -> Processed:
        """Raises OutOfMemory for this photo alone."""
        assert self._restorer is not None
        result = self._restorer.restore(photo.pixels, mask, self.restore)
        return Processed(
            pixels=result.image,
            mask=result.mask,
            damaged_fraction=result.damaged_fraction,
            faces=tuple(asdict(face) for face in result.faces),
            unchanged=result.unchanged,
            notes=result.notes,
        )


def _faces_installed() -> bool:
    return weights.face_model_paths() is not None and weights.face_detector_path() is not None
