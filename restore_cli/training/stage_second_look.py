"""The training of the detector's second look: large crops, each taken for a whole photo."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks import ScratchUNet, SecondLook, SecondLookConfig
from restore_cli.training.detection import DetectionLosses, DetectionStage
from restore_cli.training.model_folder import declare_roles
from restore_cli.training.preparation import both_looks, damage_logits
from restore_cli.training.stage import Batch, Losses, Player
from restore_cli.weights.network_file import save_network

FARTHER_SHARE = 0.5
"""Of the loss of each octave but the nearest."""
FIRST_SHARE = 0.3
"""Of the loss of what the first look alone says of the nearest, where it learns, too."""


@dataclass(frozen=True, kw_only=True)
class SecondLookStageConfig(DetectionLosses):
    """The network and its losses."""

    network: SecondLookConfig = field(default_factory=SecondLookConfig)
    first_learns: bool = False
    """The detector goes on as well, its batch norms' statistics as they are."""


class SecondLookStage(DetectionStage):
    """The second look, with a detector that stays as it is or learns with it."""

    name, role = "second-look", "second_look"

    def __init__(
        self, *, config: SecondLookStageConfig, detector: ScratchUNet, start: SecondLook | None = None, **given: Any
    ) -> None:
        """detector: gives the first opinion. start: go on from this one, whatever its size. given: what every
        `DetectionStage` takes.
        """
        super().__init__(config=config, **given)
        torch.manual_seed(self.loop.seed)
        self.first_learns = config.first_learns
        self.networks = nn.ModuleDict({"second_look": start or SecondLook(config.network)})
        self.frozen = nn.ModuleDict()
        (self.networks if self.first_learns else self.frozen)["detector"] = detector
        self.networks.requires_grad_(True)
        if start is not None:
            self.logit_shift = 0.0  # an exported network has it already

    def players(self) -> tuple[Player, ...]:
        """All that learns, together."""
        return (Player(name=self.role, networks=tuple(self.networks), objective=self.objective),)

    def objective(self, batch: Batch) -> Losses:
        """Weighted losses of one batch: of the crop, and a share of those of each crop half as large."""
        detector, second_look = self._looks(self.networks)
        if self.first_learns:
            detector.eval()
        mask, total = batch["mask"], dict[str, Tensor]()
        for number, (first, both) in enumerate(both_looks(detector, batch["aged"], second_look)):
            shares = [(both, FARTHER_SHARE if number else 1.0)]
            if self.first_learns and number == 0:
                shares.append((first, FIRST_SHARE))
            for logits, share in shares:
                for name, loss in self.losses_of(logits, mask).items():
                    total[name] = total.get(name, loss.new_zeros(())) + share * loss
            mask = F.avg_pool2d(mask, 2)  # what of a pixel is damaged
        return total

    def logits(self, networks: nn.ModuleDict, aged: Tensor) -> Tensor:
        """What both looks together say of crops (B, 3, H, W) in [-1, 1]: (B, 1, H, W)."""
        detector, second_look = self._looks(networks)
        return damage_logits(detector, aged, second_look)

    def export(self, networks: nn.ModuleDict, folder: Path) -> None:
        """Write second_look.safetensors, with the shift in its last bias, and the detector if it has learned."""
        super().export(networks, folder)
        if self.first_learns:
            save_network(networks["detector"], folder / "detector.safetensors")
            declare_roles(folder, {"detector": "detector.safetensors"})

    def _looks(self, networks: nn.ModuleDict) -> tuple[ScratchUNet, SecondLook]:
        detector, second_look = (networks if self.first_learns else self.frozen)["detector"], networks["second_look"]
        assert isinstance(detector, ScratchUNet)
        assert isinstance(second_look, SecondLook)
        return detector, second_look
