"""One photo in, one photo out: what `oldphoto restore` does to each, and the door for callers from Python."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from restore_cli.errors import UsageProblem, WeightsMissing
from restore_cli.restoration.detector import ScratchDetector
from restore_cli.restoration.faces import FaceRecord, FaceRestorer, load_face_restorer
from restore_cli.restoration.model import RestorationModel
from restore_cli.restoration.pixels import Pixels
from restore_cli.restoration.running import restored_pixels
from restore_cli.restoration.settings import Precision, RestoreSettings
from restore_cli.restoration.shapes import as_colour_planes, as_mask
from restore_cli.restoration.tone import blend_levels, is_sound
from restore_cli.weights import ModelFolder

LARGEST_FULL_ATTENTION_PX = 1024 * 1024
"""Photos beyond it use patch attention where the model has it, as the released "HR" switch is meant."""
LARGEST_BESIDE = 3 * 2**21
"""Values of a photo up to which it shares a GPU with others: a larger one keeps it busy, and wants its memory."""


@dataclass(frozen=True, kw_only=True)
class Restoration:
    """What became of a photo."""

    image: Pixels
    """The photo restored: shape and dtype of the one that came in."""
    mask: NDArray[np.bool_]
    """(H, W), what was taken for damaged."""
    damaged_fraction: float
    faces: tuple[FaceRecord, ...] = ()
    """What was done to each face that was found."""
    unchanged: bool = False
    """Nothing was wrong: `image` holds the very pixels that came in."""
    notes: tuple[str, ...] = ()
    """Sentences for people about what was done otherwise than asked."""


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """A photo on its way: restored, but for its faces."""

    image: Pixels
    """As it came in."""
    planes: Pixels
    """The same as (H, W, C)."""
    damaged: NDArray[np.bool_]
    restored: Pixels
    """(H, W, C) in the photo's dtype; at full strength where faces are still to come."""
    notes: tuple[str, ...] = ()


_Images = Sequence[Pixels]
_Masks = Sequence[NDArray[np.generic] | None]


