"""The scratch detector's training (Wan et al. 2022, section 3.1)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from restore_cli.networks import ScratchUNet, UNetConfig
from restore_cli.networks.inputs import to_grey
from restore_cli.training import losses
from restore_cli.training.config import DataConfig, LoopConfig
from restore_cli.training.data import AgedCrops, PhotoFolder, Sample, validation_samples
from restore_cli.training.metrics import detection_scores
from restore_cli.training.model_folder import declare_roles
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.stage import Batch, Losses, Player
from restore_cli.weights.network_file import save_network

VALIDATION_RECIPES = ("published", "realistic")


@dataclass(frozen=True, kw_only=True)
class DetectorStageConfig:
    """The network and the weights of its losses."""

    network: UNetConfig = field(default_factory=UNetConfig)
    balanced: float = 1.0
    """Cross entropy with damaged and sound pixels weighing the same."""
    focal: float = 10.0
    plain: float = 0.0
    """Cross entropy as it is: keeps probabilities honest where damage is rare."""
    dice: float = 0.0
    logit_shift: float = 0.0
    """Added to the logits when training is over: below zero calls fewer pixels damaged at the same threshold."""


class DetectorStage:
    """Grey aged crops in, damage logits out."""

    name = "detector"

    def __init__(
        self,
        *,
        config: DetectorStageConfig,
        loop: LoopConfig,
        data: DataConfig,
        clean: Path,
        damage: Path | None,
    ) -> None:
        self.config, self.loop, self.data = config, loop, data
        self.photos = PhotoFolder.find(clean, validation=data.validation_photos)
        self.damage = DamageOutlines.load(damage) if damage else None
        torch.manual_seed(loop.seed)
        self.networks = nn.ModuleDict({"detector": ScratchUNet(config.network)})
        self.frozen = nn.ModuleDict()
        self._validation: dict[str, list[Sample]] | None = None

    def players(self) -> tuple[Player, ...]:
        """The detector alone."""
        return (Player(name="detector", networks=("detector",), objective=self.objective),)

    def objective(self, batch: Batch) -> Losses:
        """Weighted losses of one batch."""
        logits = self.networks["detector"](to_grey(batch["aged"])).float()
        terms: dict[str, tuple[float, Callable[[Tensor, Tensor], Tensor]]] = {
            "balanced": (self.config.balanced, losses.balanced_cross_entropy),
            "focal": (self.config.focal, losses.focal),
            "plain": (self.config.plain, F.binary_cross_entropy_with_logits),
            "dice": (self.config.dice, losses.dice),
        }
        return {name: weight * loss(logits, batch["mask"]) for name, (weight, loss) in terms.items() if weight}

    def dataset(self) -> Dataset[Sample]:
        """Aged crops of the training photos."""
        return AgedCrops(self.photos.training, self.data, seed=self.loop.seed, damage=self.damage)

    def validate(self, networks: nn.ModuleDict) -> dict[str, float]:
        """F1 at the default threshold and ROC AUC on each recipe, and the share of sound photos called damaged."""
        if self._validation is None:
            self._validation = {
                recipe: validation_samples(self.photos.validation, self.data, recipe=recipe, damage=self.damage)
                for recipe in VALIDATION_RECIPES
            }
        figures: dict[str, float] = {}
        device = next(networks.parameters()).device
        for recipe, samples in self._validation.items():
            found = [self._probability(networks, s["aged"].to(device)) for s in samples]
            scores = detection_scores(
                torch.cat([p.flatten() for p in found]).numpy(),
                torch.cat([s["mask"].flatten() for s in samples]).numpy() > 0.5,
            )
            figures |= {f"{recipe}_f1": scores.f1, f"{recipe}_auc": scores.auc}
        clean = [self._probability(networks, s["clean"].to(device)) for s in self._validation["published"]]
        figures["clean_called_damaged"] = float(torch.cat([(p > 0.4).flatten() for p in clean]).float().mean())
        return figures

    def export(self, networks: nn.ModuleDict, folder: Path) -> None:
        """Write detector.safetensors, with the shift in its last bias."""
        detector = copy.deepcopy(networks["detector"])
        assert isinstance(detector, ScratchUNet)
        assert detector.last.bias is not None
        detector.last.bias.data += self.config.logit_shift
        save_network(detector, folder / "detector.safetensors")
        declare_roles(folder, {"detector": "detector.safetensors"})

    def _probability(self, networks: nn.ModuleDict, aged: Tensor) -> Tensor:
        logits: Tensor = networks["detector"](to_grey(aged[None]))[0] + self.config.logit_shift
        return logits.sigmoid().cpu()
