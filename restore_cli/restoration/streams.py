"""A U-Net over a photo whose rows come in bands, from top to bottom.

Every layer keeps the few rows that its next output still needs, computes what it can from them and the rows that came,
and hands it on. So no row is computed twice, no border exists, and of the photo no more lies in memory than some bands
and, beside each level of the U, the rows that wait until what is below them comes up. The result is that of the network
on the photo in one piece, to rounding. For networks whose batch norms are folded (`unet.fold_batch_norms`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks.convolution import Conv
from restore_cli.networks.unet import DoubleConv, Down, UNet, UNetSizes, Up

Band = Tensor | None
"""Rows of one photo, (1, C, n, W), that follow those before; None: nothing yet."""


class Layer(Protocol):
    """Something that rows go through."""

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """What can be said now that these rows have come; with `last`, all that is left."""
        ...


class UNetRows:
    """A U-Net for one photo: `walk`, band by band."""

    def __init__(self, network: UNet) -> None:
        self.fold = network.fold
        self.layers: list[Layer] = [ConvRows(network.first), _Level(network, 0), ConvRows(network.last, act=False)]

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, channels, n, W), n and W multiples of `fold`. Returns logits (1, 1, m, W)."""
        folded = None if rows is None else F.pixel_unshuffle(rows, self.fold)
        logits = through(self.layers, folded, last=last)
        return None if logits is None else F.pixel_shuffle(logits, self.fold)


class ConvRows:
    """A convolution padded by reflection, and a leaky ReLU."""

    def __init__(self, conv: nn.Module, *, act: bool = True) -> None:
        assert isinstance(conv, Conv)
        self.conv, self.act, self.reach = conv, act, conv.kernel_size[0] // 2
        self.kept: Band = None
        self.begun = False

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, in, n, W). Returns (1, out, m, W)."""
        parts = _present(self.kept, rows)
        above, below = 0 if self.begun else self.reach, self.reach if last else 0
        # With fewer there is no output yet; or, at the top, what comes next would have to know the reflection.
        fewest = 2 * self.reach + (1 if self.begun else 0)
        if sum(part.shape[2] for part in parts) + below < fewest:
            self.kept = _last_rows(parts, 2 * self.reach)
            return None
        out = self.conv.over(parts, above, below)
        self.kept, self.begun = _last_rows(parts, 2 * self.reach), True
        return F.leaky_relu_(out, 0.2) if self.act else out


class BlurRows:
    """The binomial blur of `unet.Down`: half the size."""

    def __init__(self, kernel: Tensor) -> None:
        self.kernel = kernel
        self.kept: Band = None
        self.begun = False

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, C, n, W), an even number in all. Returns (1, C, m, W / 2)."""
        x = _joined(self.kept, rows)
        above = 0 if self.begun else 1
        count = 0 if x is None else (x.shape[2] + above - 1) // 2
        if x is None or count == 0:
            self.kept = x
            return None
        end = 2 * count + 1 - above
        out = F.conv2d(F.pad(x[:, :, :end], (1, 1, above, 0), mode="reflect"), self.kernel, stride=2, groups=x.shape[1])
        self.kept, self.begun = x[:, :, end - 1 :].clone(), True
        return out


class TwiceRows:
    """Bilinear enlargement to twice the size."""

    def __init__(self) -> None:
        self.kept: Band = None

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, C, n, W). Returns (1, C, m, 2 W)."""
        x = _joined(self.kept, rows)
        if x is None or (rows is None and not last):
            return None
        enlarged = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        first = 0 if self.kept is None else 1  # the one above it was given out
        self.kept = x[:, :, -1:].clone()
        return enlarged[:, :, first : enlarged.shape[2] - (0 if last else 1)]


class _Level:
    """One level of the U, and everything below it."""

    def __init__(self, network: UNet, level: int) -> None:
        down, double, up = network.down_sample[level], network.down_path[level], network.up_path[-1 - level]
        assert isinstance(down, Down)
        assert isinstance(up, Up)
        deeper: list[Layer] = [_Level(network, level + 1)] if level + 1 < len(network.down_path) else []
        self.below: list[Layer] = [ConvRows(down.conv), BlurRows(down.kernel), *_double(double), *deeper]
        self.up: list[Layer] = [TwiceRows(), ConvRows(up.conv, act=False)]
        self.merge = _double(up.merge)
        self.skipping = Waiting()
        self.most_rows = 1

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, C, n, W). Returns (1, C, m, W)."""
        if rows is not None:
            self.skipping.put(rows)
            self.most_rows = max(self.most_rows, rows.shape[2] // 2)
        x = through(self.below, rows, last=last)
        if x is None:
            return self._merged(None, last=last)
        # With the last rows all that still waits comes up at once, several bands of it.
        parts = torch.split(x, self.most_rows, dim=2)
        return _joined(*(self._merged(part, last=last and part is parts[-1]) for part in parts))

    def _merged(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, 2 C, n, W / 2), from below. Returns (1, C, m, W)."""
        x = through(self.up, rows, last=last)
        if x is not None:
            x = torch.cat([x, self.skipping.take(x.shape[2])], dim=1)
        return through(self.merge, x, last=last)


class Waiting:
    """Rows that wait for others of the same place."""

    def __init__(self) -> None:
        self._bands: deque[Tensor] = deque()

    def put(self, rows: Tensor) -> None:
        """rows: (1, C, n, W), below those that were put before."""
        self._bands.append(rows)

    def take(self, count: int) -> Tensor:
        """So many of the rows that wait, from the first on."""
        taken: list[Tensor] = []
        while count:
            rows = self._bands.popleft()
            taken.append(rows[:, :, :count])
            if rows.shape[2] > count:
                self._bands.appendleft(rows[:, :, count:])
            count -= taken[-1].shape[2]
        return taken[0] if len(taken) == 1 else torch.cat(taken, dim=2)


def through(layers: Sequence[Layer], rows: Band, *, last: bool) -> Band:
    """Rows through one layer after the other, as far as they get."""
    for layer in layers:
        rows = layer(rows, last=last)
    return rows


def waiting_rows(sizes: UNetSizes) -> int:
    """About as many rows wait in a `UNetRows`, at all levels together: counted at its full size and base width.

    Each level at scale s reaches 4 s down in its own convolutions and bilinear step, 1 s in the blur and 2 * 3 s one
    level below; beside it waits what all levels below it reach. A level further down rows are half as wide and twice
    as deep.
    """
    return sum(11 * ((1 << deeper) - 1) for deeper in range(1, sizes.levels + 1))


def _double(double: nn.Module) -> list[Layer]:
    assert isinstance(double, DoubleConv)
    return [ConvRows(double.conv1), ConvRows(double.conv2)]


def _present(*parts: Band) -> list[Tensor]:
    return [part for part in parts if part is not None]


def _joined(*parts: Band) -> Band:
    present = _present(*parts)
    return torch.cat(present, dim=2) if len(present) > 1 else next(iter(present), None)


def _last_rows(parts: Sequence[Tensor], count: int) -> Band:
    """A copy of the last `count` rows of several tensors, one below the other, or of as many as there are."""
    tail: list[Tensor] = []
    for part in reversed(parts):
        if count > 0:
            tail.insert(0, part[:, :, -count:])
            count -= tail[0].shape[2]
    return torch.cat(tail, dim=2) if tail else None
