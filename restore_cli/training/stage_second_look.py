"""The training of the detector's second look: large crops, each taken for a whole photo, and for smaller photos too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks import ScratchUNet, SecondLook, SecondLookConfig
from restore_cli.training.detection import DetectionLosses, DetectionStage
from restore_cli.training.preparation import damage_logits, octave_logits
from restore_cli.training.stage import Batch, Losses

FARTHER_SHARE = 0.5
"""Of the loss of each octave but the nearest."""
SMALLER = (0.65, 0.5)
"""Sizes, as shares of a crop's, at which it is seen as well. With crops of 640 px photos of 416 and 320 px, and the
latter are too small to be seen from afar in use, too."""


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

    def objective(self, batch: Batch) -> Losses:
        """Weighted losses of one batch: of the crops, and a share of those of each crop half as large."""
        detector, second_look = self._looks(self.networks)
        total = dict[str, Tensor]()
        for aged, mask in self.seen(batch):
            for number, logits in enumerate(octave_logits(detector, aged, second_look)):
                share = FARTHER_SHARE if number else 1.0
                for name, loss in self.losses_of(logits, mask).items():
                    total[name] = total.get(name, loss.new_zeros(())) + share * loss
                mask = F.avg_pool2d(mask, 2)  # what of a pixel is damaged
        return total

    def seen(self, batch: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        """Crops (B, 3, H, W) and masks (B, 1, H, W) as they are, and at every other step at each of `SMALLER` instead.

        Training photos have few pixels, and large crops of them are soft; smaller, they are as sharp as photos can be.
        """
        aged, mask = batch["aged"], batch["mask"]
        if int(batch["number"][0]) // self.loop.batch_size % 2 == 0:
            yield aged, mask
            return
        for share in SMALLER:
            size = [round(share * side) for side in aged.shape[2:]]
            smaller = F.interpolate(aged, size, mode="bicubic").clamp(-1, 1)
            yield smaller, F.interpolate(mask, size, mode="nearest-exact")

    def logits(self, networks: nn.ModuleDict, aged: Tensor) -> Tensor:
        """What both looks together say of crops (B, 3, H, W) in [-1, 1]: (B, 1, H, W)."""
        detector, second_look = self._looks(networks)
        return damage_logits(detector, aged, second_look)

    def _looks(self, networks: nn.ModuleDict) -> tuple[ScratchUNet, SecondLook]:
        detector, second_look = self.frozen["detector"], networks["second_look"]
        assert isinstance(detector, ScratchUNet)
        assert isinstance(second_look, SecondLook)
        return detector, second_look
