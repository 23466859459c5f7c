"""The detector's second look: its opinion again, with the colours of what it found.

A U-Net sees a few hundred pixels, and not what damage is made of elsewhere in the photo. The second look is a small
U-Net that sees the photo, the detector's logits and what the colours of the whole photo say (`colour_evidence`),
all at half the size, and adds to the logits. Not in the papers, and in our own models only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks.colour_evidence import (
    CHANNELS,
    LARGEST_LOGIT,
    SHRINK,
    ColourCount,
    ColourEvidence,
    shrunk,
)
from restore_cli.networks.unet import UNet, UNetSizes


@dataclass(frozen=True, kw_only=True)
class SecondLookConfig(UNetSizes):
    """Sizes of the second look."""

    base: int = 24
    levels: int = 2
    fold: int = 2

    @property
    def size_multiple(self) -> int:
        """Height and width of the photo must be multiples of this."""
        return SHRINK * super().size_multiple


class SecondLook(UNet):
    """It starts as no change. 0.32 M parameters."""

    def __init__(self, config: SecondLookConfig) -> None:
        super().__init__(1 + 3 + CHANNELS, config)
        self.config = config
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, photo: Tensor, logits: Tensor, evidence: Sequence[ColourEvidence]) -> Tensor:
        """photo: (B, 3, H, W) in [-1, 1]. logits: the detector's, (B, 1, H, W). evidence: of each whole photo.

        H and W multiples of `size_multiple`. Returns logits (B, 1, H, W).
        """
        change = self.walk(self.seen(photo, logits, evidence))
        return logits + F.interpolate(change, scale_factor=SHRINK, mode="bilinear", align_corners=False)

    def seen(self, photo: Tensor, logits: Tensor, evidence: Sequence[ColourEvidence]) -> Tensor:
        """What goes into the U-Net: all that `forward` gets at half the size, (B, C, H / 2, W / 2)."""
        told, small = shrunk(logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT)) / 4, shrunk(photo)
        maps = torch.stack([each.maps(colours) for each, colours in zip(evidence, small, strict=True)])
        return torch.cat([told, small, maps], dim=1)


def evidence_of(photos: Tensor, logits: Tensor) -> list[ColourEvidence]:
    """What the colours of whole photos (B, 3, H, W) say, by the detector's logits (B, 1, H, W)."""
    evidence = []
    for photo, told in zip(photos, logits, strict=True):
        count = ColourCount(photo.device)
        count.add(photo, told)
        evidence.append(count.evidence())
    return evidence
