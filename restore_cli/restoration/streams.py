"""Network layers over a photo whose rows come in bands, from top to bottom.

Every layer keeps the few rows that its next output still needs, computes what it can from them and the rows that came,
and hands it on. So no row is computed twice, no border exists, and of the photo no more lies in memory than some bands.
The result is that of the network on the photo in one piece, to rounding. For networks without statistics of the whole
photo.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks.convolution import Conv

Band = Tensor | None
"""Rows of one photo, (1, C, n, W), that follow those before; None: nothing yet."""
Act = Callable[[Tensor], Tensor]
"""An activation, which may change what it is given."""


class Layer(Protocol):
    """Something that rows go through."""

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """What can be said now that these rows have come; with `last`, all that is left."""
        ...


class ConvRows:
    """A convolution, and what is done to its output."""

    def __init__(self, conv: nn.Module, act: Act | None = None) -> None:
        assert isinstance(conv, Conv)
        self.conv, self.act = conv, act
        self.kernel, self.stride, self.pad = conv.kernel_size[0], conv.stride[0], int(conv.padding[0])
        self.kept: Band = None
        self.begun = False

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, in, n, W). Returns (1, out, m, W / stride)."""
        parts = present(self.kept, rows)
        above, below = 0 if self.begun else self.pad, self.pad if last else 0
        here = sum(part.shape[2] for part in parts)
        count = (above + here + below - self.kernel) // self.stride + 1
        left = here - (self.stride * count - above)  # rows that the next output still needs
        if count < 1 or left > here:  # at the top what comes next would have to know the padding
            self.kept = _last_rows(parts, here)
            return None
        out = self.conv.over(parts, above, below)
        self.kept, self.begun = _last_rows(parts, left), True
        return out if self.act is None else self.act(out)


class EnlargedRows:
    """Enlargement to twice the size, each row of which depends on the two rows nearest to it."""

    def __init__(self, enlarge: Callable[[Tensor], Tensor]) -> None:
        self.enlarge = enlarge
        self.kept: Band = None

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, C, n, W). Returns (1, D, m, 2 W)."""
        x = joined(self.kept, rows)
        if x is None or (rows is None and not last):
            return None
        enlarged = self.enlarge(x)
        first = 0 if self.kept is None else 1  # the one above it was given out
        self.kept = x[:, :, -1:].clone()
        return enlarged[:, :, first : enlarged.shape[2] - (0 if last else 1)]


class Each:
    """What depends on each row alone."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, in, n, W)."""
        return None if rows is None else self.module(rows)


class InParts:
    """Layers that get rows a few at a time: what waited for the end of the photo comes all at once."""

    def __init__(self, layers: Sequence[Layer], most_rows: int) -> None:
        self.layers, self.most_rows = layers, most_rows

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, in, n, W). Returns (1, out, m, V)."""
        if rows is None:
            return through(self.layers, None, last=last)
        parts = torch.split(rows, self.most_rows, dim=2)
        return joined(*(through(self.layers, part, last=last and part is parts[-1]) for part in parts))


def bilinear(x: Tensor) -> Tensor:
    """(1, C, n, W) to (1, C, 2 n, 2 W), for `EnlargedRows`."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class Waiting:
    """Rows that wait for others of the same place."""

    def __init__(self) -> None:
        self._bands: deque[Tensor] = deque()

    @property
    def rows(self) -> int:
        """How many."""
        return sum(band.shape[2] for band in self._bands)

    def put(self, rows: Band) -> None:
        """rows: (1, C, n, W), below those that were put before."""
        if rows is not None:
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


class Sum:
    """What layers make of rows, and what others make of them, added. Without others: the rows themselves."""

    def __init__(self, layers: Sequence[Layer], beside: Sequence[Layer] = ()) -> None:
        self.layers, self.beside = layers, beside
        self.waiting = Waiting()

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, in, n, W). Returns (1, out, m, V) in float32."""
        self.waiting.put(through(self.beside, rows, last=last))
        out = through(self.layers, rows, last=last)
        return None if out is None else out.float().add_(self.waiting.take(out.shape[2]))


def through(layers: Sequence[Layer], rows: Band, *, last: bool) -> Band:
    """Rows through one layer after the other, as far as they get."""
    for layer in layers:
        rows = layer(rows, last=last)
    return rows


def present(*parts: Band) -> list[Tensor]:
    """Those that are there."""
    return [part for part in parts if part is not None]


def joined(*parts: Band) -> Band:
    """Rows one below the other."""
    there = present(*parts)
    return torch.cat(there, dim=2) if len(there) > 1 else next(iter(there), None)


def _last_rows(parts: Sequence[Tensor], count: int) -> Band:
    """A copy of the last `count` rows of several tensors, one below the other, or of as many as there are."""
    tail: list[Tensor] = []
    for part in reversed(parts):
        if count > 0:
            tail.insert(0, part[:, :, -count:])
            count -= tail[0].shape[2]
    return torch.cat(tail, dim=2) if tail else None
