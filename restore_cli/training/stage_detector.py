"""The scratch detector's training (Wan et al. 2022, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from restore_cli.networks import ScratchUNet, UNetConfig
from restore_cli.training.detection import DetectionLosses, DetectionStage
from restore_cli.training.preparation import damage_logits


@dataclass(frozen=True, kw_only=True)
class DetectorStageConfig(DetectionLosses):
    """The network and its losses."""

    network: UNetConfig = field(default_factory=UNetConfig)


class DetectorStage(DetectionStage):
    """The first look: the U-Net."""

    name = role = "detector"

    def __init__(self, *, config: DetectorStageConfig, start: ScratchUNet | None = None, **given: Any) -> None:
        """start: go on from this one, whatever its size. given: what every `DetectionStage` takes."""
        super().__init__(config=config, goes_on=start is not None, **given)
        torch.manual_seed(self.loop.seed)
        self.networks = nn.ModuleDict({"detector": start or ScratchUNet(config.network)})
        self.networks.requires_grad_(True)
        self.frozen = nn.ModuleDict()

    def logits(self, networks: nn.ModuleDict, aged: Tensor) -> Tensor:
        """What the detector says of crops (B, 3, H, W) in [-1, 1]: (B, 1, H, W)."""
        detector = networks["detector"]
        assert isinstance(detector, ScratchUNet)
        return damage_logits(detector, aged)
