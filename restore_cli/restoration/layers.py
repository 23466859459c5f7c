"""Network layers over a whole photo, one band of rows at a time.

An instance norm needs the mean and variance of the whole photo before its first pixel can go on. So each convolution
runs over all bands first, its output kept as it is and its statistics summed up, and whoever reads that output applies
the norm. The result is that of the layer on the whole photo, to rounding: bands bring their neighbours' rows along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from restore_cli.networks.blocks import ResBlock
from restore_cli.networks.convolution import Conv
from restore_cli.restoration.device import autocast
from restore_cli.restoration.planes import Plane, Rows

ROWS_AT_ONCE = 4
"""Rows whose statistics are taken together: few, so that the three looks at them find them in a cache."""
RowsOf = Callable[[int, int], Tensor]
"""Rows top..bottom of something, (1, C, bottom - top, W)."""


@dataclass(frozen=True)
class Moments:
    """What an instance norm does: (x - mean) * scale, each (1, C, 1, 1)."""

    mean: Tensor
    scale: Tensor


@dataclass(frozen=True)
class Field:
    """A layer's output for the whole photo: what was kept of it, and what is done to it when it is read."""

    plane: Plane
    moments: Moments | None = None
    act: nn.Module | None = None

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.plane.height

    def rows(self, top: int, bottom: int) -> Tensor:
        """Rows top..bottom, (1, C, bottom - top, W) float32."""
        return _activate(self.plane.rows(top, bottom), self.moments, self.act)

    @property
    def is_plain(self) -> bool:
        """Whether it is what was kept."""
        return self.moments is None and self.act is None

    def view(self, top: int, bottom: int) -> Tensor:
        """The same as `rows`, but not to be changed: where nothing is done to what was kept, it may be its memory."""
        return self.plane.view(top, bottom) if self.is_plain else self.rows(top, bottom)


@dataclass(frozen=True)
class Viewed:
    """A field read by one that changes nothing of what it reads, and nothing of the field before it is done."""

    field: Field

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.field.height

    def rows(self, top: int, bottom: int) -> Tensor:
        """Rows top..bottom, (1, C, bottom - top, W) float32."""
        return self.field.view(top, bottom)


@dataclass(frozen=True)
class Computed:
    """A convolution's output that is not kept but computed whenever it is read."""

    conv: nn.Module
    source: Rows
    bands: Bands
    moments: Moments | None = None
    act: nn.Module | None = None

    @property
    def height(self) -> int:
        """Number of rows."""
        return _height_after(self.conv, self.source.height)

    def rows(self, top: int, bottom: int) -> Tensor:
        """Rows top..bottom, (1, C, bottom - top, W) float32."""
        return _activate(self.bands.convolved(self.conv, self.source, top, bottom), self.moments, self.act)


class Sliding:
    """Rows read in order, each but once: those that two bands share are kept from the one before.

    So a layer may write its output over its own input.
    """

    def __init__(self, source: Rows) -> None:
        self.source, self.height = source, source.height
        self.top, self.kept = 0, None

    top: int
    kept: Tensor | None

    def rows(self, top: int, bottom: int) -> Tensor:
        """Rows top..bottom; neither may go back between calls."""
        read = top if self.kept is None else max(self.top + self.kept.shape[2], top)
        parts = [] if self.kept is None or read == top else [self.kept[:, :, top - self.top :]]
        if bottom > read:
            parts.append(self.source.rows(read, bottom))
        self.kept = parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
        self.top = top
        return self.kept


