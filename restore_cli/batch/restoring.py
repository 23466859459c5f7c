"""The processor behind `oldphoto restore`: a Restorer, loaded when the first photo needs it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from restore_cli import weights
from restore_cli.batch.processor import Model, Processed
from restore_cli.batch.result import Face
from restore_cli.errors import WeightsMissing
from restore_cli.imaging import Photo
from restore_cli.restoration.settings import Precision, RestoreSettings

if TYPE_CHECKING:
    from restore_cli.restoration.restorer import Restoration, Restorer

logger = logging.getLogger(__name__)
MOST_AT_ONCE = 8
"""Photos on a GPU: a CPU core fills the damage of each, and a photo's one or two faces alone would leave it idle."""


@dataclass
class RestoringProcessor:
    """Restores each photo with one model and the same settings."""

    model_name: str = "auto"
    device: str = "auto"
    precision: Precision = "auto"
    max_memory_bytes: int | None = None
    restore: RestoreSettings = field(default_factory=RestoreSettings)
    photos_at_once: int = field(default=1, init=False)
    """More on a GPU, once that is known."""
    _restorer: Restorer | None = field(default=None, init=False, repr=False)

    def model(self) -> Model:
        """Raises WeightsMissing, also for faces that are asked for without their weights."""
        found = weights.resolve_model(self.model_name)
        missing = _missing_for_faces(found)
        if missing and self.restore.faces in ("on", "largest"):
            raise WeightsMissing(
                f"face weights not installed, and --faces {self.restore.faces} needs them",
                hint=f"run `oldphoto weights download {missing}`, or use --faces auto",
            )
        return Model(name=found.name, sha256=found.sha256)

    def settings(self) -> Mapping[str, Any]:
        """Device and memory are left out: they change pixels by rounding only, and a run may move elsewhere."""
        settings = {**asdict(self.restore), "precision": self.precision}
        if self.restore.faces == "off":
            return settings
        found = weights.resolve_model(self.model_name)
        generators = weights.face_model_paths(found)
        if generators is None or _missing_for_faces(found):
            return {**settings, "faces": "off"}
        # auto is what it means today: once face weights are installed, or others, faces are worth another run.
        faces = "on" if self.restore.faces == "auto" else self.restore.faces
        return {**settings, "faces": faces, "face_model_sha256": generators.sha256}

    def load(self) -> None:
        """Raises WeightsMissing, WeightsDamaged, UsageProblem (device)."""
        from restore_cli.restoration.memory import warn_if_held
        from restore_cli.restoration.restorer import Restorer

        self._restorer = Restorer.load(
            self.model_name,
            device=self.device,
            precision=self.precision,
            max_memory_bytes=self.max_memory_bytes,
        )
        warn_if_held(self._restorer.device_name, self.max_memory_bytes)
        if self._restorer.device_name != "cpu":
            self.photos_at_once = max(2, min(MOST_AT_ONCE, os.cpu_count() or 1))
        if self.restore.faces == "auto" and (missing := _missing_for_faces(self._restorer.model)):
            logger.warning("faces are left as they are; to refine them: oldphoto weights download %s", missing)

    def process(self, photo: Photo, mask: NDArray[np.bool_] | None) -> Processed:
        """Raises OutOfMemory for this photo alone."""
        return self.process_all([(photo, mask)])[0]

    def process_all(self, photos: Sequence[tuple[Photo, NDArray[np.bool_] | None]]) -> list[Processed]:
        """Raises OutOfMemory for one of them."""
        assert self._restorer is not None
        pixels, masks = [photo.pixels for photo, _ in photos], [mask for _, mask in photos]
        return [_processed(result) for result in self._restorer.restore_all(pixels, masks, self.restore)]


def _processed(result: Restoration) -> Processed:
    return Processed(
        pixels=result.image,
        mask=result.mask,
        damaged_fraction=result.damaged_fraction,
        faces=tuple(cast(Face, asdict(face)) for face in result.faces),
        unchanged=result.unchanged,
        notes=result.notes,
    )


def _missing_for_faces(model: weights.ModelFolder) -> str:
    """Names of the catalogue that have to be installed before faces can be refined with this model; "" for none."""
    missing = [] if weights.face_model_paths(model) else ["wan2020-faces"]
    return " ".join(missing if weights.face_detector_path() else [*missing, "face-detector"])
