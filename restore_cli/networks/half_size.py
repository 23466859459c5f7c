"""What the networks share that see a photo at every octave, each at half the octave's size: second look and fusion."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from restore_cli.networks.unet import UNetSizes

SHRINK = 2
"""Pixels to one that is seen, each way: the size of the octave before."""


@dataclass(frozen=True, kw_only=True)
class HalfSizes(UNetSizes):
    """Sizes of a U-Net that sees a photo at half its size. 0.32 M parameters as they stand."""

    base: int = 24
    levels: int = 2
    fold: int = 2

    @property
    def size_multiple(self) -> int:
        """Height and width of the photo must be multiples of this."""
        return SHRINK * super().size_multiple


def shrunk(picture: Tensor) -> Tensor:
    """(..., C, H, W) to (..., C, H / SHRINK, W / SHRINK) by means."""
    return F.avg_pool2d(picture, SHRINK)


def octave_count(side: int, farthest: int) -> int:
    """At how many sizes a photo of this short side is seen, each half the one before, the last at least `farthest`."""
    count = 1
    while side >> count >= farthest:
        count += 1
    return count
