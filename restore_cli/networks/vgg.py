"""VGG-19 up to relu5_1: what two pictures have in common for an eye that was trained on ImageNet.

Source: Simonyan and Zisserman 2015, configuration E; torchvision's published `vgg19-dcbb9e9d.pth`. Used for the
perceptual loss in training only. RGB in [-1, 1] goes in and is brought to the mean and spread that the weights were
trained with; out come the activations after relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CONVS_A_LEVEL = (2, 2, 4, 4, 1)
"""Convolutions between two poolings; of the last level only the first is needed."""
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's R, G and B with white = 1."""


@dataclass(frozen=True, kw_only=True)
class VGGConfig:
    """Size of the network."""

    width: int = 64
    """Channels of the first level; the next have 2, 4, 8 and 8 times as many."""


VGG_RELEASED = VGGConfig()


class VGG19(nn.Module):
    """12.9 M parameters at width 64."""

    mean: Tensor
    spread: Tensor

    def __init__(self, config: VGGConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * min(2**level, 8) for level in range(len(CONVS_A_LEVEL))]
        before = 3
        self.levels = nn.ModuleList()  # of nn.ModuleList
        for width, count in zip(widths, CONVS_A_LEVEL, strict=True):
            ins = [before, *[width] * (count - 1)]
            self.levels.append(nn.ModuleList(nn.Conv2d(channels, width, 3, padding=1) for channels in ins))
            before = width
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("spread", torch.tensor(SPREAD)[:, None, None], persistent=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """image: (B, 3, H, W) in [-1, 1]. Returns five activations (B, C, h, w), each half the size of the last."""
        x = ((image + 1) / 2 - self.mean) / self.spread
        features: list[Tensor] = []
        for number, level in enumerate(self.levels):
            if number:
                x = F.max_pool2d(x, 2)
            assert isinstance(level, nn.ModuleList)
            for place, conv in enumerate(level):
                x = F.relu(conv(x))
                if place == 0:
                    features.append(x)
        return features
