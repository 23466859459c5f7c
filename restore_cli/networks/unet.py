"""Scratch detector: a U-Net from a photo to one logit a pixel.

Source: Wan et al. 2020, section 4.1, and the released `FT_Epoch_latest.pt`. Grey image in [-1, 1] (PIL's "L" weights),
(B, 1, H, W) with H and W multiples of 16; out come logits of the same size, whose sigmoid is the probability that a
pixel is damaged. Departs where its configuration says so: colour instead of grey, for paper and dust have another
colour than a faded print; and 2 x 2 pixels as channels of one position (Shi et al. 2016), for the layers at full size
take most of the time and know least.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks.convolution import Conv


@dataclass(frozen=True, kw_only=True)
class UNetSizes:
    """Sizes of a U-Net, and what follows from them."""

    base: int = 64
    """Channels after the first convolution; each of the levels below doubles them."""
    levels: int = 4
    """How often the picture is halved."""
    fold: int = 1
    """fold x fold pixels go in as the channels of one position, and as many logits come out of it."""

    def __post_init__(self) -> None:
        if min(self.base, self.levels, self.fold) < 1:
            given = f"{self.base}, {self.levels} and {self.fold}"
            raise ValueError(f"base, levels and fold must be at least 1, got {given}")

    @property
    def size_multiple(self) -> int:
        """Height and width must be multiples of this."""
        return self.fold << self.levels

    @property
    def smallest_px(self) -> int:
        """Height and width must be at least this: reflection padding at the lowest level needs two positions."""
        return 2 * self.size_multiple


@dataclass(frozen=True, kw_only=True)
class UNetConfig(UNetSizes):
    """Sizes of the detector."""

    colours: int = 1
    """1: sees the photo in grey; 3: in RGB."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.colours not in (1, 3):
            raise ValueError(f"colours must be 1 (grey) or 3 (RGB), got {self.colours}")


UNET_RELEASED = UNetConfig()
Network = TypeVar("Network", bound="UNet")


class DoubleConv(nn.Module):
    """Twice (reflect, Conv3, batch norm, leaky ReLU)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = Conv(in_channels, out_channels, 3, padding=1, padding_mode="reflect")
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = Conv(out_channels, out_channels, 3, padding=1, padding_mode="reflect")
        self.norm2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, in, H, W). Returns (B, out, H, W)."""
        x = F.leaky_relu(self.norm1(self.conv1(x)), 0.2, inplace=True)
        return F.leaky_relu(self.norm2(self.conv2(x)), 0.2, inplace=True)


class Down(nn.Module):
    """Conv3, batch norm, leaky ReLU, then a binomial blur with stride 2 (Zhang 2019: shift-invariant downsampling)."""

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv(channels, channels, 3, padding=1, padding_mode="reflect")
        self.norm = nn.BatchNorm2d(channels)
        line = torch.tensor([1.0, 2.0, 1.0])
        kernel = torch.outer(line, line) / 16
        self.register_buffer("kernel", kernel.repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W). Returns (B, C, H/2, W/2)."""
        x = F.leaky_relu(self.norm(self.conv(x)), 0.2, inplace=True)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.kernel, stride=2, groups=x.shape[1])


class Up(nn.Module):
    """Bilinear x2, Conv3, the skip beside it, double convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = Conv(in_channels, out_channels, 3, padding=1, padding_mode="reflect")
        self.merge = DoubleConv(in_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """x: (B, 2C, H, W), skip: (B, C, 2H, 2W). Returns (B, C, 2H, 2W)."""
        x = self.conv(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
        return self.merge(torch.cat([x, skip], dim=1))  # type: ignore[no-any-return]


class UNet(nn.Module):
    """From `channels` values a pixel to one logit a pixel."""

    def __init__(self, channels: int, sizes: UNetSizes) -> None:
        super().__init__()
        self.fold = sizes.fold
        widths = [sizes.base * 2**level for level in range(sizes.levels + 1)]
        first = 7 if self.fold == 1 else 3  # about as many pixels
        seen, told = channels * self.fold**2, self.fold**2
        self.first = Conv(seen, sizes.base, first, padding=first // 2, padding_mode="reflect")
        self.down_sample = nn.ModuleList(Down(c) for c in widths[:-1])
        self.down_path = nn.ModuleList(DoubleConv(c, 2 * c) for c in widths[:-1])
        self.up_path = nn.ModuleList(Up(2 * c, c) for c in reversed(widths[:-1]))
        self.last = Conv(sizes.base, told, 3, padding=1, padding_mode="reflect")

    def walk(self, seen: Tensor) -> Tensor:
        """seen: (B, channels, H, W), H and W multiples of `size_multiple`. Returns logits (B, 1, H, W)."""
        x = F.pixel_unshuffle(seen, self.fold)
        x = F.leaky_relu(self.first(x), 0.2, inplace=True)  # (B, base, H / fold, W / fold)
        skips: list[Tensor] = []
        for shrink, double in zip(self.down_sample, self.down_path, strict=True):
            skips.append(x)
            x = double(shrink(x))  # (B, 2C, H/2, W/2)
        for up in self.up_path:
            x = up(x, skips.pop())
        return F.pixel_shuffle(self.last(x), self.fold)


class ScratchUNet(UNet):
    """The detector. 37.63 M parameters at base 64."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__(config.colours, config)
        self.config = config

    def forward(self, photo: Tensor) -> Tensor:
        """photo: (B, colours, H, W) in [-1, 1], see `inputs.as_detector_sees`; H and W multiples of `size_multiple`.

        Returns logits (B, 1, H, W).
        """
        return self.walk(photo)


def fold_batch_norms(network: Network) -> Network:
    """The same network for inference alone, its batch norms multiplied into the convolutions before them, in place."""
    for module in network.modules():
        for conv_name, norm_name in (("conv", "norm"), ("conv1", "norm1"), ("conv2", "norm2")):
            norm = getattr(module, norm_name, None)
            if not isinstance(norm, nn.BatchNorm2d):
                continue
            conv = getattr(module, conv_name)
            assert norm.running_var is not None
            assert norm.running_mean is not None
            with torch.no_grad():
                gain = norm.weight / (norm.running_var + norm.eps).sqrt()
                conv.weight.mul_(gain[:, None, None, None])
                conv.bias.sub_(norm.running_mean).mul_(gain).add_(norm.bias)
            setattr(module, norm_name, nn.Identity())
    return network
