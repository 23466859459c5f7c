"""Stage 1: the two VAEs (Wan et al. 2020, section 3.2).

VAE A sees real old photos and synthetically aged ones, VAE B clean ones. Each learns to give back what it sees; a
discriminator of pictures judges each, and one of latents keeps VAE A from telling real and synthetic photos apart.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from restore_cli.errors import TrainingStopped
from restore_cli.networks import VAE, VGG19, VAEConfig
from restore_cli.networks.discriminator import Discriminator, DiscriminatorConfig
from restore_cli.training import chance
from restore_cli.training.adversary import fool, tell_apart
from restore_cli.training.config import DataConfig, LoopConfig
from restore_cli.training.data import AgedCrops, RealCrops, Sample, Together
from restore_cli.training.losses import gradient_l1, kl_to_unit_gaussian, lsgan, perceptual, psnr_of_tensors
from restore_cli.training.model_folder import declare_roles
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.photo_folder import PhotoFolder
from restore_cli.training.ranges import refuse_outside
from restore_cli.training.sheets import ROWS, Row
from restore_cli.training.stage import Batch, Losses, Player
from restore_cli.training.validation import means, validation_samples
from restore_cli.weights.network_file import save_network

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class VAEStageConfig:
    """The network, one for both domains, and the weights of its losses; a weight of 0 leaves a part out."""

    network: VAEConfig = field(default_factory=VAEConfig)
    noise_std: float = 1.0
    """Of the Gaussian noise added to the latent; 1 as published."""
    kl: float = 1.0
    l1: float = 10.0
    gradient: float = 0.0
    gan: float = 0.0
    """Being taken for a photo by the discriminator of each VAE."""
    feature_matching: float = 0.0
    """10 as published; needs gan."""
    perceptual: float = 0.0
    """10 as published; left out where VGG-19 is not installed."""
    latent_gan: float = 0.0
    """Real photos having latents like aged ones, VAE A only; left out without real photos."""
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    """Of pictures; that of latents is the same with one scale."""
    discriminator_lr: float = 1.0
    """Times the loop's learning rate."""

    def __post_init__(self) -> None:
        refuse_outside(self, 0, math.inf, "noise_std", "kl", "l1", "gradient", "gan", "feature_matching", "perceptual")
        refuse_outside(self, 0, math.inf, "latent_gan", "discriminator_lr")


