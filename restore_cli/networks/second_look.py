"""The detector's second look: its opinion again, with the colours of what it found, and from nearer by.

A U-Net sees a few hundred pixels, not what damage is made of elsewhere in the photo, and only damage about as broad as
what it was trained with. So the detector looks at a photo at every octave, from the farthest, a small one, to the
photo itself, and at each of them a small U-Net looks again: at the photo, the detector's logits, what the colours of
the whole photo say (`colour_evidence`) and what was found from twice as far, all at half the size, which is that of the
octave before. It adds to the logits. Not in the papers, and in our own models only.
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
    ColourCount,
    ColourEvidence,
)
from restore_cli.networks.half_size import SHRINK, HalfSizes, octave_count, shrunk
from restore_cli.networks.unet import UNet

FARTHEST_PX = 100
"""Least short side of the smallest octave."""
SEEN_ONCE_PX = 400
"""Photos with a smaller short side are seen at their own size alone: detectors are trained with such, and seen smaller
their white margins and flowers look like damage."""
SEEN_ONCE_DOUBT = 0.75
"""Taken from what both looks say of those: with no word from farther away the first look's counts twice."""
FARTHER_DOUBT = 2.0
"""Taken from the detector's logits at octaves but the nearest: to it a scene seen smaller looks more like damage."""


@dataclass(frozen=True, kw_only=True)
class SecondLookConfig(HalfSizes):
    """Sizes of the second look."""


class SecondLook(UNet):
    """It starts as no change."""

    def __init__(self, config: SecondLookConfig) -> None:
        super().__init__(2 + 3 + CHANNELS, config)
        self.config = config
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(
        self, photo: Tensor, logits: Tensor, evidence: Sequence[ColourEvidence], farther: Tensor | None = None
    ) -> Tensor:
        """photo: one octave, (B, 3, H, W) in [-1, 1]. logits: the detector's of it, (B, 1, H, W), less FARTHER_DOUBT
        but at the nearest. evidence: of each whole photo. farther: what this returned for the octave before,
        (B, 1, H / 2, W / 2).

        H and W multiples of `size_multiple`. Returns logits (B, 1, H, W).
        """
        change = self.walk(self.seen(photo, logits, evidence, farther))
        return logits + F.interpolate(change, scale_factor=SHRINK, mode="bilinear", align_corners=False)

    def seen(self, photo: Tensor, logits: Tensor, evidence: Sequence[ColourEvidence], farther: Tensor | None) -> Tensor:
        """What goes into the U-Net: all that `forward` gets at half the size, (B, C, H / 2, W / 2)."""
        told, small = _cut_off_and_shrunk(logits), shrunk(photo)
        told_before = told if farther is None else farther.clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
        maps = torch.stack([each.maps(colours) for each, colours in zip(evidence, small, strict=True)])
        return torch.cat([told / 4, small, maps, told_before / 4], dim=1)


def octaves(height: int, width: int) -> int:
    """At how many sizes a photo is looked at, each half the one before."""
    side = min(height, width)
    return octave_count(side, FARTHEST_PX) if side >= SEEN_ONCE_PX else 1


def believed(logits: Tensor, farther: Tensor | None) -> Tensor:
    """Whose colours are counted: (B, 1, H, W) and (B, 1, H / 2, W / 2) to the latter's size, the larger of the two."""
    told = _cut_off_and_shrunk(logits)
    return told if farther is None else torch.maximum(told, farther)


def evidence_of(photos: Tensor, told: Tensor) -> list[ColourEvidence]:
    """What the colours of whole photos (B, 3, H, W) say, by what is `believed` of them, (B, 1, H / 2, W / 2)."""
    evidence = []
    for photo, opinion in zip(photos, told, strict=True):
        count = ColourCount(photo.device)
        count.add(photo, opinion)
        evidence.append(count.evidence())
    return evidence


def _cut_off_and_shrunk(logits: Tensor) -> Tensor:
    return shrunk(logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT))
