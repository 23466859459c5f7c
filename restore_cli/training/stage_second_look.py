"""The training of the detector's second look: large crops, each taken for a whole photo, and for smaller photos too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks import ScratchUNet, SecondLook, SecondLookConfig
from restore_cli.networks.second_look import octaves
from restore_cli.training.detection import DetectionLosses, DetectionStage
from restore_cli.training.preparation import damage_logits, octave_logits
from restore_cli.training.stage import Batch, Losses

FARTHER_SHARE = 0.5
"""Of the loss of each octave but the nearest."""
SMALLER = 2
"""How many times smaller than a crop it is seen as well."""


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
        super().__init__(config=config, goes_on=start is not None, **given)
        torch.manual_seed(self.loop.seed)
        self.networks = nn.ModuleDict({"second_look": start or SecondLook(config.network)})
        self.networks.requires_grad_(True)
        self.frozen = nn.ModuleDict({"detector": detector})

    def objective(self, batch: Batch) -> Losses:
        """Weighted losses of one batch: of the crops, and a share of those of each crop half as large."""
        detector, second_look = self._looks(self.networks)
        if self.goes_on:
            _keep_statistics(second_look)
        total = dict[str, Tensor]()
        for aged, mask, count in self.seen(batch):
            for number, logits in enumerate(octave_logits(detector, aged, second_look, count)):
                share = FARTHER_SHARE if number else 1.0
                for name, loss in self.losses_of(logits, mask).items():
                    total[name] = total.get(name, loss.new_zeros(())) + share * loss
                mask = F.avg_pool2d(mask, 2)  # what of a pixel is damaged
        return total

    def seen(self, batch: Batch) -> Iterator[tuple[Tensor, Tensor, int]]:
        """Crops (B, 3, H, W), masks (B, 1, H, W) and at how many octaves they are seen: as they are, and at every other
        step smaller instead, with and without the octaves from afar, which photos as small as that do without.

        Training photos have few pixels, and large crops of them are soft; smaller, they are as sharp as photos can be.
        """
        aged, mask = batch["aged"], batch["mask"]
        count = octaves(*aged.shape[2:])
        if int(batch["number"][0]) // self.loop.batch_size % 2 == 0:
            yield aged, mask, count
            return
        size = [side // SMALLER for side in aged.shape[2:]]
        smaller = F.interpolate(aged, size, mode="bicubic").clamp(-1, 1)
        damage = F.interpolate(mask, size, mode="nearest-exact")
        for fewer in range(1, max(count, 2)):
            yield smaller, damage, fewer

    def logits(self, networks: nn.ModuleDict, aged: Tensor) -> Tensor:
        """What both looks together say of crops (B, 3, H, W) in [-1, 1]: (B, 1, H, W)."""
        detector, second_look = self._looks(networks)
        return damage_logits(detector, aged, second_look)

    def _looks(self, networks: nn.ModuleDict) -> tuple[ScratchUNet, SecondLook]:
        detector, second_look = self.frozen["detector"], networks["second_look"]
        assert isinstance(detector, ScratchUNet)
        assert isinstance(second_look, SecondLook)
        return detector, second_look


def _keep_statistics(network: SecondLook) -> None:
    """Let batch norms use what they have, as in use: a step's few photos, each octave by itself, have others."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
