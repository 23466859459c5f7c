"""3 x 3 convolutions on a CPU with a quarter of the multiplications: Winograd's F(4 x 4, 3 x 3).

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016), after Winograd and Toom-Cook.
Each 6 x 6 patch of the input gives 4 x 4 outputs as one product of 36 transformed values, and the products of all
patches are 36 matrix products. Departs from the usual form in its points, 0, +-3/4, +-3/2 and infinity instead of 0,
+-1, +-2 and infinity: their powers stay near 1, and the result is closer to float64 than the direct sum is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from restore_cli.networks.cpu import has_amx

A, B = 0.75, 1.5
AA, BB = A * A, B * B
CHUNK_PATCHES = 128
"""Patches transformed at a time, at most: enough for the matrix products, and at 512 channels their 9 MB stay in a
cache."""
FEWEST_CHANNELS = 64
"""With fewer on either side the transforms cost more than the products save (measured: docs/memory.md)."""
FEWEST_SHARED_CHANNELS = 256
"""The same on several threads: transforms and products of fewer are too small to be shared out."""
FEWEST_ROUNDED_CHANNELS = 512
"""The same where the other way is a convolution in bfloat16 without AMX: 0.14 instead of 0.17 s, and more exact."""


def transform_weight(weight: Tensor) -> Tensor:
    """weight: (K, C, 3, 3). Returns (36, C, K), one matrix for each of the 36 products."""
    a, b = 1 / (2 * AA * (AA - BB)), 1 / (2 * BB * (BB - AA))
    rows = [
        [1 / (AA * BB), 0, 0],
        [a, a * A, a * AA],
        [a, -a * A, a * AA],
        [b, b * B, b * BB],
        [b, -b * B, b * BB],
        [0, 0, 1],
    ]
    line = torch.tensor(rows, dtype=torch.float64)
    square = torch.einsum("cj,ri->crij", line, line).reshape(36, 9).to(weight)  # columns first, as in `convolve`
    kernels = weight.flatten(2).transpose(1, 2)  # (K, 9, C), as they lie in memory when they are channels_last
    return torch.bmm(square.expand(weight.shape[0], 36, 9), kernels).permute(1, 2, 0)


def convolve(padded: Tensor, transformed: Tensor, bias: Tensor | None) -> Tensor:
    """padded: (4 h + 2, 4 w + 2, C) contiguous. transformed: of `transform_weight`. Returns (4 h, 4 w, K)."""
    height, width = padded.shape[0] // 4, padded.shape[1] // 4
    k = transformed.shape[2]
    out = padded.new_empty(4 * height, 4 * width, k)
    targets = out.view(height, 4, width, 4, k).permute(1, 3, 0, 2, 4)
    for top, bottom in _cuts(height, CHUNK_PATCHES // width):
        for left, right in _cuts(width, CHUNK_PATCHES):
            h, w = bottom - top, right - left
            part = padded[4 * top : 4 * bottom + 2, 4 * left : 4 * right + 2]
            products = torch.bmm(_patches(part, h, w), transformed).view(6, 6, h, w, k)
            across = _outputs(products, products.new_empty(4, *products.shape[1:]))  # (4 columns, 6 rows, h, w, K)
            _outputs([across[:, row] for row in range(6)], targets[:, :, top:bottom, left:right])
    return out if bias is None else out.add_(bias)


def pays(conv: nn.Conv2d, x: Tensor) -> bool:
    """Whether `convolve` may and should stand in for this convolution of x: (B, C, H, W)."""
    channels = min(conv.in_channels, conv.out_channels)
    return (
        conv.kernel_size == (3, 3)
        and conv.stride == (1, 1)
        and channels >= FEWEST_CHANNELS
        and x.shape[2] * x.shape[3] >= 4 * max(conv.in_channels, conv.out_channels)  # or the weights cost most
        and may_stand_in(x)
        and _is_faster(channels)
    )


def may_stand_in(x: Tensor) -> bool:
    """Whether another way of convolving x in float32 may be taken: on a CPU, where nobody trains."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_grad_enabled()


def _is_faster(channels: int) -> bool:
    if torch.is_autocast_enabled("cpu"):
        return channels >= FEWEST_ROUNDED_CHANNELS and not has_amx()
    return torch.get_num_threads() == 1 or channels >= FEWEST_SHARED_CHANNELS


def _cuts(length: int, most: int) -> Iterator[tuple[int, int]]:
    """0..length in parts as equal as can be, of at most `most` and at least one."""
    count = -(-length // max(most, 1))
    return pairwise(length * number // count for number in range(count + 1))


def _patches(part: Tensor, height: int, width: int) -> Tensor:
    """part: (4 height + 2, 4 width + 2, C). Returns (36, height * width, C), columns first."""
    channels = part.shape[2]
    lines = _inputs(
        [part[row : row + 4 * height - 3 : 4] for row in range(6)], part.new_empty(6, height, *part.shape[1:])
    )
    columns = [lines[:, :, column : column + 4 * width - 3 : 4] for column in range(6)]
    patches = _inputs(columns, part.new_empty(6, 6, height, width, channels))
    return patches.view(36, height * width, channels)


def _inputs(d: Sequence[Tensor], out: Tensor) -> Tensor:
    """Six samples to the values of six products, along one direction."""
    even, odd = torch.add(d[4], d[2], alpha=-BB), torch.add(d[3], d[1], alpha=-BB)
    torch.add(even, odd, alpha=A, out=out[1])
    torch.add(even, odd, alpha=-A, out=out[2])
    torch.add(d[4], d[2], alpha=-AA, out=even)
    torch.add(d[3], d[1], alpha=-AA, out=odd)
    torch.add(even, odd, alpha=B, out=out[3])
    torch.add(even, odd, alpha=-B, out=out[4])
    torch.add(d[2], d[0], alpha=-AA, out=out[0])
    torch.add(even, out[0], alpha=-BB, out=out[0])
    torch.add(d[5], d[3], alpha=-AA, out=out[5])
    torch.add(out[5], odd, alpha=-BB, out=out[5])
    return out


def _outputs(m: Sequence[Tensor] | Tensor, out: Tensor) -> Tensor:
    """Six products to four outputs, along one direction; `out` may be a permuted view."""
    even_a, odd_a = m[1] + m[2], m[1] - m[2]
    even_b, odd_b = m[3] + m[4], m[3] - m[4]
    torch.add(even_a, m[0], out=out[0])
    out[0].add_(even_b)
    torch.mul(odd_a, A, out=out[1])
    out[1].add_(odd_b, alpha=B)
    torch.mul(even_a, AA, out=out[2])
    out[2].add_(even_b, alpha=BB)
    torch.add(m[5], odd_a, alpha=A * AA, out=out[3])
    out[3].add_(odd_b, alpha=B * BB)
    return out