class VAEStage:
    """Old, aged and clean crops in, the same crops out."""

    name = "stage1"

    def __init__(
        self,
        *,
        config: VAEStageConfig,
        loop: LoopConfig,
        data: DataConfig,
        clean: Path,
        old: Path | None,
        damage: Path | None,
        vgg: VGG19 | None = None,
    ) -> None:
        """old: real old photos; None trains VAE A on aged photos alone. vgg: for the perceptual loss."""
        self.config, self.loop, self.data = config, loop, data
        self.photos = PhotoFolder.find(clean, validation=data.validation_photos, part=data.part)
        self.old = PhotoFolder.find(old) if old else None
        self.damage = DamageOutlines.load(damage) if damage else None
        if config.latent_gan and self.old is None:
            log.warning("no real old photos (--old): VAE A learns from aged photos alone, without latent discriminator")
        torch.manual_seed(loop.seed)
        self.networks = nn.ModuleDict({"vae_a": VAE(config.network), "vae_b": VAE(config.network)})
        self.networks.update(self._judges())
        self.frozen = nn.ModuleDict({"vgg": vgg} if vgg is not None else {})

    def _judges(self) -> dict[str, nn.Module]:
        config = self.config.discriminator
        judges: dict[str, nn.Module] = {}
        if self.config.gan:
            judges |= {f"judge_{domain}": Discriminator(3, config) for domain in "ab"}
        if self.config.latent_gan and self.old is not None:
            one_scale = DiscriminatorConfig(width=config.width, layers=config.layers, scales=1)
            judges["judge_latent"] = Discriminator(self.config.network.latent, one_scale)
        return judges

    def players(self) -> tuple[Player, ...]:
        """Each VAE learns from its own photos, then its judges from what it just made."""
        moves = {
            "vae_a": self.objective_a,
            "judge_a": lambda batch: self._judge("a", batch),
            "judge_latent": self._judge_latents,
            "vae_b": self.objective_b,
            "judge_b": lambda batch: self._judge("b", batch),
        }
        return tuple(
            Player(
                name=name,
                networks=(name,),
                objective=objective,
                lr_scale=self.config.discriminator_lr if name.startswith("judge") else 1.0,
            )
            for name, objective in moves.items()
            if name in self.networks
        )

    def objective_a(self, batch: Batch) -> Losses:
        """Half of the batch real, half aged, as published."""
        images, real = batch["aged"], 0
        if "old" in batch:
            real = images.shape[0] // 2
            images = torch.cat([images[real:], batch["old"][:real]])
        found, latent = self._objective("a", images, batch)
        if "judge_latent" in self.networks:
            if not real:
                raise TrainingStopped("the latent discriminator needs two samples a micro-batch in each process")
            # As many of either kind; the aged ones are what the real ones should look like.
            batch["latent_aged"], batch["latent_real"] = latent[:real].detach(), latent[-real:].detach()
            judged = self.networks["judge_latent"](latent[-real:])
            found["latent_gan"] = self.config.latent_gan * lsgan(judged, real=True)
        return found

    def objective_b(self, batch: Batch) -> Losses:
        """The clean photos."""
        return self._objective("b", batch["clean"], batch)[0]

    def _objective(self, domain: str, images: Tensor, batch: Batch) -> tuple[Losses, Tensor]:
        """The losses, and the latents. What was made stays in the batch for the judge."""
        vae = self.networks[f"vae_{domain}"]
        assert isinstance(vae, VAE)
        latent = vae.encoder(images)
        shape = tuple(latent.shape[1:])
        noise = chance.normal(batch["number"], shape, seed=self.loop.seed, purpose=ord(domain))
        restored = vae.decoder(latent + self.config.noise_std * noise.to(latent.dtype)).float()
        found = {
            "kl": self.config.kl * kl_to_unit_gaussian(latent.float()),
            "l1": self.config.l1 * F.l1_loss(restored, images),
        }
        if self.config.gradient:
            found["gradient"] = self.config.gradient * gradient_l1(restored, images)
        if self.config.gan:
            judge, matching = self.networks[f"judge_{domain}"], self.config.feature_matching
            found |= fool(judge, restored, images, gan=self.config.gan, feature_matching=matching)
        if self.config.perceptual and "vgg" in self.frozen:
            with torch.no_grad():
                wanted = self.frozen["vgg"](images)
            found["perceptual"] = self.config.perceptual * perceptual(self.frozen["vgg"](restored), wanted)
        batch |= {f"seen_{domain}": images, f"made_{domain}": restored.detach()}
        return {f"{name}_{domain}": value for name, value in found.items()}, latent

    def _judge(self, domain: str, batch: Batch) -> Losses:
        judge = self.networks[f"judge_{domain}"]
        return {f"judge_{domain}": tell_apart(judge, batch[f"made_{domain}"], batch[f"seen_{domain}"])}

    def _judge_latents(self, batch: Batch) -> Losses:
        judge = self.networks["judge_latent"]
        return {"judge_latent": tell_apart(judge, batch["latent_real"], batch["latent_aged"])}

    def dataset(self) -> Dataset[Sample]:
        """Aged and clean crops, with a real old one beside each where there are any."""
        aged = AgedCrops(self.photos.training, self.data, seed=self.loop.seed, damage=self.damage)
        if self.old is None:
            return aged
        return Together(aged, RealCrops(self.old.training, self.data, seed=self.loop.seed))

    def validate(self, networks: nn.ModuleDict) -> dict[str, float]:
        """PSNR of both VAEs giving back photos kept apart, without noise."""
        scores: dict[str, list[float]] = {"vae_a_psnr_db": [], "vae_b_psnr_db": []}
        for sample in self._samples:
            for name, key in (("vae_a", "aged"), ("vae_b", "clean")):
                scores[f"{name}_psnr_db"].append(psnr_of_tensors(_given_back(networks[name], sample[key]), sample[key]))
        return means(scores)

    def sheet(self, networks: nn.ModuleDict) -> Sequence[Row]:
        """Each VAE's input, which is also its target, and what it gives back."""
        return [
            {
                "aged": sample["aged"],
                "mask": sample["mask"],
                "VAE A": _given_back(networks["vae_a"], sample["aged"]),
                "clean": sample["clean"],
                "VAE B": _given_back(networks["vae_b"], sample["clean"]),
            }
            for sample in self._samples[:ROWS]
        ]

    @cached_property
    def _samples(self) -> list[Sample]:
        kept = self.photos.validation
        return validation_samples(kept, self.data, damage=self.damage, recipes=("realistic",))["realistic"]

    def export(self, networks: nn.ModuleDict, folder: Path) -> None:
        """Write vae_a.safetensors and vae_b.safetensors."""
        for name in ("vae_a", "vae_b"):
            save_network(networks[name], folder / f"{name}.safetensors")
        declare_roles(folder, {"encoder": "vae_a.safetensors"})


def _given_back(vae: nn.Module, image: Tensor) -> Tensor:
    """(3, H, W) through the VAE without noise, on the CPU."""
    device = next(vae.parameters()).device
    restored: Tensor = vae(image[None].to(device))[0][0].cpu()
    return restored.clamp(-1, 1)
