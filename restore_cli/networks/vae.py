"""The VAE: from a photo to a latent a quarter its size, and back.

Source: Wan et al. 2020, section 3.2, and the released `VAE_A_quality`, `VAE_B_quality`, `VAE_B_scratch`. The released
VAE is reduced: the encoder gives the mean only, and unit Gaussian noise is added to it in training. Photos are RGB in
[-1, 1], (B, 3, H, W), H and W multiples of 4; the latent is (B, latent, H/4, W/4).

Departs from the released code: with `patch_skip` a linear 4 x 4 patch projection runs beside the convolutions in the
encoder and in the decoder and starts as the identity, so that an untrained VAE hands a photo through and training
spends itself on what is wrong with the photo. The released weights have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from restore_cli.networks.blocks import ConvBlock, Norm, ResBlock, UpBlock
from restore_cli.networks.convolution import Conv


@dataclass(frozen=True, kw_only=True)
class VAEConfig:
    """Sizes of the VAE."""

    width: int = 64
    """Channels at full and half resolution."""
    latent: int = 64
    """Channels of the latent, at a quarter of the resolution."""
    blocks: int = 4
    """Residual blocks in the encoder, and as many in the decoder."""
    norm: Norm = "instance"
    """"instance" for the released weights; "none" keeps each photo's own tone."""
    leak: float = 0.0
    """Slope of the ReLUs below zero; 0 as released."""
    output: Literal["tanh", "linear"] = "tanh"
    """Last activation of the decoder; "linear" may leave [-1, 1] and is clamped where pixels are made."""
    patch_skip: bool = False
    """A linear patch projection beside the convolutions; needs latent >= 48 to hold a 4 x 4 RGB patch."""

    def __post_init__(self) -> None:
        if min(self.width, self.latent, self.blocks + 1) < 1:
            raise ValueError(f"width, latent or blocks is too small: {self.width}, {self.latent}, {self.blocks}")
        if not 0 <= self.leak <= 1:
            raise ValueError(f"leak must be from 0 to 1, got {self.leak}")
        if self.patch_skip and self.latent < 48:
            raise ValueError(f"patch_skip needs a latent of at least 48 channels, got {self.latent}")

    @property
    def size_multiple(self) -> int:
        """Height and width must be multiples of this."""
        return 4


VAE_RELEASED = VAEConfig()


class Encoder(nn.Module):
    """Photo to latent mean."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        w, norm, leak = config.width, config.norm, config.leak
        self.stem = ConvBlock(3, w, kernel=7, padding=3, norm=norm, leak=leak, reflect=True)
        self.down1 = ConvBlock(w, w, kernel=4, stride=2, padding=1, norm=norm, leak=leak)
        self.down2 = ConvBlock(w, config.latent, kernel=4, stride=2, padding=1, norm=norm, leak=leak)
        self.patch = Conv(3, config.latent, 4, stride=4) if config.patch_skip else None
        self.blocks = nn.Sequential(*(ResBlock(config.latent, norm=norm, leak=leak) for _ in range(config.blocks)))
        if self.patch is not None:
            _start_as_patch_identity(self.patch)
            with torch.no_grad():  # small beside the patch, but not zero: a ReLU at zero would never learn
                self.down2.conv.weight *= 0.1

    def forward(self, image: Tensor) -> Tensor:
        """image: (B, 3, H, W) in [-1, 1]. Returns the latent (B, latent, H/4, W/4)."""
        h = self.down2(self.down1(self.stem(image)))
        if self.patch is not None:
            h = h + self.patch(image)
        return self.blocks(h)  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Latent to photo."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        w, norm, leak = config.width, config.norm, config.leak
        self.blocks = nn.Sequential(*(ResBlock(config.latent, norm=norm, leak=leak) for _ in range(config.blocks)))
        self.up1 = UpBlock(config.latent, w, norm=norm, leak=leak)
        self.up2 = UpBlock(w, w, norm=norm, leak=leak)
        self.head = Conv(w, 3, 7, padding=3, padding_mode="reflect")
        self.patch = nn.ConvTranspose2d(config.latent, 3, 4, stride=4) if config.patch_skip else None
        self.output = nn.Tanh() if config.output == "tanh" else nn.Identity()
        if self.patch is not None:
            _start_as_patch_identity(self.patch)
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, latent: Tensor) -> Tensor:
        """latent: (B, latent, h, w). Returns the photo (B, 3, 4h, 4w), in [-1, 1] but for a linear output."""
        z = self.blocks(latent)
        image = self.head(self.up2(self.up1(z)))
        if self.patch is not None:
            image = image + self.patch(z)
        return self.output(image)  # type: ignore[no-any-return]


class VAE(nn.Module):
    """Encoder and decoder of one domain: A for old and synthetic photos, B for clean ones. Released: 0.87 M."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def forward(self, image: Tensor, noise_std: float = 0.0) -> tuple[Tensor, Tensor]:
        """image: (B, 3, H, W) in [-1, 1]. Returns the reconstruction and the latent mean; noise_std 1 in training."""
        latent = self.encoder(image)
        sample = latent + noise_std * torch.randn_like(latent) if noise_std else latent
        return self.decoder(sample), latent


def _start_as_patch_identity(conv: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Channel 16 c + 4 y + x of the latent holds pixel (y, x) of colour c; both directions share this weight layout."""
    with torch.no_grad():
        conv.weight.zero_()
        if conv.bias is not None:
            conv.bias.zero_()
        for index in range(48):
            colour, rest = divmod(index, 16)
            conv.weight[index, colour, rest // 4, rest % 4] = 1.0
