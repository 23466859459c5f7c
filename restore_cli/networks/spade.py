"""Face generator: an aligned, degraded face in, the same face clearer out.

Source: Wan et al. 2022 (TPAMI, arXiv 2009.07047), face refinement; the normalisation is SPADE (Park et al. 2019, arXiv
1903.07291) with the degraded face itself where SPADE has a label map. Module names are the released checkpoints' own.

Input and output: (B, 3, s, s), RGB in [-1, 1], s = the config's `face_px` or any other multiple of 32.
Departs from the released code: convolutions carry plain weights, so spectral norm has to be folded before loading.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DOWNSCALE = 32
"""The side of the input is this many times the side of the coarsest feature map (five doublings)."""


@dataclass(frozen=True, kw_only=True)
class SpadeConfig:
    """Sizes of a face generator."""

    face_px: int = 256
    """Side of the aligned faces that the weights were trained on, in pixels; a multiple of 32."""
    width: int = 64
    """Channels at full resolution; each coarser level has twice as many, the coarsest 16 times as many."""
    hidden_width: int = 128
    """Channels between the input face and each normalisation's scale and shift."""

    def __post_init__(self) -> None:
        if self.face_px < DOWNSCALE or self.face_px % DOWNSCALE:
            raise ValueError(f"face_px must be a positive multiple of {DOWNSCALE}, not {self.face_px}")
        if self.width < 1 or self.hidden_width < 1:
            raise ValueError(f"widths must be positive, not {self.width} and {self.hidden_width}")


SPADE_256 = SpadeConfig(face_px=256)
"""The released Setting_9_epoch_100."""
SPADE_512 = SpadeConfig(face_px=512)
"""The released FaceSR_512."""


class FaceGenerator(nn.Module):
    """Grow a face from 1/32 of its size; at every step the degraded face sets scale and shift of the features."""

    def __init__(self, config: SpadeConfig) -> None:
        super().__init__()
        self.config = config
        width, hidden = config.width, config.hidden_width
        self.fc = nn.Conv2d(3, 16 * width, 3, padding=1)
        self.head_0 = SpadeBlock(16 * width, 16 * width, hidden)
        self.G_middle_0 = SpadeBlock(16 * width, 16 * width, hidden)
        self.G_middle_1 = SpadeBlock(16 * width, 16 * width, hidden)
        self.up_0 = SpadeBlock(16 * width, 8 * width, hidden)
        self.up_1 = SpadeBlock(8 * width, 4 * width, hidden)
        self.up_2 = SpadeBlock(4 * width, 2 * width, hidden)
        self.up_3 = SpadeBlock(2 * width, width, hidden)
        self.conv_img = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, face: Tensor) -> Tensor:
        """face: (B, 3, s, s) in [-1, 1], s a multiple of 32. Returns (B, 3, s, s) in [-1, 1]."""
        x = self.fc(_resize(face, (face.shape[2] // DOWNSCALE, face.shape[3] // DOWNSCALE)))  # (B, 16w, s/32, s/32)
        x = _double(self.head_0(x, face))  # (B, 16w, s/16, s/16)
        x = _double(self.G_middle_1(self.G_middle_0(x, face), face))  # (B, 16w, s/8, s/8)
        x = _double(self.up_0(x, face))  # (B, 8w, s/4, s/4)
        x = _double(self.up_1(x, face))  # (B, 4w, s/2, s/2)
        x = _double(self.up_2(x, face))  # (B, 2w, s, s)
        x = self.up_3(x, face)  # (B, w, s, s)
        return torch.tanh(self.conv_img(F.leaky_relu(x, 0.2)))  # (B, 3, s, s)


class SpadeBlock(nn.Module):
    """Residual block of two convolutions, each after a normalisation that the face steers."""

    def __init__(self, in_channels: int, out_channels: int, hidden_width: int) -> None:
        super().__init__()
        middle = min(in_channels, out_channels)
        self.conv_0 = nn.Conv2d(in_channels, middle, 3, padding=1)
        self.conv_1 = nn.Conv2d(middle, out_channels, 3, padding=1)
        self.norm_0 = SpadeNorm(in_channels, hidden_width)
        self.norm_1 = SpadeNorm(middle, hidden_width)
        self.learned_shortcut = in_channels != out_channels
        if self.learned_shortcut:
            self.conv_s = nn.Conv2d(in_channels, out_channels, 1, bias=False)
            self.norm_s = SpadeNorm(in_channels, hidden_width)

    def forward(self, x: Tensor, face: Tensor) -> Tensor:
        """x: (B, in, h, w) features; face: (B, 3, s, s). Returns (B, out, h, w)."""
        shortcut = self.conv_s(self.norm_s(x, face)) if self.learned_shortcut else x
        x = self.conv_0(F.leaky_relu(self.norm_0(x, face), 0.2))  # (B, min(in, out), h, w)
        x = self.conv_1(F.leaky_relu(self.norm_1(x, face), 0.2))  # (B, out, h, w)
        return shortcut + x


class SpadeNorm(nn.Module):
    """Batch norm whose scale and shift are computed, position by position, from the face."""

    def __init__(self, channels: int, hidden_width: int) -> None:
        super().__init__()
        self.param_free_norm = nn.BatchNorm2d(channels, affine=False)
        self.mlp_shared = nn.Sequential(nn.Conv2d(3, hidden_width, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(hidden_width, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden_width, channels, 3, padding=1)

    def forward(self, x: Tensor, face: Tensor) -> Tensor:
        """x: (B, C, h, w) features; face: (B, 3, s, s). Returns (B, C, h, w)."""
        hidden = self.mlp_shared(_resize(face, (x.shape[2], x.shape[3])))  # (B, hidden, h, w)
        normed: Tensor = self.param_free_norm(x) * (1 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)
        return normed


def _resize(face: Tensor, size: tuple[int, int]) -> Tensor:
    # Without antialiasing: the released weights were trained with these point samples.
    return F.interpolate(face, size=size, mode="bilinear", align_corners=False)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
