"""The training of the fusion: aged crops restored at several octaves by networks that stay as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from restore_cli.errors import UsageProblem
from restore_cli.networks import VAE, Fusion, FusionConfig, Mapping, ScratchUNet, SecondLook, ToneNet
from restore_cli.networks.fusion import octaves
from restore_cli.networks.half_size import SHRINK, shrunk
from restore_cli.training.config import DataConfig, LoopConfig
from restore_cli.training.data import AgedCrops, Sample
from restore_cli.training.losses import dissimilarity, laplacian_l1, psnr_of_tensors, root_error
from restore_cli.training.model_folder import declare_roles
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.photo_folder import PhotoFolder
from restore_cli.training.preparation import Preparation
from restore_cli.training.ranges import refuse_outside
from restore_cli.training.stage import Batch, Losses, Player
from restore_cli.training.validation import means, validation_samples, with_sound
from restore_cli.weights.network_file import save_network

SMALLEST_PX = 16
"""Side of a crop's farthest octave from which on the networks that restore have enough to pad."""


@dataclass(frozen=True, kw_only=True)
class FusionStageConfig:
    """The network, and the weights of its losses beside the root of each crop's mean squared error."""

    network: FusionConfig = field(default_factory=FusionConfig)
    octaves: int = 3
    """At which a crop is restored, whatever its size."""
    laplacian: float = 0.5
    ssim: float = 0.5
    """Of the crop itself alone."""
    farther_share: float = 0.5
    """Of the losses of each octave in those of the next nearer one."""
    detected_share: float = 0.75
    """Share of the batch that gets the detector's mask instead of the true one."""
    threshold: tuple[float, float] = (0.3, 0.5)
    """Range of the threshold drawn for a detected mask."""

    def __post_init__(self) -> None:
        refuse_outside(self, 2, 8, "octaves")
        refuse_outside(self, 0, math.inf, "laplacian", "ssim", "farther_share")
        refuse_outside(self, 0, 1, "detected_share", "threshold")


@dataclass(frozen=True, kw_only=True)
class RestoringNetworks:
    """What restores each octave."""

    vae_a: VAE
    mapping: Mapping
    vae_b: VAE
    detector: ScratchUNet | None = None
    second_look: SecondLook | None = None
    tone: ToneNet | None = None


