"""Fusion: a restored photo and the same photo restored at half its size become one.

What restores knows grain, blur and cracks about as broad as those it was trained with, and on a scan of high resolution
all of them are many pixels broad. So a photo is restored at every octave, from a small one to the photo itself, as the
detector looks at it (`second_look`), and at each octave a small U-Net says for every 2 x 2 pixels how much of the
coarse structure is taken from farther away; fine structure is the octave's own. It only weighs, so that the coarse
structure lies between two restored ones. Not in the papers, and in our own models only. Source of the idea: Burt and
Adelson 1983 (The Laplacian pyramid as a compact image code).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks.half_size import SHRINK, HalfSizes, octave_count, shrunk
from restore_cli.networks.unet import UNet

FARTHEST_PX = 200
"""Least short side of the smallest octave: what restores was trained on photos of 272 px and more, and from smaller
ones sound photos come back worse."""
CHANNELS = 12
"""Of `seen`."""


@dataclass(frozen=True, kw_only=True)
class FusionConfig(HalfSizes):
    """Sizes of the network."""


class Fusion(UNet):
    """It starts as the mean of both."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__(CHANNELS, config)
        self.config = config
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, restored: Tensor, farther: Tensor, shown: Tensor, mask: Tensor) -> Tensor:
        """restored: one octave, (B, 3, H, W) in [-1, 1]. farther: what this returned for the octave before, or that one
        restored, (B, 3, H / 2, W / 2). shown: what was restored, damage filled; mask: (B, 1, H, W), 1 = damaged.

        H and W multiples of `size_multiple`. Returns (B, 3, H, W).
        """
        apart = farther - shrunk(restored)
        taken = weighed(self.walk(seen(restored, apart, shown, mask)), apart)
        return restored + F.interpolate(taken, scale_factor=SHRINK, mode="bilinear", align_corners=False)


def seen(restored: Tensor, apart: Tensor, shown: Tensor, mask: Tensor) -> Tensor:
    """What goes into the U-Net: (B, CHANNELS, H / 2, W / 2). apart: how far the octave before is from this one."""
    parts = [shrunk(shown), shrunk(restored), 4 * apart, shrunk(mask), 8 * _contrast(shown), 8 * _contrast(restored)]
    return torch.cat(parts, dim=1)


def weighed(logits: Tensor, apart: Tensor) -> Tensor:
    """What is added to an octave shrunk, (B, 3, H / 2, W / 2)."""
    return logits.sigmoid() * apart


def _contrast(picture: Tensor) -> Tensor:
    """How far the pixels of 2 x 2 are from their mean: (B, 1, H / 2, W / 2). Grain and edges show in it."""
    mean = F.interpolate(shrunk(picture), scale_factor=SHRINK, mode="nearest")
    return shrunk((picture - mean).abs().mean(dim=1, keepdim=True))


def octaves(height: int, width: int) -> int:
    """At how many sizes a photo is restored, each half the one before."""
    return octave_count(min(height, width), FARTHEST_PX)
