"""The mapping: from the latent of an old photo to the latent of the photo as it was.

Source: Wan et al. 2020, section 3.3; Wan et al. 2022, section 3.4; the released `mapping_quality`, `mapping_scratch`
and `mapping_Patch_Attention`. A ramp of convolutions widens the latent, a trunk of residual blocks works on it, with
the partial non-local block or patch attention in between where holes are to be filled, a second ramp narrows it again.

Departs from the released code, in our own models only: `residual` adds the result to the latent that came in and starts
at zero; `mask_input` shows the ramp the mask's 16 pixels of each position; a position counts as sound only if none of
its pixels is damaged; with `guess` damage is not painted white but filled from its surroundings before encoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks.attention import PartialNonLocal, valid_map
from restore_cli.networks.blocks import ConvBlock, Norm, ResBlock
from restore_cli.networks.convolution import Conv
from restore_cli.networks.patch_attention import PatchAttention

PATCH_SIZES = (8, 4, 2)


@dataclass(frozen=True, kw_only=True)
class MappingConfig:
    """Sizes and kind of a mapping."""

    latent: int = 64
    """Channels of the latent on both sides."""
    width: int = 512
    """Channels of the trunk."""
    ramp: int = 4
    """Convolutions that widen the latent; step n has min(latent * 2^n, width) channels."""
    blocks: int = 6
    """Residual blocks of the trunk; with patch attention always two around each of its three scales."""
    blocks_before: int = 0
    """How many of them stand before the non-local block."""
    attention: Literal["none", "non_local", "patch"] = "none"
    """What fills holes: nothing, the partial non-local block, or multi-scale patch attention."""
    non_local_blocks: int = 3
    """Residual blocks inside the non-local block."""
    scaled: bool = False
    """Attention scores over sqrt(width), softmax over valid positions alone; False: the released form."""
    window: int | None = None
    """Side of the neighbourhoods in which the non-local block asks, in latent positions; None: the whole picture."""
    norm: Norm = "instance"
    """"instance" for the released weights, "none" for our own."""
    leak: float = 0.0
    """Slope of the ReLUs below zero; 0 as released."""
    residual: bool = False
    """Add the result to the latent that came in."""
    mask_input: bool = False
    """Show the mask to the first convolution, 16 pixels a position."""
    guess: bool = False
    """Encode a photo whose damage was filled from its surroundings, instead of one with its damage painted white."""

    def __post_init__(self) -> None:
        if min(self.latent, self.width, self.blocks + 1, self.non_local_blocks + 1) < 1:
            given = f"{self.latent}, {self.width}, {self.blocks} and {self.non_local_blocks}"
            raise ValueError(f"latent, width, blocks or non_local_blocks is too small: {given}")
        if self.ramp < 1 or not 0 <= self.blocks_before <= self.blocks:
            raise ValueError(f"ramp is {self.ramp}, blocks_before {self.blocks_before} of {self.blocks}")
        if not 0 <= self.leak <= 1:
            raise ValueError(f"leak must be from 0 to 1, got {self.leak}")
        if self.window is not None and (self.attention != "non_local" or self.norm == "instance"):
            raise ValueError("window needs the non-local block and no instance norm")
        if self.window is not None and self.window < 1:
            raise ValueError(f"window must be at least 1, got {self.window}")

    @property
    def size_multiple(self) -> int:
        """Photo height and width must be multiples of this."""
        return 32 if self.attention == "patch" else 4


MAPPING_QUALITY = MappingConfig()
MAPPING_SCRATCH = MappingConfig(attention="non_local")
MAPPING_PATCH = MappingConfig(attention="patch", blocks=8, blocks_before=2)


class Mapping(nn.Module):
    """Released sizes: 36.1 M parameters alone, 51.3 M with the non-local block, 73.9 M with patch attention."""

    def __init__(self, config: MappingConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.latent, *(min(config.latent * 2**n, config.width) for n in range(1, config.ramp + 1))]
        first = widths[0] + (16 if config.mask_input else 0)
        ins = [first, *widths[1:-1]]
        self.ramp_in = nn.Sequential(*(_conv_block(a, b, config) for a, b in zip(ins, widths[1:], strict=True)))
        self.trunk = nn.ModuleList(_trunk(config))
        down = widths[:0:-1]
        self.ramp_out = nn.Sequential(*(_conv_block(a, b, config) for a, b in pairwise(down)))
        self.last = Conv(down[-1], config.latent, 3, padding=1)
        if config.residual:
            nn.init.zeros_(self.last.weight)
            nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, latent: Tensor, mask: Tensor | None = None) -> Tensor:
        """latent: (B, latent, h, w). mask: (B, 1, 4h, 4w), 1 = damaged; None: nothing is. Returns (B, latent, h, w)."""
        if mask is None:
            mask = latent.new_zeros(latent.shape[0], 1, 4 * latent.shape[2], 4 * latent.shape[3])
        x = self.enter(latent, mask)
        return self.leave(latent, self.walk(x, mask, 0, len(self.trunk)))

    def enter(self, latent: Tensor, mask: Tensor) -> Tensor:
        """The widening ramp: (B, latent, h, w) and mask (B, 1, 4h, 4w) to (B, width, h, w)."""
        if self.config.mask_input:
            latent = torch.cat([latent, F.pixel_unshuffle(mask, 4)], dim=1)
        return self.ramp_in(latent)  # type: ignore[no-any-return]

    def walk(self, x: Tensor, mask: Tensor, start: int, stop: int) -> Tensor:
        """Layers start..stop of the trunk over (B, width, h, w)."""
        for layer in self.trunk[start:stop]:
            if isinstance(layer, PartialNonLocal):
                x = layer(x, self.valid(mask))
            elif isinstance(layer, PatchAttention):
                size = x.shape[-2:]
                damage = F.interpolate(mask, size=size, mode="bilinear", align_corners=False) > 0
                x = layer(x, damage.to(x.dtype))
            else:
                x = layer(x)
        return x

    def leave(self, latent: Tensor, x: Tensor) -> Tensor:
        """The narrowing ramp: (B, width, h, w) to (B, latent, h, w), added to `latent` if the config says so."""
        out: Tensor = self.last(self.ramp_out(x))
        return latent + out if self.config.residual else out

    def valid(self, mask: Tensor) -> Tensor:
        """mask: (B, 1, 4h, 4w), 1 = damaged. Returns (B, 1, h, w), 1 = sound, by this model's rule."""
        return valid_map(mask, any_pixel=self.config.mask_input)


def _conv_block(in_channels: int, out_channels: int, config: MappingConfig) -> ConvBlock:
    return ConvBlock(in_channels, out_channels, kernel=3, padding=1, norm=config.norm, leak=config.leak)


def _trunk(config: MappingConfig) -> list[nn.Module]:
    blocks: list[nn.Module] = [ResBlock(config.width, norm=config.norm, leak=config.leak) for _ in range(config.blocks)]
    if config.attention == "non_local":
        non_local = PartialNonLocal(
            config.width,
            blocks=config.non_local_blocks,
            norm=config.norm,
            leak=config.leak,
            scaled=config.scaled,
            window=config.window,
        )
        blocks.insert(config.blocks_before, non_local)
    elif config.attention == "patch":
        for scale, patch in enumerate(PATCH_SIZES):
            blocks.insert(2 + 3 * scale, PatchAttention(config.width, patch=patch, norm=config.norm, leak=config.leak))
    return blocks
