"""The face generator's training (Wan et al. 2022, face refinement): an aged face in, the clear one out.

Differs from the published training: no adversary and no features of a network trained on data of others, L1 on pixels
and on their differences instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from restore_cli.networks import FaceGenerator, SpadeConfig
from restore_cli.training.config import DataConfig, LoopConfig
from restore_cli.training.crops import Pixels, make_grey
from restore_cli.training.data import PhotoCache, Sample, photo_or_next, to_tensor
from restore_cli.training.losses import gradient_l1, psnr_of_tensors
from restore_cli.training.model_folder import declare_roles
from restore_cli.training.photo_folder import PhotoFolder
from restore_cli.training.ranges import refuse_outside
from restore_cli.training.recipes import Recipe, from_table
from restore_cli.training.stage import Batch, Losses, Player
from restore_cli.training.synthesis import age
from restore_cli.training.validation import means
from restore_cli.weights.network_file import save_network


@dataclass(frozen=True, kw_only=True)
class FaceStageConfig:
    """The network, what it is shown, and the weights of its losses."""

    network: SpadeConfig = field(default_factory=SpadeConfig)
    smallest_face_px: int = 24
    """A face is shown as a photo of this up to the network's `face_px` would hold it, all sizes as often by octave."""
    l1: float = 1.0
    gradient: float = 1.0

    def __post_init__(self) -> None:
        refuse_outside(self, 0, math.inf, "l1", "gradient")
        if self.network.face_px not in (256, 512):
            raise ValueError(f"faces are restored at 256 or 512 px, and face_px is {self.network.face_px}")
        if not 8 <= self.smallest_face_px <= self.network.face_px:
            raise ValueError(f"smallest_face_px is {self.smallest_face_px}, not between 8 and {self.network.face_px}")


class AgedFaces(Dataset[Sample]):
    """Clear faces with an aged version: {"clean", "aged": (3, s, s) in [-1, 1]}. Any index is a sample."""

    def __init__(
        self, crops: Sequence[Path], data: DataConfig, *, face_px: int, smallest_face_px: int, seed: int
    ) -> None:
        """crops: pictures of aligned faces, face_px x face_px."""
        self.crops, self.data, self.seed = crops, data, seed
        self.face_px, self.smallest_face_px = face_px, smallest_face_px
        self.recipe: Recipe = from_table(data.recipe)
        self.cache = PhotoCache(data.cache_mb * 2**20)

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng([self.seed, index])
        clean = photo_or_next(self.crops, self.cache, index, self.seed)
        if rng.random() < 0.5:
            clean = np.ascontiguousarray(clean[:, ::-1])
        if rng.random() < self.data.grey_share:
            clean = make_grey(clean)
        clean, aged = aged_face(clean, rng, self.recipe, self.smallest_face_px)
        return {"clean": to_tensor(clean), "aged": to_tensor(aged)}


def aged_face(clean: Pixels, rng: np.random.Generator, recipe: Recipe, smallest_face_px: int) -> tuple[Pixels, Pixels]:
    """The face (grey where its aged version is) and its aged version as restoration would cut it out of a photo.

    clean: (s, s, 3). It is aged at the size that the photo has it in, then enlarged bilinearly to s x s.
    """
    side = clean.shape[0]
    in_photo = round(float(np.exp(rng.uniform(np.log(smallest_face_px), np.log(side)))))
    small = cv2.resize(clean, (in_photo, in_photo), interpolation=cv2.INTER_AREA)
    old = age(np.asarray(small, np.uint8), rng, recipe)
    enlarged = cv2.resize(old.image, (side, side), interpolation=cv2.INTER_LINEAR)
    is_grey = np.ptp(old.target, axis=2).max() == 0
    return make_grey(clean) if is_grey else clean, np.asarray(enlarged, np.uint8)


class FaceStage:
    """Aged aligned faces in, clear ones out."""

    name = "faces"

    def __init__(self, *, config: FaceStageConfig, loop: LoopConfig, data: DataConfig, crops: Path) -> None:
        """crops: a folder of aligned faces as `cut_faces` writes it. Raises TrainingStopped if it holds too few."""
        self.config, self.loop, self.data = config, loop, data
        self.photos = PhotoFolder.find(crops, validation=data.validation_photos, part=data.part)
        torch.manual_seed(loop.seed)
        self.networks = nn.ModuleDict({"generator": FaceGenerator(config.network)})
        self.frozen = nn.ModuleDict()

    def players(self) -> tuple[Player, ...]:
        """The generator alone."""
        return (Player(name="generator", networks=("generator",), objective=self.objective),)

    def objective(self, batch: Batch) -> Losses:
        """Weighted losses of one batch."""
        restored = self.networks["generator"](batch["aged"]).float()
        return {
            "l1": self.config.l1 * F.l1_loss(restored, batch["clean"]),
            "gradient": self.config.gradient * gradient_l1(restored, batch["clean"]),
        }

    def dataset(self) -> Dataset[Sample]:
        """Aged faces from the training crops."""
        return self._faces(self.photos.training, self.loop.seed)

    def validate(self, networks: nn.ModuleDict) -> dict[str, float]:
        """PSNR of the restored faces kept apart, and of the same faces as they came."""
        samples = self._samples
        restored = [psnr_of_tensors(_restored(networks, s["aged"]), s["clean"]) for s in samples]
        before = [psnr_of_tensors(s["aged"], s["clean"]) for s in samples]
        return means({"psnr_db": restored, "aged_psnr_db": before})

    def export(self, networks: nn.ModuleDict, folder: Path) -> None:
        """Write faces_256.safetensors (or faces_512)."""
        size = self.config.network.face_px
        save_network(networks["generator"], folder / f"faces_{size}.safetensors")
        declare_roles(folder, {f"faces.{size}": f"faces_{size}.safetensors"})

    @cached_property
    def _samples(self) -> list[Sample]:
        faces = self._faces(self.photos.validation, 7)
        return [faces[number] for number in range(len(faces.crops))]

    def _faces(self, crops: Sequence[Path], seed: int) -> AgedFaces:
        return AgedFaces(
            crops,
            self.data,
            face_px=self.config.network.face_px,
            smallest_face_px=self.config.smallest_face_px,
            seed=seed,
        )


def _restored(networks: nn.ModuleDict, aged: Tensor) -> Tensor:
    device = next(networks.parameters()).device
    restored: Tensor = networks["generator"](aged[None].to(device))[0].cpu()
    return restored
