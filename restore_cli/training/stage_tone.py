"""The tone network's training: thumbnails of aged photos in, the tones of the clean ones out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from restore_cli.networks import ToneConfig, ToneNet
from restore_cli.networks.tone import correct, thumbnail
from restore_cli.training.config import DataConfig, LoopConfig
from restore_cli.training.data import AgedCrops, Sample
from restore_cli.training.losses import psnr_of_tensors, root_error
from restore_cli.training.model_folder import declare_roles
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.photo_folder import PhotoFolder
from restore_cli.training.preparation import fill_damage
from restore_cli.training.stage import Batch, Losses, Player
from restore_cli.training.validation import means, validation_samples, with_sound
from restore_cli.weights.network_file import save_network


@dataclass(frozen=True, kw_only=True)
class ToneStageConfig:
    """The network; its loss is the root of the mean squared error of each photo."""

    network: ToneConfig = field(default_factory=ToneConfig)


class ToneStage:
    """Photos, nearly whole, are aged at the size of the crop and shrunk to the network's thumbnail; a detector's masks
    are imitated.
    """

    name = "tone"

    def __init__(
        self,
        *,
        config: ToneStageConfig,
        loop: LoopConfig,
        data: DataConfig,
        clean: Path,
        damage: Path | None,
        start: ToneNet | None = None,
    ) -> None:
        """start: go on from this one, whatever its size."""
        self.config, self.loop, self.data = config, loop, data
        self.photos = PhotoFolder.find(clean, validation=data.validation_photos, part=data.part)
        self.damage = DamageOutlines.load(damage) if damage else None
        torch.manual_seed(loop.seed)
        self.networks = nn.ModuleDict({"tone": start or ToneNet(config.network)})
        self.networks.requires_grad_(True)
        self.frozen = nn.ModuleDict()

    def players(self) -> tuple[Player, ...]:
        """The network alone."""
        return (Player(name="tone", networks=("tone",), objective=self.objective),)

    def objective(self, batch: Batch) -> Losses:
        """Damage is left out of the comparison: filling it is the mapping's task."""
        side = self.config.network.thumbnail
        aged, clean, sound = sound_thumbnails(batch["aged"], batch["clean"], batch["mask"], side)
        transforms = self.networks["tone"](batch["surroundings"])
        corrected = correct(aged, transforms, top=0, left=0, height=side, width=side)
        return {"rmse": root_error(corrected, clean, sound)}

    def dataset(self) -> Dataset[Sample]:
        """Aged crops of the training photos; a crop stands for the whole photo, so it has no context."""
        return AgedCrops(
            self.photos.training,
            replace(self.data, context=0),
            seed=self.loop.seed,
            damage=self.damage,
            surroundings_px=self.config.network.thumbnail,
        )

    def validate(self, networks: nn.ModuleDict) -> dict[str, float]:
        """PSNR of the thumbnails on each recipe, before and after, and of clean photos."""
        scores: dict[str, list[float]] = {}
        for name, samples in with_sound(self._samples).items():
            both = [self._scores(networks, sample) for sample in samples]
            if name != "sound":
                scores[f"{name}_aged_db"] = [before for before, _ in both]
            scores[f"{name}_psnr_db"] = [after for _, after in both]
        return means(scores)

    @cached_property
    def _samples(self) -> dict[str, list[Sample]]:
        return validation_samples(self.photos.validation, self.data, damage=self.damage)

    def _scores(self, networks: nn.ModuleDict, sample: Sample) -> tuple[float, float]:
        """PSNR of the sound part of a thumbnail, before and after, its damage known."""
        side = self.config.network.thumbnail
        device = next(networks.parameters()).device
        whole, clean, damage = (sample[key][None].to(device) for key in ("aged", "clean", "mask"))
        tone = networks["tone"]
        assert isinstance(tone, ToneNet)
        transforms = tone(thumbnail(whole, fill_damage(whole, damage), damage, side))
        small, wanted, sound = sound_thumbnails(whole, clean, damage, side)
        corrected = correct(small, transforms, top=0, left=0, height=side, width=side).clamp(-1, 1)
        return psnr_of_tensors(small, wanted, sound), psnr_of_tensors(corrected, wanted, sound)

    def export(self, networks: nn.ModuleDict, folder: Path) -> None:
        """Write tone.safetensors."""
        save_network(networks["tone"], folder / "tone.safetensors")
        declare_roles(folder, {"tone": "tone.safetensors"})


def sound_thumbnails(aged: Tensor, clean: Tensor, mask: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Photos (B, 3, H, W) shrunk to (B, 3, side, side), the means of what is sound by mask (B, 1, H, W), its share.

    In plain means a hole's rim is half a hole, and the network would learn to darken it.
    """
    sound = F.adaptive_avg_pool2d(1 - mask, side)
    aged, clean = (F.adaptive_avg_pool2d(p * (1 - mask), side) / sound.clamp_min(1e-4) for p in (aged, clean))
    return aged, clean, sound
