"""Stage 2: the mapping between the two latent spaces (Wan et al. 2020, section 3.3).

As published both VAEs are frozen. `joint` lets the encoder of A and the decoder of B learn with the mapping, from the
picture alone; the bundled model is finished that way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from restore_cli.errors import WeightsDamaged
from restore_cli.networks import VAE, VGG19, Mapping, MappingConfig, ScratchUNet, SecondLook, ToneNet
from restore_cli.networks.discriminator import Discriminator, DiscriminatorConfig
from restore_cli.training.adversary import fool, tell_apart
from restore_cli.training.config import DataConfig, LoopConfig
from restore_cli.training.data import AgedCrops, Sample
from restore_cli.training.losses import dissimilarity, gradient_l1, laplacian_l1, perceptual, psnr_of_tensors
from restore_cli.training.model_folder import declare_roles
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.photo_folder import PhotoFolder
from restore_cli.training.preparation import Preparation
from restore_cli.training.ranges import refuse_outside
from restore_cli.training.sheets import ROWS, Row
from restore_cli.training.stage import Batch, Losses, Player
from restore_cli.training.validation import means, validation_samples, with_sound
from restore_cli.weights.network_file import save_network


@dataclass(frozen=True, kw_only=True)
class MappingStageConfig:
    """The network and the weights of its losses; a weight of 0 leaves a part out."""

    network: MappingConfig = field(default_factory=MappingConfig)
    branch: Literal["quality", "scratch", "patch"] = "scratch"
    """Which of the model's mappings this is."""
    joint: bool = False
    """Train encoder A and decoder B too."""
    latent_l1: float = 60.0
    """Between the mapped latent and VAE B's latent of the clean photo."""
    image_l1: float = 0.0
    gradient: float = 0.0
    laplacian: float = 0.0
    """L1 in octaves, so that noise is seen in spite of a tone that is off."""
    ssim: float = 0.0
    """Times one minus the structural similarity."""
    gan: float = 0.0
    """Being taken for a clean photo by a discriminator that sees the aged one beside it."""
    feature_matching: float = 0.0
    """10 as published; needs gan."""
    perceptual: float = 0.0
    """10 as published; left out where VGG-19 is not installed."""
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    mapping_lr: float = 1.0
    """Times the loop's learning rate; published: 0.5 without scratches, 1 with."""
    discriminator_lr: float = 1.0
    """The same; published: 2 without scratches, 1 with."""
    detected_share: float = 0.0
    """Share of the batch that gets the detector's mask instead of the true one, as it will be in use."""
    threshold: tuple[float, float] = (0.3, 0.6)
    """Range of the threshold drawn for a detected mask."""

    def __post_init__(self) -> None:
        weights = ("latent_l1", "image_l1", "gradient", "laplacian", "ssim", "gan", "perceptual")
        refuse_outside(self, 0, math.inf, *weights, "feature_matching", "mapping_lr", "discriminator_lr")
        refuse_outside(self, 0, 1, "detected_share", "threshold")
        if not any(getattr(self, name) for name in weights):
            raise ValueError(f"{', '.join(weights)} are all 0: one has to have a weight")


