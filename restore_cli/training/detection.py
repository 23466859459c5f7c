"""What the training of the detector and that of its second look share: losses of logits, figures, sheets."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from restore_cli.networks.unet import UNet
from restore_cli.training import losses
from restore_cli.training.config import DataConfig, LoopConfig
from restore_cli.training.data import AgedCrops, Sample
from restore_cli.training.labelled import LabelledCrops, find_pairs, labelled_samples
from restore_cli.training.metrics import detection_scores
from restore_cli.training.model_folder import declare_roles
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.photo_folder import PhotoFolder
from restore_cli.training.ranges import refuse_outside
from restore_cli.training.sheets import ROWS, Row
from restore_cli.training.stage import Batch, Losses, Player
from restore_cli.training.validation import validation_samples
from restore_cli.weights.network_file import save_network

THRESHOLD = 0.4
"""From which probability on a pixel counts as damaged in the figures, as by default in use."""


@dataclass(frozen=True, kw_only=True)
class DetectionLosses:
    """Weights of the losses; 0 leaves one out."""

    balanced: float = 1.0
    """Cross entropy with damaged and sound pixels weighing the same."""
    focal: float = 10.0
    plain: float = 0.0
    """Cross entropy as it is: keeps probabilities honest where damage is rare."""
    dice: float = 0.0
    logit_shift: float = 0.0
    """Added to the logits when training is over: below zero calls fewer pixels damaged at the same threshold."""

    def __post_init__(self) -> None:
        weights = ("balanced", "focal", "plain", "dice")
        refuse_outside(self, 0, math.inf, *weights)
        refuse_outside(self, -math.inf, math.inf, "logit_shift")
        if not any(getattr(self, name) for name in weights):
            raise ValueError("balanced, focal, plain and dice are all 0: one has to have a weight")


class DetectionStage(ABC):
    """Crops, aged synthetically or labelled by hand, in; damage logits out."""

    name: str
    role: str
    """Of what is trained, in `networks` and in a model."""
    networks: nn.ModuleDict
    frozen: nn.ModuleDict

    def __init__(
        self,
        *,
        config: DetectionLosses,
        loop: LoopConfig,
        data: DataConfig,
        clean: Path | None,
        damage: Path | None,
        pairs: Path | None = None,
        goes_on: bool,
    ) -> None:
        """clean: photos to be aged. pairs: labelled photos instead. goes_on: from an exported network."""
        self.config, self.loop, self.data = config, loop, data
        self.is_labelled = pairs is not None
        if pairs is not None:
            self.photos = find_pairs(pairs, validation=data.validation_photos)
        else:
            assert clean is not None
            self.photos = PhotoFolder.find(clean, validation=data.validation_photos, part=data.part)
        self.damage = DamageOutlines.load(damage) if damage else None
        self.goes_on = goes_on

    @property
    def logit_shift(self) -> float:
        """Added to the logits; an exported network has it already."""
        return 0.0 if self.goes_on else self.config.logit_shift

    def remembered(self) -> dict[str, bool]:
        """How it started: the model that it goes on from may be in its own folder, and then there is one later."""
        return {"goes_on": self.goes_on}

    def remember(self, state: dict[str, bool]) -> None:
        """Go on as the run started."""
        self.goes_on = state["goes_on"]

    @abstractmethod
    def logits(self, networks: nn.ModuleDict, aged: Tensor) -> Tensor:
        """Of crops (B, 3, H, W) in [-1, 1]: (B, 1, H, W), with gradients for what is trained."""

    def players(self) -> tuple[Player, ...]:
        """The network alone."""
        return (Player(name=self.role, networks=(self.role,), objective=self.objective),)

    def objective(self, batch: Batch) -> Losses:
        """Weighted losses of one batch."""
        return self.losses_of(self.logits(self.networks, batch["aged"]), batch["mask"])

    def losses_of(self, logits: Tensor, mask: Tensor) -> Losses:
        """Weighted losses of logits by a mask, both (B, 1, H, W)."""
        terms: dict[str, tuple[float, Callable[[Tensor, Tensor], Tensor]]] = {
            "balanced": (self.config.balanced, losses.balanced_cross_entropy),
            "focal": (self.config.focal, losses.focal),
            "plain": (self.config.plain, F.binary_cross_entropy_with_logits),
            "dice": (self.config.dice, losses.dice),
        }
        return {name: weight * loss(logits.float(), mask) for name, (weight, loss) in terms.items() if weight}

    def dataset(self) -> Dataset[Sample]:
        """Aged or labelled crops of the training photos."""
        if self.is_labelled:
            return LabelledCrops(self.photos.training, self.data, seed=self.loop.seed)
        return AgedCrops(self.photos.training, self.data, seed=self.loop.seed, damage=self.damage)

    def validate(self, networks: nn.ModuleDict) -> dict[str, float]:
        """F1 and ROC AUC on each recipe, or on labelled photos; the share of sound photos called damaged."""
        figures: dict[str, float] = {}
        for recipe, samples in self._samples.items():
            found = [self._probability(networks, s["aged"]) for s in samples]
            if not found:
                continue
            scores = detection_scores(
                torch.cat([p.flatten() for p in found]).numpy(),
                torch.cat([s["mask"].flatten() for s in samples]).numpy() > 0.5,
                THRESHOLD,
            )
            figures |= {f"{recipe}_f1": scores.f1, f"{recipe}_auc": scores.auc}
        clean = [self._probability(networks, s["clean"]) for s in self._samples.get("published", ())]
        if clean:
            figures["clean_called_damaged"] = float(
                torch.cat([p.flatten() for p in clean]).gt(THRESHOLD).float().mean()
            )
        return figures

    def sheet(self, networks: nn.ModuleDict) -> Sequence[Row]:
        """Some photos of each kind, with the damage in them and what was found of it."""
        kinds = self._samples.values()
        some = [sample for samples in kinds for sample in samples[: ROWS // len(kinds)]]
        return [
            {"aged": s["aged"], "mask": s["mask"], "probability": self._probability(networks, s["aged"])} for s in some
        ]

    @cached_property
    def _samples(self) -> dict[str, list[Sample]]:
        kept = self.photos.validation
        if self.is_labelled:
            return {"labelled": labelled_samples(kept, self.data)}
        return validation_samples(kept, self.data, damage=self.damage)

    def export(self, networks: nn.ModuleDict, folder: Path) -> None:
        """Write ROLE.safetensors, with the shift in its last bias."""
        network = copy.deepcopy(networks[self.role])
        assert isinstance(network, UNet)
        assert network.last.bias is not None
        network.last.bias.data += self.logit_shift
        save_network(network, folder / f"{self.role}.safetensors")
        declare_roles(folder, {self.role: f"{self.role}.safetensors"})

    def _probability(self, networks: nn.ModuleDict, aged: Tensor) -> Tensor:
        device = next(networks.parameters()).device
        logits = self.logits(networks, aged[None].to(device))[0] + self.logit_shift
        return logits.sigmoid().cpu()
