"""Discriminators: they judge patches of a picture, or of a latent, as real or made. Used in training only.

Source: Wan et al. 2020, section 3.2, after pix2pixHD (Wang et al. 2018): a PatchGAN at several scales, with average
pooling (3, stride 2, padding 1, edges not counted) between them. In go images (B, C, H, W) in [-1, 1] or latents; out
come, for each scale, all intermediate outputs, which feature matching compares, and last the patch scores.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

WIDEST = 8
"""No layer has more than this times the first layer's channels."""


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Sizes of a discriminator."""

    width: int = 64
    """Channels after the first convolution; each of the next doubles them, up to eight times."""
    layers: int = 3
    """Convolutions with stride 2; two with stride 1 follow."""
    scales: int = 2
    """The picture is judged whole and that many times less one at half the size of the last."""
    spectral_norm: bool = False
    """On every convolution, as the published mapping with scratches has it."""

    def __post_init__(self) -> None:
        if min(self.width, self.layers, self.scales) < 1:
            raise ValueError(f"width {self.width}, layers {self.layers} and scales {self.scales} must be at least 1")


class PatchDiscriminator(nn.Module):
    """One scale. 2.76 M parameters at width 64 and 3 layers, for 3 channels."""

    def __init__(self, channels: int, config: DiscriminatorConfig) -> None:
        super().__init__()
        widths = [config.width * min(2**n, WIDEST) for n in range(config.layers + 1)]
        strides = [2] * config.layers + [1]
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride, padding=2)
            for a, b, stride in zip([channels, *widths[:-1]], widths, strides, strict=True)
        )
        self.convs.append(nn.Conv2d(widths[-1], 1, 4, padding=2))
        if config.spectral_norm:
            for conv in self.convs:
                spectral_norm(conv)

    def forward(self, x: Tensor) -> list[Tensor]:
        """x: (B, channels, H, W). Returns each layer's output, the last (B, 1, h, w) being the scores."""
        outputs: list[Tensor] = []
        for number, conv in enumerate(self.convs):
            x = conv(x)
            if 0 < number < len(self.convs) - 1:
                x = F.instance_norm(x)
            if number < len(self.convs) - 1:
                x = F.leaky_relu(x, 0.2)
            outputs.append(x)
        return outputs


class Discriminator(nn.Module):
    """A patch discriminator at each scale."""

    def __init__(self, channels: int, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.scales = nn.ModuleList(PatchDiscriminator(channels, config) for _ in range(config.scales))

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """x: (B, channels, H, W). Returns for each scale, the finest first, what `PatchDiscriminator` returns."""
        judged: list[list[Tensor]] = []
        for number, scale in enumerate(self.scales):
            if number:
                x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            judged.append(scale(x))
        return judged
