"""A U-Net over a photo whose rows come in bands: see `streams`.

Beside each level of the U rows wait until what is below them comes up. For networks whose batch norms are folded
(`unet.fold_batch_norms`).
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks.unet import DoubleConv, Down, UNet, UNetSizes, Up
from restore_cli.restoration.streams import (
    Band,
    ConvRows,
    EnlargedRows,
    InParts,
    Layer,
    Waiting,
    bilinear,
    joined,
    through,
)

leaky = partial(F.leaky_relu_, negative_slope=0.2)


class UNetRows:
    """A U-Net for one photo: `walk`, band by band."""

    def __init__(self, network: UNet) -> None:
        self.fold = network.fold
        self.layers: list[Layer] = [ConvRows(network.first, leaky), _Level(network, 0), ConvRows(network.last)]

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, channels, n, W), n and W multiples of `fold`. Returns logits (1, 1, m, W)."""
        folded = None if rows is None else F.pixel_unshuffle(rows, self.fold)
        logits = through(self.layers, folded, last=last)
        return None if logits is None else F.pixel_shuffle(logits, self.fold)


class BlurRows:
    """The binomial blur of `unet.Down`: half the size."""

    def __init__(self, kernel: Tensor) -> None:
        self.kernel = kernel
        self.kept: Band = None
        self.begun = False

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, C, n, W), an even number in all. Returns (1, C, m, W / 2)."""
        x = joined(self.kept, rows)
        above = 0 if self.begun else 1
        count = 0 if x is None else (x.shape[2] + above - 1) // 2
        if x is None or count == 0:
            self.kept = x
            return None
        end = 2 * count + 1 - above
        out = F.conv2d(F.pad(x[:, :, :end], (1, 1, above, 0), mode="reflect"), self.kernel, stride=2, groups=x.shape[1])
        self.kept, self.begun = x[:, :, end - 1 :].clone(), True
        return out


class _Level:
    """One level of the U, and everything below it."""

    def __init__(self, network: UNet, level: int) -> None:
        down, double, up = network.down_sample[level], network.down_path[level], network.up_path[-1 - level]
        assert isinstance(down, Down)
        assert isinstance(up, Up)
        deeper: list[Layer] = [_Level(network, level + 1)] if level + 1 < len(network.down_path) else []
        self.below: list[Layer] = [ConvRows(down.conv, leaky), BlurRows(down.kernel), *_double(double), *deeper]
        self.skipping = Waiting()
        # With the last rows all that still waits comes up at once, several bands of it.
        up_path: list[Layer] = [EnlargedRows(bilinear), ConvRows(up.conv), _Beside(self.skipping), *_double(up.merge)]
        self.above = InParts(up_path, most_rows=1)

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, C, n, W). Returns (1, C, m, W)."""
        if rows is not None:
            self.skipping.put(rows)
            self.above.most_rows = max(self.above.most_rows, rows.shape[2] // 2)
        return self.above(through(self.below, rows, last=last), last=last)


class _Beside:
    """What comes up from below, with the rows of its place that waited beside it."""

    def __init__(self, skipping: Waiting) -> None:
        self.skipping = skipping

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, C, n, W). Returns (1, 2 C, n, W)."""
        return None if rows is None else torch.cat([rows, self.skipping.take(rows.shape[2])], dim=1)


def waiting_rows(sizes: UNetSizes) -> int:
    """About as many rows wait in a `UNetRows`, at all levels together: counted at its full size and base width.

    Each level at scale s reaches 4 s down in its own convolutions and bilinear step, 1 s in the blur and 2 * 3 s one
    level below; beside it waits what all levels below it reach. A level further down rows are half as wide and twice
    as deep.
    """
    return sum(11 * ((1 << deeper) - 1) for deeper in range(1, sizes.levels + 1))


def _double(double: nn.Module) -> list[Layer]:
    assert isinstance(double, DoubleConv)
    return [ConvRows(double.conv1, leaky), ConvRows(double.conv2, leaky)]