class FusionStage:
    """Aged crops in, restored at several octaves and fused."""

    name = "fusion"

    def __init__(
        self,
        *,
        config: FusionStageConfig,
        loop: LoopConfig,
        data: DataConfig,
        clean: Path,
        damage: Path | None,
        restoring: RestoringNetworks,
        start: Fusion | None = None,
    ) -> None:
        """start: go on from this one, whatever its size. Raises UsageProblem for crops that do not halve so often."""
        multiple = config.network.size_multiple << (config.octaves - 2)
        smallest = SMALLEST_PX << (config.octaves - 1)
        if data.crop % multiple or data.crop < smallest:
            raise UsageProblem(
                f"a crop of {data.crop} px cannot be fused from {config.octaves} octaves",
                hint=f"take fewer octaves, or a crop that is a multiple of {multiple} and at least {smallest}",
            )
        self.config, self.loop, self.data = config, loop, data
        self.photos = PhotoFolder.find(clean, validation=data.validation_photos, part=data.part)
        self.damage = DamageOutlines.load(damage) if damage else None
        torch.manual_seed(loop.seed)
        self.networks = nn.ModuleDict({"fusion": start or Fusion(config.network)})
        self.networks.requires_grad_(True)
        self.restoring = restoring
        present = {name: part for name, part in vars(restoring).items() if part is not None}
        self.frozen = nn.ModuleDict(present)
        self.preparation = Preparation(
            detector=restoring.detector,
            second_look=restoring.second_look,
            tone=restoring.tone,
            fills=restoring.mapping.config.guess,
            margin_px=data.context,
        )

    def players(self) -> tuple[Player, ...]:
        """The network alone."""
        return (Player(name="fusion", networks=("fusion",), objective=self.objective),)

    def objective(self, batch: Batch) -> Losses:
        """Weighted losses of one batch: of the crop, and a share of those of each crop half as large."""
        config = self.config
        share, threshold = config.detected_share, config.threshold
        mask = self.preparation.training_mask(batch, share=share, threshold=threshold, seed=self.loop.seed)
        made = _fused(self.networks, self._restored(self.preparation.shown(batch, mask), mask, config.octaves))
        clean, weight, losses = batch["clean"], 1.0, dict[str, Tensor]()
        for image in made[:-1]:
            every = torch.ones_like(image[:, :1])
            own = {"rmse": root_error(image, clean, every), "laplacian": config.laplacian * laplacian_l1(image, clean)}
            if image is made[0]:
                own["ssim"] = config.ssim * dissimilarity(image, clean)
            losses |= {name: losses.get(name, 0) + weight * loss for name, loss in own.items()}
            clean, weight = shrunk(clean), config.farther_share * weight
        return losses

    def _restored(self, shown: Tensor, mask: Tensor, count: int) -> list[_Octave]:
        """What is shown, (B, 3, H, W), at so many octaves, nearest first."""
        made = [self._octave(shown, mask)]
        while len(made) < count:
            nearer = made[-1]
            made.append(self._octave(shrunk(nearer.shown), (shrunk(nearer.mask) >= 0.5).to(mask.dtype)))
        return made

    def _octave(self, shown: Tensor, mask: Tensor) -> _Octave:
        with torch.no_grad():
            latent = self.restoring.mapping(self.restoring.vae_a.encoder(shown), mask)
            restored: Tensor = self.restoring.vae_b.decoder(latent)
        return _Octave(shown, mask, restored.float())

    def dataset(self) -> Dataset[Sample]:
        """Aged crops of the training photos, with what lies around them where the tone network sees more than them."""
        tone = self.restoring.tone
        side = tone.config.thumbnail if tone is not None and self.data.context else 0
        return AgedCrops(self.photos.training, self.data, seed=self.loop.seed, damage=self.damage, surroundings_px=side)

    def validate(self, networks: nn.ModuleDict) -> dict[str, float]:
        """PSNR on each recipe and of clean photos, all enlarged twice: of one octave alone, and of all fused."""
        scores: dict[str, list[float]] = {}
        for name, samples in with_sound(self._samples).items():
            both = [self._scores(networks, sample) for sample in samples]
            scores[f"{name}_alone_db"] = [alone for alone, _ in both]
            scores[f"{name}_psnr_db"] = [together for _, together in both]
        return means(scores)

    @cached_property
    def _samples(self) -> dict[str, list[Sample]]:
        return validation_samples(self.photos.validation, self.data, damage=self.damage)

    def _scores(self, networks: nn.ModuleDict, sample: Sample) -> tuple[float, float]:
        """PSNR of a photo restored at its own size, and of its octaves fused.

        As a scan of twice the resolution shows it: most photos to train with are too small to be fused.
        """
        device = next(networks.parameters()).device
        aged, mask, clean = (
            F.interpolate(sample[key][None].to(device), scale_factor=SHRINK, mode=mode)
            for key, mode in (("aged", "bicubic"), ("mask", "nearest"), ("clean", "bicubic"))
        )
        mask = self.preparation.mask_in_use(aged, mask)
        made = self._restored(self.preparation.shown({"aged": aged}, mask), mask, octaves(*aged.shape[2:]))
        alone, together = (image.clamp(-1, 1) for image in (made[0].restored, _fused(networks, made)[0]))
        return psnr_of_tensors(alone, clean), psnr_of_tensors(together, clean)

    def export(self, networks: nn.ModuleDict, folder: Path) -> None:
        """Write fusion.safetensors."""
        save_network(networks["fusion"], folder / "fusion.safetensors")
        declare_roles(folder, {"fusion": "fusion.safetensors"})


@dataclass(frozen=True)
class _Octave:
    """Crops at one of their octaves, and what became of them."""

    shown: Tensor
    """(B, 3, H, W) in [-1, 1]."""
    mask: Tensor
    """(B, 1, H, W), 1 = damaged."""
    restored: Tensor
    """(B, 3, H, W)."""


def _fused(networks: nn.ModuleDict, restored: Sequence[_Octave]) -> list[Tensor]:
    """Each octave, nearest first, fused with those before it; the last one as it is."""
    made = [restored[-1].restored]
    for octave in reversed(restored[:-1]):
        made.insert(0, networks["fusion"](octave.restored, made[0], octave.shown, octave.mask))
    return made