class RunningMoments:
    """Mean and variance of each channel over bands, combined in float64.

    Source: Chan, Golub and LeVeque 1979, the pairwise update.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: Tensor | float = 0.0
        self.squares: Tensor | float = 0.0

    def add(self, rows: Tensor) -> None:
        """rows: (1, C, h, W)."""
        for row in torch.split(rows[0].permute(1, 2, 0), ROWS_AT_ONCE):
            self._add(row.flatten(0, 1))

    def _add(self, positions: Tensor) -> None:
        """positions: (N, C)."""
        number, centre = positions.shape[0], positions.mean(dim=0)
        squares = (positions - centre).square_().sum(dim=0).double()
        mean = centre.double()
        total, distance = self.count + number, mean - self.mean
        self.squares = self.squares + squares + distance.square() * (self.count * number / total)
        self.mean = self.mean + distance * (number / total)
        self.count = total

    def moments(self, norm: nn.InstanceNorm2d) -> Moments:
        """What `norm` would do to everything that was added."""
        assert isinstance(self.mean, Tensor)
        assert isinstance(self.squares, Tensor)
        scale = (self.squares / self.count + norm.eps).rsqrt()
        return Moments(self.mean.float().view(1, -1, 1, 1), scale.float().view(1, -1, 1, 1))


@dataclass(frozen=True, kw_only=True)
class Bands:
    """How layers are run: in bands of so many latent rows, on a device, in a precision."""

    latent_rows: int
    latent_height: int
    device: torch.device
    dtype: torch.dtype

    def cuts(self, height: int) -> Iterator[tuple[int, int]]:
        """The bands of a layer with `height` rows: top and bottom, in order."""
        rows = self.latent_rows * height // self.latent_height
        for top in range(0, height, rows):
            yield top, min(top + rows, height)

    def convolved(
        self, conv: nn.Module, source: Rows, top: int, bottom: int, transformed: Callable[[], Tensor] | None = None
    ) -> Tensor:
        """Rows top..bottom of the convolution of all of `source`. transformed: the convolution's weights, if kept."""
        with autocast(self.device, self.dtype):
            if isinstance(conv, nn.ConvTranspose2d):
                return _enlarged(conv, source, top, bottom).float()
            assert isinstance(conv, Conv)
            kernel, stride, pad = conv.kernel_size[0], conv.stride[0], int(conv.padding[0])
            first, last = stride * top - pad, stride * (bottom - 1) - pad + kernel
            above, below = max(-first, 0), max(last - source.height, 0)
            rows = source.rows(first + above, last - below)
            return conv(rows, above, below, transformed).float()  # type: ignore[no-any-return]

    def moments(self, conv: nn.Module, norm: nn.Module, source: Rows) -> Moments | None:
        """Statistics of a convolution's output that is not kept; None without a norm."""
        if not isinstance(norm, nn.InstanceNorm2d):
            return None
        return self._pass(conv, norm, source, None)

    def layer(
        self, conv: nn.Module, norm: nn.Module | None, source: Rows, target: Plane, *, act: nn.Module | None
    ) -> Field:
        """A convolution's output kept in `target`, which may be the plane that `source` reads."""
        if isinstance(norm, nn.InstanceNorm2d):
            return Field(target, self._pass(conv, norm, source, target), act)
        self._pass(conv, None, source, target, act=act)
        return Field(target)

    def _pass(
        self,
        conv: nn.Module,
        norm: nn.Module | None,
        source: Rows,
        target: Plane | None,
        *,
        act: nn.Module | None = None,
        beside: Field | None = None,
    ) -> Moments | None:
        """Run a convolution, add what lies `beside`, keep the sum in `target` and its statistics, as far as given."""
        stays = isinstance(source, Field) and source.is_plain and source.plane is not target
        read: Rows = Viewed(source) if isinstance(source, Field) and stays else Sliding(source)
        running = RunningMoments()
        transformed = cache(conv.transformed) if isinstance(conv, Conv) else None  # once for all bands
        for top, bottom in self.cuts(_height_after(conv, source.height)):
            rows = self.convolved(conv, read, top, bottom, transformed)
            if beside is not None:
                rows += beside.view(top, bottom)
            if act is not None:
                rows = act(rows)
            if isinstance(norm, nn.InstanceNorm2d):
                running.add(rows)
            if target is not None:
                target.write(top, rows)
        return running.moments(norm) if isinstance(norm, nn.InstanceNorm2d) else None

    def res_block(self, block: ResBlock, x: Field, spare: Plane, target: Plane) -> Field:
        """x + block(x) in `target`, which is the plane of x or `spare`; what x holds is used up if it is its own."""
        hidden = self.layer(block.conv1, block.norm1, x, spare, act=block.act)
        if not isinstance(block.norm2, nn.InstanceNorm2d):
            self._pass(block.conv2, None, hidden, target, beside=x)
            return Field(target)
        change = self.layer(block.conv2, block.norm2, hidden, spare, act=None)
        return self.write(target, lambda top, bottom: x.rows(top, bottom).add_(change.rows(top, bottom)))

    def write(self, target: Plane, rows: RowsOf) -> Field:
        """Fill a plane band by band."""
        for top, bottom in self.cuts(target.height):
            target.write(top, rows(top, bottom))
        return Field(target)


def _activate(rows: Tensor, moments: Moments | None, act: nn.Module | None) -> Tensor:
    if moments is not None:
        rows = rows.sub_(moments.mean).mul_(moments.scale)
    return rows if act is None else act(rows)  # type: ignore[no-any-return]


def _height_after(conv: nn.Module, height: int) -> int:
    if isinstance(conv, nn.ConvTranspose2d):
        return height * conv.stride[0]
    assert isinstance(conv, Conv)
    return height // conv.stride[0]


def _enlarged(conv: nn.ConvTranspose2d, source: Rows, top: int, bottom: int) -> Tensor:
    """Rows top..bottom of a transposed convolution, run over the rows they come from and one more on either side."""
    stride = conv.stride[0]
    first, last = max(top // stride - 1, 0), min(-(-bottom // stride) + 1, source.height)
    enlarged: Tensor = conv(source.rows(first, last))
    return enlarged[:, :, top - first * stride : bottom - first * stride]
