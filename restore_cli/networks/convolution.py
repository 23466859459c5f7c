"""Convolutions that can run on a band of a picture, and by Winograd's algorithm where that is faster.

A drop-in for nn.Conv2d with the same parameters: `forward` without further arguments gives what nn.Conv2d gives. It
departs in how: without gradients, on a CPU and in float32, 3 x 3 kernels over enough channels go through `winograd`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks import winograd


class Conv(nn.Conv2d):
    """nn.Conv2d with zero or reflection padding, the same on all four sides."""

    def forward(self, x: Tensor, above: int | None = None, below: int | None = None) -> Tensor:  # type: ignore[override]
        """x: (B, C, H, W). Returns (B, K, H', W').

        above, below: rows of padding to make; None: as configured. A band that brings its neighbouring rows needs none.
        """
        p = int(self.padding[0])
        above, below = p if above is None else above, p if below is None else below
        if winograd.pays(self, x):
            weight = winograd.transform_weight(self.weight)
            parts = [self._by_winograd(photo, weight, above, below) for photo in x]
            return parts[0] if len(parts) == 1 else torch.cat(parts)
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

    def _by_winograd(self, x: Tensor, weight: Tensor, above: int, below: int) -> Tensor:
        """x: (C, H, W). Returns (1, K, H + above + below - 2, W), in channels_last order."""
        height, width = x.shape[1] + above + below - 2, x.shape[2]
        padded = _padded(x.permute(1, 2, 0), height, above, below, reflect=self.padding_mode == "reflect")
        out = winograd.convolve(padded, weight, self.bias)
        return out[:height, :width].contiguous()[None].permute(0, 3, 1, 2)  # in this order it counts as channels_last


def _padded(rows: Tensor, height: int, above: int, below: int, *, reflect: bool) -> Tensor:
    """rows: (h, w, C). Returns (4 n + 2, 4 m + 2, C) with padding around the rows and zeros beyond `height` and w."""
    h, w, channels = rows.shape
    out = rows.new_empty(-(-height // 4) * 4 + 2, -(-w // 4) * 4 + 2, channels)
    out[above : above + h, 1 : w + 1] = rows
    out[above + h + below :] = 0
    out[:, w + 2 :] = 0
    if not reflect:
        out[:above] = 0
        out[above + h : above + h + below] = 0
        out[:, 0] = 0
        out[:, w + 1] = 0
        return out
    if above:
        out[0, 1 : w + 1] = rows[1]
    if below:
        out[above + h, 1 : w + 1] = rows[-2]
    out[:, 0] = out[:, 2]
    out[:, w + 1] = out[:, w - 1]
    return out
