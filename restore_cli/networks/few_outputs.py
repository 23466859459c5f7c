"""Convolutions on a CPU with a large kernel and few outputs, such as the last one before a picture: line by line.

oneDNN computes eight outputs or more at a time, so three cost as much as eight. The parts that each line of a k x k
kernel adds to its K outputs are k K outputs of one 1 x k kernel, and a second convolution, whose weights are zeros and
ones, adds up the parts of k lines.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks.winograd import may_stand_in

MOST_OUTPUTS = 4
SMALLEST_KERNEL = 5
"""Below it there are too few lines to fill eight outputs with."""


def pays(conv: nn.Conv2d, x: Tensor) -> bool:
    """Whether `convolve` may and should stand in for this convolution of x: (B, C, H, W)."""
    return (
        conv.out_channels <= MOST_OUTPUTS
        and min(conv.kernel_size) >= SMALLEST_KERNEL
        and conv.stride == (1, 1)
        and may_stand_in(x)
        and not torch.is_autocast_enabled("cpu")
    )


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x: (B, C, H, W), padded. weight: (K, C, k, k). Returns (B, K, H - k + 1, W - k + 1)."""
    outputs, channels, lines, width = weight.shape
    by_line = weight.permute(2, 0, 1, 3).reshape(lines * outputs, channels, 1, width)
    parts = F.conv2d(x, by_line.contiguous(memory_format=torch.channels_last))
    adding = torch.eye(lines * outputs, device=x.device).view(lines, outputs, 1, lines * outputs).permute(1, 3, 0, 2)
    return F.conv2d(parts, adding.contiguous(memory_format=torch.channels_last), bias)
