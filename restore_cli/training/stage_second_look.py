"""The training of the detector's second look: large crops, each taken for a whole photo."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from restore_cli.networks import ScratchUNet, SecondLook, SecondLookConfig
from restore_cli.training.detection import DetectionLosses, DetectionStage
from restore_cli.training.preparation import damage_logits


@dataclass(frozen=True, kw_only=True)
class SecondLookStageConfig(DetectionLosses):
    """The network and its losses."""

    network: SecondLookConfig = field(default_factory=SecondLookConfig)


class SecondLookStage(DetectionStage):
    """The second look, with a detector that stays as it is."""

    name, role = "second-look", "second_look"

    def __init__(
        self, *, config: SecondLookStageConfig, detector: ScratchUNet, start: SecondLook | None = None, **given: Any
    ) -> None:
        """detector: gives the first opinion. start: go on from this one, whatever its size. given: what every
        `DetectionStage` takes.
        """
        super().__init__(config=config, **given)
        torch.manual_seed(self.loop.seed)
        self.networks = nn.ModuleDict({"second_look": start or SecondLook(config.network)})
        self.networks.requires_grad_(True)
        self.frozen = nn.ModuleDict({"detector": detector})
        if start is not None:
            self.logit_shift = 0.0  # an exported network has it already

    def logits(self, networks: nn.ModuleDict, aged: Tensor) -> Tensor:
        """What both looks together say of crops (B, 3, H, W) in [-1, 1]: (B, 1, H, W)."""
        detector, second_look = self.frozen["detector"], networks["second_look"]
        assert isinstance(detector, ScratchUNet)
        assert isinstance(second_look, SecondLook)
        return damage_logits(detector, aged, second_look)