class MappingStage:
    """Aged crops and masks in, clean crops out, by way of the latents."""

    def __init__(
        self,
        *,
        config: MappingStageConfig,
        loop: LoopConfig,
        data: DataConfig,
        clean: Path,
        damage: Path | None,
        vae_a: VAE,
        vae_b: VAE,
        detector: ScratchUNet | None,
        second_look: SecondLook | None = None,
        tone: ToneNet | None = None,
        start: Mapping | None = None,
        vgg: VGG19 | None = None,
    ) -> None:
        """detector: needed for detected_share; the validation uses its masks too, or the true ones without it.

        second_look: for the validation alone, since crops are too small to know a photo's colours.
        tone: corrects the tones before the encoder sees a photo, here as in use. start: trained on, if it has the sizes
        of the configuration. vgg: for the perceptual loss. Raises WeightsDamaged if a VAE has another latent.
        """
        self.config, self.loop, self.data = config, loop, data
        self.name = "stage2" if config.branch == "scratch" else f"stage2_{config.branch}"
        _refuse_other_latents(config.network.latent, vae_a=vae_a, vae_b=vae_b)
        self.photos = PhotoFolder.find(clean, validation=data.validation_photos, part=data.part)
        self.damage = DamageOutlines.load(damage) if damage else None
        torch.manual_seed(loop.seed)
        vaes = {"vae_a": vae_a, "vae_b": vae_b}
        self.networks = _learning(config, vaes, start)
        helpers = {"detector": detector, "second_look": second_look, "tone": tone, "vgg": vgg}
        present: dict[str, nn.Module] = {name: helper for name, helper in helpers.items() if helper is not None}
        self.frozen = nn.ModuleDict(present if config.joint else {**vaes, **present})
        self.preparation = Preparation(
            detector=detector,
            second_look=second_look,
            tone=tone,
            fills=config.network.guess,
            margin_px=data.context,
        )

    def players(self) -> tuple[Player, ...]:
        """All that restores learns together; then the judge, from what was just made."""
        restoring = tuple(name for name in self.networks if name != "judge")
        mapping = Player(name="mapping", networks=restoring, objective=self.objective, lr_scale=self.config.mapping_lr)
        if "judge" not in self.networks:
            return (mapping,)
        judge = Player(name="judge", networks=("judge",), objective=self._judge, lr_scale=self.config.discriminator_lr)
        return mapping, judge

    def objective(self, batch: Batch) -> Losses:
        """Weighted losses of one batch."""
        share, threshold = self.config.detected_share, self.config.threshold
        mask = self.preparation.training_mask(batch, share=share, threshold=threshold, seed=self.loop.seed)
        shown = self.preparation.shown(batch, mask)
        mapped = self._map(self.networks, shown, mask)
        losses: Losses = {}
        if self.config.latent_l1:
            with torch.no_grad():
                wanted = self._vae(self.networks, "vae_b").encoder(batch["clean"])
            losses["latent_l1"] = self.config.latent_l1 * F.l1_loss(mapped.float(), wanted.float())
        of_picture = (
            self.config.image_l1,
            self.config.gradient,
            self.config.laplacian,
            self.config.ssim,
            self.config.gan,
            self.config.perceptual,
        )
        if any(of_picture):
            restored: Tensor = self._vae(self.networks, "vae_b").decoder(mapped).float()
            losses |= self._picture_losses(restored, batch["clean"], shown)
            batch |= {"made": restored.detach(), "shown": shown}
        return losses

    def _picture_losses(self, restored: Tensor, clean: Tensor, shown: Tensor) -> Losses:
        config = self.config
        losses: Losses = {}
        if config.image_l1 or config.gradient:
            losses["image_l1"] = config.image_l1 * F.l1_loss(restored, clean)
            losses["gradient"] = config.gradient * gradient_l1(restored, clean)
        if config.laplacian:
            losses["laplacian"] = config.laplacian * laplacian_l1(restored, clean)
        if config.ssim:
            losses["ssim"] = config.ssim * dissimilarity(restored, clean)
        if config.gan:
            judge, matching = self.networks["judge"], config.feature_matching
            losses |= fool(judge, restored, clean, gan=config.gan, feature_matching=matching, condition=shown)
        if config.perceptual and "vgg" in self.frozen:
            with torch.no_grad():
                wanted = self.frozen["vgg"](clean)
            losses["perceptual"] = config.perceptual * perceptual(self.frozen["vgg"](restored), wanted)
        return losses

    def _judge(self, batch: Batch) -> Losses:
        return {"judge": tell_apart(self.networks["judge"], batch["made"], batch["clean"], condition=batch["shown"])}

    def _vae(self, networks: nn.ModuleDict, name: str) -> VAE:
        vae = networks[name] if name in networks else self.frozen[name]
        assert isinstance(vae, VAE)
        return vae

    def _map(self, networks: nn.ModuleDict, shown: Tensor, mask: Tensor) -> Tensor:
        latent = self._vae(networks, "vae_a").encoder(shown)
        mapped: Tensor = networks["mapping"](latent, mask)
        return mapped

    def dataset(self) -> Dataset[Sample]:
        """Aged crops of the training photos, with what lies around them where the tone network sees more than them."""
        tone = self.preparation.tone
        side = tone.config.thumbnail if tone is not None and self.data.context else 0
        return AgedCrops(self.photos.training, self.data, seed=self.loop.seed, damage=self.damage, surroundings_px=side)

    def _restore(self, networks: nn.ModuleDict, sample: Sample) -> tuple[Tensor, Tensor]:
        """One sample restored with the detector's mask where there is a detector: (1, 3, H, W) and the mask."""
        device = next(networks.parameters()).device
        aged, mask = sample["aged"][None].to(device), sample["mask"][None].to(device)
        mask = self.preparation.mask_in_use(aged, mask)
        mapped = self._map(networks, self.preparation.shown({"aged": aged}, mask), mask)
        return self._vae(networks, "vae_b").decoder(mapped).clamp(-1, 1), mask

    def validate(self, networks: nn.ModuleDict) -> dict[str, float]:
        """PSNR on each recipe, and of clean photos that should come back as they are."""
        return means(
            {
                f"{name}_psnr_db": [
                    psnr_of_tensors(self._restore(networks, s)[0].cpu(), s["clean"][None]) for s in samples
                ]
                for name, samples in with_sound(self._samples).items()
            }
        )

    def sheet(self, networks: nn.ModuleDict) -> Sequence[Row]:
        """Some photos of each recipe, restored."""
        rows: list[Row] = []
        for samples in self._samples.values():
            for sample in samples[: ROWS // len(self._samples)]:
                restored, mask = self._restore(networks, sample)
                rows.append(
                    {"aged": sample["aged"], "mask": mask[0], "restored": restored[0], "clean": sample["clean"]}
                )
        return rows

    @cached_property
    def _samples(self) -> dict[str, list[Sample]]:
        return validation_samples(self.photos.validation, self.data, damage=self.damage)

    def export(self, networks: nn.ModuleDict, folder: Path) -> None:
        """Write the mapping, and beside it the networks that it works with."""
        save_network(networks["mapping"], folder / f"mapping_{self.config.branch}.safetensors")
        for name in ("vae_a", "vae_b"):
            save_network(self._vae(networks, name), folder / f"{name}.safetensors")
        roles = {
            "encoder": "vae_a.safetensors",
            f"{self.config.branch}.mapping": f"mapping_{self.config.branch}.safetensors",
            f"{self.config.branch}.decoder": "vae_b.safetensors",
        }
        for name in ("detector", "second_look", "tone"):
            if name in self.frozen:
                save_network(self.frozen[name], folder / f"{name}.safetensors")
                roles[name] = f"{name}.safetensors"
        declare_roles(folder, roles)


def _learning(config: MappingStageConfig, vaes: dict[str, VAE], start: Mapping | None) -> nn.ModuleDict:
    """What the stage trains: the mapping, with `joint` the VAEs, and the judge if there is one."""
    mapping = Mapping(config.network)
    if start is not None and start.config == config.network:
        mapping.load_state_dict(start.state_dict())
    networks: dict[str, nn.Module] = {"mapping": mapping}
    if config.joint:
        networks.update(vaes)
    if config.gan:
        networks["judge"] = Discriminator(6, config.discriminator)
    return nn.ModuleDict(networks).requires_grad_(True)


def _refuse_other_latents(latent: int, **vaes: VAE) -> None:
    for name, vae in vaes.items():
        if vae.config.latent != latent:
            raise WeightsDamaged(
                f"{name} has a latent of {vae.config.latent} channels, and the mapping is to have {latent}",
                hint="give --vae a folder whose VAEs were made for this mapping, or change latent in the configuration",
            )
