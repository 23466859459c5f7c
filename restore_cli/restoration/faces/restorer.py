"""Faces of a photo made clearer: find, align, restore, blend.

Source: Wan et al. 2022, face refinement, and the released code's order of steps.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch

from restore_cli import weights
from restore_cli.errors import WeightsMissing
from restore_cli.networks import FaceGenerator
from restore_cli.restoration.device import resolve_device
from restore_cli.restoration.faces.alignment import LARGEST_MISFIT, Alignment, align
from restore_cli.restoration.faces.blending import FaceChange, blend
from restore_cli.restoration.faces.detection import DOWNLOAD_HINT, Face, FaceDetector
from restore_cli.restoration.faces.generator import Generator, batch_size, changes, on_device
from restore_cli.restoration.faces.warping import cut_out
from restore_cli.restoration.pixels import Pixels
from restore_cli.restoration.settings import Faces

log = logging.getLogger(__name__)

Which = Literal["all", "largest"]
Action = Literal["refined", "left: too small", "left: turned away", "left: not the largest", "left: strength 0"]

LARGEST_ENLARGEMENT = 1.25
"""A face is shown to the smallest generator whose square need not be enlarged by more than this to reach the photo."""


@dataclass(frozen=True, kw_only=True)
class FaceRecord:
    """What was found and what was done, for `--json`, sidecar and report."""

    box: tuple[int, int, int, int]
    """x, y, width, height in photo pixels; a face that the edge cuts may reach beyond it."""
    score: float
    """The detector's confidence, 0 to 1."""
    action: Action


class FaceRestorer:
    """A detector and one or two generators. One object serves one thread."""

    def __init__(
        self, detector: FaceDetector, generators: Mapping[int, Generator], *, max_memory_bytes: int | None = None
    ) -> None:
        """generators: by the side of the faces they take, in pixels. max_memory_bytes: for the generator's batches."""
        self.detector = detector
        self.generators = dict(sorted(generators.items()))
        self.max_memory_bytes = max_memory_bytes

    @classmethod
    def load(
        cls,
        detector_path: Path | None,
        models: weights.FaceModels | None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        max_memory_bytes: int | None = None,
    ) -> FaceRestorer:
        """From installed files. dtype: what the generator's convolutions run in.

        Raises WeightsMissing, naming the command that installs what is not there, and WeightsDamaged.
        """
        if detector_path is None:
            raise WeightsMissing("the face detector is not installed", hint=DOWNLOAD_HINT)
        if models is None:
            raise WeightsMissing(
                "the face generator is not installed", hint="run `oldphoto weights download wan2020-faces`"
            )
        detector = FaceDetector(detector_path)
        device = resolve_device(device) if isinstance(device, str) else device
        paths = [path for path in (models.face_256, models.face_512) if path is not None]
        networks = [cast(FaceGenerator, weights.load_network(path)) for path in paths]
        generators = {n.config.face_px: on_device(n, device=device, dtype=dtype) for n in networks}
        return cls(detector, generators, max_memory_bytes=max_memory_bytes)

    def refine(
        self, image: Pixels, *, strength: float = 1.0, min_face_px: int = 24, which: Which = "all"
    ) -> tuple[Pixels, tuple[FaceRecord, ...]]:
        """One photo with its faces refined, and a record of each face found. See `refine_all`."""
        return self.refine_all([image], strength=strength, min_face_px=min_face_px, which=which)[0]

    def refine_all(
        self, images: Sequence[Pixels], *, strength: float = 1.0, min_face_px: int = 24, which: Which = "all"
    ) -> list[tuple[Pixels, tuple[FaceRecord, ...]]]:
        """Several photos, whose faces share the generator's batches.

        images: each (H, W, 3) RGB, uint8 or uint16; the results are like them. Pixels outside the faces are bit for bit
        those of the input. strength: 1 puts in the restored face, 0 leaves the photo. min_face_px: faces whose longer
        side is below it are left. which: "largest" refines one face a photo.
        """
        found = [self.detector.find(image) for image in images]
        records = [_records(faces, strength=strength, min_face_px=min_face_px, which=which) for faces in found]
        cuts = [
            (number, self._alignment(face))
            for number, faces in enumerate(found)
            for face, record in zip(faces, records[number], strict=True)
            if record.action == "refined"
        ]
        restored = self._restore(images, cuts)
        return [
            (blend(image, restored[number], strength=strength), records[number]) for number, image in enumerate(images)
        ]

    def _alignment(self, face: Face) -> Alignment:
        """On the square of the generator that suits the face's size in the photo."""
        wanted_px = align(face.points, 256).side_px / LARGEST_ENLARGEMENT
        return align(face.points, next((side for side in self.generators if side >= wanted_px), max(self.generators)))

    def _restore(self, images: Sequence[Pixels], cuts: Sequence[tuple[int, Alignment]]) -> dict[int, list[FaceChange]]:
        """The faces of all photos, by the photo's number. cuts: (photo's number, where the face lies)."""
        restored: dict[int, list[FaceChange]] = {number: [] for number in range(len(images))}
        for face_px, generator in self.generators.items():
            chosen = [(number, alignment) for number, alignment in cuts if alignment.face_px == face_px]
            before = [cut_out(images[number], alignment) for number, alignment in chosen]
            made = changes(before, generator, batch=batch_size(face_px, self.max_memory_bytes))
            for (number, alignment), change in zip(chosen, made, strict=True):
                restored[number].append(FaceChange(alignment, change))
        return restored


def load_face_restorer(
    faces: Faces,
    *,
    model: weights.ModelFolder | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    max_memory_bytes: int | None = None,
) -> FaceRestorer | None:
    """What `--faces` asks for: with the face generators of `model` if it has its own, else with the installed ones.

    None: leave faces alone. "auto" without weights is None and one line in the log; "on" and "largest" without weights
    raise WeightsMissing.
    """
    if faces == "off":
        return None
    detector, models = weights.face_detector_path(), weights.face_model_paths(model)
    try:
        return FaceRestorer.load(detector, models, device=device, dtype=dtype, max_memory_bytes=max_memory_bytes)
    except WeightsMissing as missing:
        if faces != "auto":
            raise
        # No warning: nothing installed is a choice, and the command line says it in a line of its own, once a run.
        log.info("faces are left as they are: %s; %s", missing.message, missing.hint)
        return None


def _records(faces: Sequence[Face], *, strength: float, min_face_px: int, which: Which) -> tuple[FaceRecord, ...]:
    """What is done with each face of one photo."""
    actions = [_action(face, strength, min_face_px) for face in faces]
    if which == "largest" and "refined" in actions:
        largest = max((f.side_px, -n) for n, f in enumerate(faces) if actions[n] == "refined")[1]
        actions = [
            "left: not the largest" if action == "refined" and n != -largest else action
            for n, action in enumerate(actions)
        ]
    return tuple(_record(face, action) for face, action in zip(faces, actions, strict=True))


def _action(face: Face, strength: float, min_face_px: int) -> Action:
    if strength == 0:
        return "left: strength 0"
    if face.side_px < min_face_px:
        return "left: too small"
    if align(face.points, 256).misfit > LARGEST_MISFIT:
        return "left: turned away"
    return "refined"


def _record(face: Face, action: Action) -> FaceRecord:
    x, y, width, height = (round(value) for value in face.box)
    return FaceRecord(box=(x, y, width, height), score=round(face.score, 3), action=action)
