"""The convolution blocks that the VAE, the mapping and the detector share.

Source: Wan et al. 2020 (supplementary) and the layout of the released checkpoints. "instance" normalisation is that of
the released weights (no affine, no running statistics, eps 1e-5). With "none" nothing is normalised: a photo keeps its
own brightness, a result does not depend on the rest of the picture, and the residual branches start at zero so that
deep stacks train without a norm. `leak` is the slope of the ReLUs below zero, 0 as released: without a norm plain ones
die, and what hangs on them learns no more.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from restore_cli.networks.convolution import Conv

Norm = Literal["instance", "none"]


def norm_layer(norm: Norm, channels: int) -> nn.Module:
    """A normalisation over (B, channels, H, W); "none" hands its input through."""
    return nn.InstanceNorm2d(channels) if norm == "instance" else nn.Identity()


def activation(leak: float) -> nn.Module:
    """ReLU; with a leak a leaky one of that slope."""
    return nn.LeakyReLU(leak, inplace=True) if leak else nn.ReLU(inplace=True)


class ConvBlock(nn.Module):
    """Convolution, normalisation, ReLU. Reflection padding keeps borders free of dark seams where it is asked for."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        stride: int = 1,
        padding: int,
        norm: Norm,
        leak: float = 0.0,
        reflect: bool = False,
    ) -> None:
        super().__init__()
        mode: Literal["reflect", "zeros"] = "reflect" if reflect else "zeros"
        self.conv = Conv(in_channels, out_channels, kernel, stride, padding, padding_mode=mode)
        self.norm = norm_layer(norm, out_channels)
        self.act = activation(leak)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, in, H, W). Returns (B, out, H / stride, W / stride)."""
        y: Tensor = self.act(self.norm(self.conv(x)))
        return y


class UpBlock(nn.Module):
    """Transposed convolution to twice the size, normalisation, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, *, norm: Norm, leak: float = 0.0) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1)
        self.norm = norm_layer(norm, out_channels)
        self.act = activation(leak)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, in, H, W). Returns (B, out, 2H, 2W)."""
        y: Tensor = self.act(self.norm(self.conv(x)))
        return y


class ResBlock(nn.Module):
    """x + [reflect, Conv3, norm, ReLU, reflect, Conv3, norm](x), same shape."""

    def __init__(self, channels: int, *, norm: Norm, leak: float = 0.0) -> None:
        super().__init__()
        self.conv1 = Conv(channels, channels, 3, padding=1, padding_mode="reflect")
        self.norm1 = norm_layer(norm, channels)
        self.act = activation(leak)
        self.conv2 = Conv(channels, channels, 3, padding=1, padding_mode="reflect")
        self.norm2 = norm_layer(norm, channels)
        if norm == "none":
            nn.init.zeros_(self.conv2.weight)
            nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W). Returns the same shape."""
        y = self.act(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return x + y  # type: ignore[no-any-return]
