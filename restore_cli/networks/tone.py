"""Tone: what fading did to the colours of a whole print, undone before the other networks see it.

Not in Wan et al.: without instance norm no part of our models sees a whole photo, and a faded 128 px crop does not tell
a pale sky from a pale print. This network looks at a thumbnail and answers with colour transforms on a coarse grid over
the photo, as in Gharbi et al. 2017 (Deep Bilateral Learning, section 3.1, without the guide): every pixel then goes
through its own transform, interpolated between the grid's, whatever the size of the photo and wherever tiles are cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TERMS = 7
"""A channel of the result is a weighted sum of R, G, B, their squares, and 1."""
QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
"""Of each channel's levels: where black and white have gone is what fading shows most plainly."""


@dataclass(frozen=True, kw_only=True)
class ToneConfig:
    """Sizes of the network."""

    thumbnail: int = 64
    """Side in pixels of the square that the photo is shrunk to, a multiple of 16."""
    width: int = 32
    """Channels of the first convolution; the deeper ones have up to four times as many."""

    def __post_init__(self) -> None:
        if self.thumbnail < 16 or self.thumbnail % 16:
            raise ValueError(f"thumbnail must be a multiple of 16, got {self.thumbnail}")


class ToneNet(nn.Module):
    """Thumbnail to transforms. Starts as the identity."""

    def __init__(self, config: ToneConfig) -> None:
        super().__init__()
        self.config = config
        w = config.width
        self.shrink = nn.Sequential(_halve(3, w), _halve(w, 2 * w), _halve(2 * w, 4 * w))
        self.local = nn.Sequential(
            nn.Conv2d(4 * w, 4 * w, 3, padding=1), nn.ReLU(), nn.Conv2d(4 * w, 4 * w, 3, padding=1)
        )
        self.overall = nn.Sequential(_halve(4 * w, 4 * w), nn.Conv2d(4 * w, 4 * w, 3, padding=1), nn.ReLU())
        self.pooled = nn.Sequential(nn.Linear(8 * w + 3 * len(QUANTILES), 8 * w), nn.ReLU(), nn.Linear(8 * w, 4 * w))
        self.answer = nn.Conv2d(4 * w, 3 * TERMS, 1)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)  # type: ignore[arg-type]
        self.register_buffer("identity", torch.eye(3, TERMS).reshape(1, 3 * TERMS, 1, 1), persistent=False)
        self.register_buffer("quantiles", torch.tensor(QUANTILES), persistent=False)

    identity: Tensor
    quantiles: Tensor

    def forward(self, thumbnail: Tensor) -> Tensor:
        """thumbnail: (B, 3, S, S) in [-1, 1]. Returns the transforms, (B, 3 * TERMS, S/8, S/8)."""
        x = self.shrink(thumbnail)
        wide = self.overall(x)
        levels = torch.quantile(thumbnail.flatten(2), self.quantiles, dim=2)  # (9, B, 3)
        facts = [wide.mean(dim=(2, 3)), wide.amax(dim=(2, 3)), levels.permute(1, 0, 2).flatten(1)]
        whole = self.pooled(torch.cat(facts, dim=1))
        transforms: Tensor = self.identity + self.answer(F.relu(self.local(x) + whole[:, :, None, None]))
        return transforms


def correct(image: Tensor, transforms: Tensor, *, top: int, left: int, height: int, width: int) -> Tensor:
    """A region of a photo through the photo's transforms.

    image: (B, 3, h, w) in [-1, 1], the region whose first pixel is at (top, left) of a photo of height x width pixels;
    it may reach beyond the photo. transforms: (B, 3 * TERMS, G, G). Returns (B, 3, h, w); values may leave [-1, 1].
    """
    rows = _shares(top, image.shape[2], height, transforms)
    columns = _shares(left, image.shape[3], width, transforms)
    terms = torch.cat([image, image.square(), torch.ones_like(image[:, :1])], dim=1)
    channels = []
    for weights in transforms.chunk(3, dim=1):  # one at a time: a third of the memory
        field = torch.einsum("yi,bkij,xj->bkyx", rows, weights, columns)
        channels.append((field * terms).sum(dim=1))
    return torch.stack(channels, dim=1)


def _shares(first: int, count: int, size: int, transforms: Tensor) -> Tensor:
    """(count, G): how much each line of the grid counts at the centres of pixels first, first + 1, ... of `size`."""
    lines = transforms.shape[-1]
    centre = torch.arange(first, first + count, device=transforms.device, dtype=torch.float32) + 0.5
    place = (centre * (lines / size) - 0.5).clamp(0, lines - 1)
    distance = (place[:, None] - torch.arange(lines, device=place.device)[None]).abs()
    return (1 - distance).clamp_min(0).to(transforms.dtype)


def _halve(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 4, stride=2, padding=1), nn.ReLU())