class Restorer:
    """A model ready to restore photos."""

    def __init__(self, model: RestorationModel, detector: ScratchDetector | None, max_memory_bytes: int | None) -> None:
        self._model, self._detector = model, detector
        self.max_memory_bytes = max_memory_bytes
        self._faces: FaceRestorer | None = None
        self._faces_looked_for = False

    @classmethod
    def load(
        cls,
        model: str | Path = "auto",
        *,
        device: str = "auto",
        precision: Precision = "auto",
        max_memory_bytes: int | None = None,
    ) -> Restorer:
        """Load a model by name ("auto", "small", "wan2020") or from a folder that `oldphoto train` wrote.

        max_memory_bytes: working memory to stay within; None: half of what is free. Raises WeightsMissing,
        WeightsDamaged, UsageProblem (no such device).
        """
        networks = RestorationModel.load(model, device=device, precision=precision)
        if not networks.branches:
            raise WeightsMissing(
                f"the model {networks.folder.name} ({networks.folder.folder}) has no complete mapping",
                hint="train stage 2 into it, or use --model small",
                path=networks.folder.folder,
            )
        detector = None
        if networks.folder.detector is not None:
            detector = ScratchDetector.load(
                networks.folder, device=device, precision=precision, max_memory_bytes=max_memory_bytes
            )
        return cls(networks, detector, max_memory_bytes)

    @property
    def model(self) -> ModelFolder:
        """Name, folder and hash of the model."""
        return self._model.folder

    @property
    def device_name(self) -> str:
        """cpu, cuda, cuda:N or mps."""
        return str(self._model.device)

    @property
    def shares_device(self) -> bool:
        """Whether small photos of `restore_all` are computed beside each other; a CPU is busy with one."""
        return self._model.device.type == "cuda"

    @property
    def precision(self) -> str:
        """The dtype that convolutions run in, as torch names it."""
        return str(self._model.dtype).removeprefix("torch.")

    def restore(
        self,
        image: Pixels,
        mask: NDArray[np.generic] | None = None,
        settings: RestoreSettings | None = None,
    ) -> Restoration:
        """Restore one photo.

        image: uint8 or uint16, (H, W), (H, W, 1) or (H, W, 3) RGB, any size. mask: (H, W), nonzero = damaged; None
        looks for scratches, if the settings say so. Returns the photo in the same shape and dtype. Raises UsageProblem
        for arrays of another kind or a setting the model cannot meet, WeightsMissing if scratches are to be found and
        the model has no detector, OutOfMemory if even the smallest pieces do not fit.
        """
        return self.restore_all([image], [mask], settings)[0]

    def restore_all(
        self,
        images: _Images,
        masks: _Masks | None = None,
        settings: RestoreSettings | None = None,
    ) -> list[Restoration]:
        """Restore several photos, so that a GPU waits less: their faces go through the face generator together, and
        while the CPU fills the damage of one, the GPU has the others.

        images, masks, results and what is raised: as of `restore`; an error of one photo ends the call.
        """
        settings = settings or RestoreSettings()
        masks = [None] * len(images) if masks is None else masks
        if len(masks) != len(images):
            raise UsageProblem(f"{len(images)} photos and {len(masks)} masks", hint="give one mask, or None, for each")
        if not images:
            return []
        with torch.inference_mode():
            faces = self._face_restorer(settings)
            begun_with = settings if faces is None else replace(settings, strength=1.0)
            are_small = all(as_colour_planes(image).size <= LARGEST_BESIDE for image in images)
            begin_all = self._begin_in_threads if self.shares_device and are_small else self._begin_in_turn
            begun = begin_all(images, masks, begun_with)
            if faces is None:
                return [_finish(photo, photo.restored, (), settings) for photo in begun]
            refined = _refine_faces(faces, [photo.restored for photo in begun], settings)
            return [_finish(photo, *face, settings) for photo, face in zip(begun, refined, strict=True)]

    def _begin_in_turn(self, images: _Images, masks: _Masks, settings: RestoreSettings) -> list[_Begun]:
        return [self._begin(image, mask, settings) for image, mask in zip(images, masks, strict=True)]

    def _begin_in_threads(self, images: _Images, masks: _Masks, settings: RestoreSettings) -> list[_Begun]:
        """Each photo in a thread of its own, with its share of the memory."""

        def begin(image: Pixels, mask: NDArray[np.generic] | None) -> _Begun:
            with torch.inference_mode():  # each thread has to say so
                return self._begin(image, mask, settings, sharers=len(images))

        with ThreadPoolExecutor(len(images)) as threads:
            photos = zip(images, masks, strict=True)
            futures = [threads.submit(copy_context().run, begin, image, mask) for image, mask in photos]
            return [future.result() for future in futures]

    def _begin(
        self, image: Pixels, mask: NDArray[np.generic] | None, settings: RestoreSettings, sharers: int = 1
    ) -> _Begun:
        """Find the damage and restore the photo, without its faces, beside so many others that share the memory."""
        planes = as_colour_planes(image)
        damaged = self._damage(planes, mask, settings, sharers)
        if settings.strength == 0:
            return _Begun(image=image, planes=planes, damaged=damaged, restored=planes)
        branch, notes = self._branch(damaged, settings)
        pixels, more = restored_pixels(
            self._model, branch, planes, damaged, settings, self.max_memory_bytes, sharers=sharers
        )
        return _Begun(image=image, planes=planes, damaged=damaged, restored=pixels, notes=notes + more)

    def _face_restorer(self, settings: RestoreSettings) -> FaceRestorer | None:
        """Loaded at the first photo that wants it; None where faces are off or, with auto, not installed."""
        if settings.faces == "off" or settings.strength == 0:
            return None
        if self._faces is None and (settings.faces != "auto" or not self._faces_looked_for):
            self._faces = load_face_restorer(
                settings.faces,
                model=self.model,
                device=self._model.device,
                dtype=self._model.dtype,
                max_memory_bytes=self.max_memory_bytes,
            )
            self._faces_looked_for = True
        return self._faces

    def _damage(
        self, image: Pixels, mask: NDArray[np.generic] | None, settings: RestoreSettings, sharers: int
    ) -> NDArray[np.bool_]:
        """The mask that was given, or what the detector finds, or nothing."""
        if mask is not None:
            return as_mask(mask, image.shape[:2])
        if not settings.scratches:
            return np.zeros(image.shape[:2], bool)
        if self._detector is None:
            raise WeightsMissing(
                f"the model {self.model.name} has no scratch detector",
                hint="train one into its folder with `oldphoto train detector`, or use --no-scratches or --mask",
                path=self.model.folder,
            )
        return self._detector.damage(image, settings.threshold, sharers=sharers)

    def _branch(self, damaged: NDArray[np.bool_], settings: RestoreSettings) -> tuple[str, tuple[str, ...]]:
        """Which mapping: quality without damage, else by --attention and size, as far as the model has them."""
        if settings.attention == "patch" and "patch" not in self._model.branches:
            raise UsageProblem(f"the model {self.model.name} has no patch attention", hint="use --attention auto")
        if not damaged.any():
            wanted = ("quality", "scratch", "patch")
        elif settings.attention == "patch" or (
            settings.attention == "auto" and damaged.size > LARGEST_FULL_ATTENTION_PX and not self._is_local("scratch")
        ):
            wanted = ("patch", "scratch", "quality")
        else:
            wanted = ("scratch", "patch", "quality")
        chosen = next(branch for branch in wanted if branch in self._model.branches)
        if damaged.any() and chosen == "quality":
            return chosen, (f"the model {self.model.name} cannot fill scratches: its quality mapping was used",)
        return chosen, ()

    def _is_local(self, branch: str) -> bool:
        return branch in self._model.branches and self._model.way(branch).is_local


def _refine_faces(
    faces: FaceRestorer, restored: Sequence[Pixels], settings: RestoreSettings
) -> list[tuple[Pixels, tuple[FaceRecord, ...]]]:
    """Refine the faces of (H, W, C) photos; a grey one comes back grey."""
    refined = faces.refine_all(
        [photo if photo.shape[2] == 3 else np.repeat(photo, 3, axis=2) for photo in restored],  # type: ignore[misc]
        strength=settings.face_strength,
        min_face_px=settings.min_face_px,
        which="largest" if settings.faces == "largest" else "all",
    )
    return [
        (cv2.cvtColor(after, cv2.COLOR_RGB2GRAY)[:, :, None] if before.shape[2] == 1 else after, records)  # type: ignore[misc]
        for before, (after, records) in zip(restored, refined, strict=True)
    ]


def _finish(begun: _Begun, restored: Pixels, faces: tuple[FaceRecord, ...], settings: RestoreSettings) -> Restoration:
    """The photo with its faces; the very pixels that came in where nothing was wrong with them."""
    if begun.restored is not restored:  # faces were looked at, and the blend with the original had to wait
        restored = blend_levels(begun.planes, restored, settings.strength)
    fraction = float(begun.damaged.mean())
    touched = fraction or settings.tone != "keep" or any(face.action == "refined" for face in faces)
    unchanged = settings.strength == 0 or (not touched and is_sound(begun.planes, restored))
    return Restoration(
        image=begun.image if unchanged else restored.reshape(begun.image.shape),
        mask=begun.damaged,
        damaged_fraction=fraction,
        faces=faces,
        unchanged=unchanged,
        notes=begun.notes,
    )
