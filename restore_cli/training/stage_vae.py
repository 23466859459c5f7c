"""Stage 1: the two VAEs (Wan et al. 2020, section 3.2).

VAE A sees real old photos and synthetically aged ones, VAE B clean ones. Each learns to give back what it sees.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from restore_cli.networks import VAE, VAEConfig
from restore_cli.training.config import DataConfig, LoopConfig
from restore_cli.training.data import AgedCrops, PhotoFolder, RealCrops, Sample, Together, validation_samples
from restore_cli.training.losses import gradient_l1, kl_to_unit_gaussian, psnr_of_tensors
from restore_cli.training.model_folder import declare_roles
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.stage import Batch, Losses, Player
from restore_cli.weights.network_file import save_network


@dataclass(frozen=True, kw_only=True)
class VAEStageConfig:
    """The network, one for both domains, and the weights of its losses."""

    network: VAEConfig = field(default_factory=VAEConfig)
    noise_std: float = 1.0
    """Of the Gaussian noise added to the latent; 1 as published."""
    kl: float = 1.0
    l1: float = 10.0
    gradient: float = 0.0


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
    ) -> None:
        """old: real old photos; None trains VAE A on aged photos alone."""
        self.config, self.loop, self.data = config, loop, data
        self.photos = PhotoFolder.find(clean, validation=data.validation_photos)
        self.old = PhotoFolder.find(old) if old else None
        self.damage = DamageOutlines.load(damage) if damage else None
        torch.manual_seed(loop.seed)
        self.networks = nn.ModuleDict({"vae_a": VAE(config.network), "vae_b": VAE(config.network)})
        self.frozen = nn.ModuleDict()
        self._validation: list[Sample] | None = None

    def players(self) -> tuple[Player, ...]:
        """Each VAE learns from its own photos."""
        return (
            Player(name="vae_a", networks=("vae_a",), objective=self.objective_a),
            Player(name="vae_b", networks=("vae_b",), objective=self.objective_b),
        )

    def objective_a(self, batch: Batch) -> Losses:
        """Half of the batch real, half aged, as published."""
        images = batch["aged"]
        if "old" in batch:
            half = images.shape[0] // 2
            images = torch.cat([images[half:], batch["old"][:half]])
        return self._objective("a", images)

    def objective_b(self, batch: Batch) -> Losses:
        """The clean photos."""
        return self._objective("b", batch["clean"])

    def _objective(self, domain: str, images: Tensor) -> Losses:
        restored, latent = self.networks[f"vae_{domain}"](images, self.config.noise_std)
        losses = {
            f"kl_{domain}": self.config.kl * kl_to_unit_gaussian(latent),
            f"l1_{domain}": self.config.l1 * F.l1_loss(restored, images),
        }
        if self.config.gradient:
            losses[f"gradient_{domain}"] = self.config.gradient * gradient_l1(restored, images)
        return losses

    def dataset(self) -> Dataset[Sample]:
        """Aged and clean crops, with a real old one beside each where there are any."""
        aged = AgedCrops(self.photos.training, self.data, seed=self.loop.seed, damage=self.damage)
        if self.old is None:
            return aged
        return Together(aged, RealCrops(self.old.training, self.data, seed=self.loop.seed))

    def validate(self, networks: nn.ModuleDict) -> dict[str, float]:
        """PSNR of both VAEs giving back photos kept apart, without noise."""
        device = next(networks.parameters()).device
        scores: dict[str, list[float]] = {"vae_a_psnr_db": [], "vae_b_psnr_db": []}
        for sample in self._samples():
            for name, key in (("vae_a", "aged"), ("vae_b", "clean")):
                image = sample[key][None].to(device)
                scores[f"{name}_psnr_db"].append(psnr_of_tensors(networks[name](image)[0], image))
        return {key: sum(values) / max(len(values), 1) for key, values in scores.items()}

    def _samples(self) -> list[Sample]:
        if self._validation is None:
            self._validation = validation_samples(
                self.photos.validation, self.data, recipe="realistic", damage=self.damage
            )
        return self._validation

    def export(self, networks: nn.ModuleDict, folder: Path) -> None:
        """Write vae_a.safetensors and vae_b.safetensors."""
        for name in ("vae_a", "vae_b"):
            save_network(networks[name], folder / f"{name}.safetensors")
        declare_roles(folder, {"encoder": "vae_a.safetensors"})
