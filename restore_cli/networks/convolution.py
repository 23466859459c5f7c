"""Convolutions that can run on a band of a picture, and by another algorithm where that is faster.

A drop-in for nn.Conv2d with the same parameters: `forward` without further arguments gives what nn.Conv2d gives. It
departs in how: without gradients, on a CPU and in float32, 3 x 3 kernels over enough channels go through `winograd`,
large kernels with few outputs (bands of rows alone) through `few_outputs`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks import few_outputs, winograd


class Conv(nn.Conv2d):
    """nn.Conv2d with zero or reflection padding, the same on all four sides."""

    def forward(  # type: ignore[override]
        self,
        x: Tensor,
        above: int | None = None,
        below: int | None = None,
        transformed: Callable[[], Tensor] | None = None,
    ) -> Tensor:
        """x: (B, C, H, W). Returns (B, K, H', W').

        above, below: rows of padding to make; None: as configured. A band that brings its neighbouring rows needs none.
        transformed: what to take for `self.transformed`, from whoever keeps the weights for many bands.
        """
        p = int(self.padding[0])
        above, below = p if above is None else above, p if below is None else below
        if winograd.pays(self, x):
            photos = [self.over([photo[None]], above, below, transformed) for photo in x]
            return photos[0] if len(photos) == 1 else torch.cat(photos)
        if above == below == p:
            plain = self.padding_mode != "reflect" or torch.is_grad_enabled() or self.stride != (1, 1)
            return super().forward(x) if plain or min(x.shape[2:]) < 2 * p else self._mended(x, p)
        padded = F.pad(x, (p, p, above, below), mode="reflect" if self.padding_mode == "reflect" else "constant")
        return F.conv2d(padded, self.weight, self.bias, self.stride)

    def _mended(self, x: Tensor, p: int) -> Tensor:
        """With zero padding and the border done again: the same, without a padded copy of x."""
        out = F.conv2d(x, self.weight, self.bias, padding=p)
        sides = (
            (out[:, :, :p], x[:, :, : 2 * p], (p, p, p, 0)),
            (out[:, :, -p:], x[:, :, -2 * p :], (p, p, 0, p)),
            (out[:, :, :, :p], x[:, :, :, : 2 * p], (p, 0, p, p)),
            (out[:, :, :, -p:], x[:, :, :, -2 * p :], (0, p, p, p)),
        )
        for wrong, source, padding in sides:
            wrong.copy_(F.conv2d(F.pad(source, padding, mode="reflect"), self.weight, self.bias))
        return out

    def transformed(self) -> Tensor:
        """The weights as `winograd.convolve` takes them, (36, C, K)."""
        with torch.autocast("cpu", enabled=False):
            return winograd.transform_weight(self.weight)

    def over(
        self, parts: Sequence[Tensor], above: int, below: int, transformed: Callable[[], Tensor] | None = None
    ) -> Tensor:
        """The same over rows of one photo that lie in several tensors, one below the other.

        parts: (1, C, h, W) each. above, below, transformed: as in `forward`. Returns (1, K, H', W).
        """
        rows = [part[0].permute(1, 2, 0) for part in parts]
        p, reflects = int(self.padding[0]), self.padding_mode == "reflect"
        height = sum(part.shape[0] for part in rows) + above + below - 2 * p
        if not winograd.pays(self, parts[-1]):
            padded = _padded(rows, p, above, below, reflects=reflects)[None].permute(0, 3, 1, 2)
            if few_outputs.pays(self, padded):
                return few_outputs.convolve(padded, self.weight, self.bias)
            return F.conv2d(padded, self.weight, self.bias, self.stride)
        padded = _padded(rows, p, above, below, reflects=reflects, multiple=4)
        weights = (transformed or self.transformed)()
        with torch.autocast("cpu", enabled=False):  # rounded to bfloat16, its products would be too coarse: 37 dB
            out = winograd.convolve(padded, weights, self.bias)
        # In this order it counts as channels_last.
        return out[:height, : rows[0].shape[1]].contiguous()[None].permute(0, 3, 1, 2)


def _padded(parts: Sequence[Tensor], p: int, above: int, below: int, *, reflects: bool, multiple: int = 1) -> Tensor:
    """Rows (h, w, C) in several tensors to one, with padding around them: p columns on both sides, and above and below.

    What is left of its height and width without 2 p is a multiple of `multiple`, by zeros at the end.
    """
    w, channels = parts[0].shape[1:]
    h = sum(part.shape[0] for part in parts)
    inner_height, inner_width = (-(-side // multiple) * multiple for side in (h + above + below - 2 * p, w))
    out = parts[0].new_empty(inner_height + 2 * p, inner_width + 2 * p, channels)
    top, right = above, p + w
    for part in parts:
        out[top : top + part.shape[0], p:right] = part
        top += part.shape[0]
    out[top + below :] = 0
    out[:, right + p :] = 0
    if not reflects:
        out[:above] = 0
        out[top : top + below] = 0
        out[:, :p] = 0
        out[:, right : right + p] = 0
        return out
    for distance in range(1, above + 1):
        out[above - distance, p:right] = out[above + distance, p:right]
    for distance in range(below):
        out[top + distance, p:right] = out[top - 2 - distance, p:right]
    for distance in range(p):
        out[:, p - 1 - distance] = out[:, p + 1 + distance]
        out[:, right + distance] = out[:, right - 2 - distance]
    return out
