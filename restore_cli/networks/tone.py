"""Tone: what fading did to the colours of a whole print, undone before the other networks see it.

Not in Wan et al.: without instance norm no part of our models sees a whole photo, and a faded 128 px crop does not tell
a pale sky from a pale print. This network looks at a thumbnail and answers with colour transforms on a coarse grid over
the photo, as in Gharbi et al. 2017 (Deep Bilateral Learning, section 3.1, without the guide): every pixel then goes
through its own transform, interpolated between the grid's, whatever the size of the photo and wherever bands are cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks.blocks import activation

TERMS = 7
"""A channel of the result is a weighted sum of R, G, B, their squares, and 1."""
QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
"""Of each channel's levels: where black and white have gone is what fading shows most plainly."""
BLACK, WHITE = 1, 7
"""Which of them are stretched to black and to white."""
SMALLEST_SPAN = 0.1
"""Of 2, between black and white: a blank sheet is not stretched to noise."""


@dataclass(frozen=True, kw_only=True)
class ToneConfig:
    """Sizes of the network."""

    thumbnail: int = 64
    """Side in pixels of the square that the photo is shrunk to, a multiple of 16."""
    width: int = 32
    """Channels of the first convolution; the deeper ones have up to four times as many."""
    leak: float = 0.0
    """Slope of the ReLUs below zero; plain ones die."""

    def __post_init__(self) -> None:
        if self.thumbnail < 16 or self.thumbnail % 16:
            raise ValueError(f"thumbnail must be a multiple of 16, got {self.thumbnail}")
        if not 0 <= self.leak <= 1:
            raise ValueError(f"leak must be from 0 to 1, got {self.leak}")
        if self.width < 1:
            raise ValueError(f"width must be at least 1, got {self.width}")


class ToneNet(nn.Module):
    """Thumbnail to transforms. Starts as the identity.

    It looks at the photo as it is, at the photo with its damage filled and every channel stretched from its 1 % to its
    99 % level, where a pale print looks like any other, and at the damage: scratched prints are old ones. The answer is
    in terms of the stretched levels: how far to go towards them, and what to add of them.
    """

    def __init__(self, config: ToneConfig) -> None:
        super().__init__()
        self.config = config
        w, leak = config.width, config.leak
        self.shrink = nn.Sequential(_halve(7, w, leak), _halve(w, 2 * w, leak), _halve(2 * w, 4 * w, leak))
        self.local = nn.Sequential(
            nn.Conv2d(4 * w, 4 * w, 3, padding=1), activation(leak), nn.Conv2d(4 * w, 4 * w, 3, padding=1)
        )
        self.overall = nn.Sequential(
            _halve(4 * w, 4 * w, leak), nn.Conv2d(4 * w, 4 * w, 3, padding=1), activation(leak)
        )
        pooled = 8 * w + 3 * len(QUANTILES)
        self.pooled = nn.Sequential(nn.Linear(pooled, 8 * w), activation(leak), nn.Linear(8 * w, 4 * w))
        self.act = activation(leak)
        self.answer = nn.Conv2d(4 * w, 3 * TERMS + 3, 1)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)  # type: ignore[arg-type]
        self.register_buffer("quantiles", torch.tensor(QUANTILES), persistent=False)

    quantiles: Tensor

    def forward(self, thumbnail: Tensor) -> Tensor:
        """thumbnail: what `thumbnail` returns. Returns the transforms, (B, 3 * TERMS, S/8, S/8)."""
        photo, filled, damage = torch.split(thumbnail, [3, 3, 1], dim=1)
        levels = torch.quantile(filled.flatten(2), self.quantiles, dim=2).permute(1, 2, 0)  # (B, 3, 9)
        low, high = levels[..., BLACK], levels[..., WHITE]
        gain = 2 / (high - low).clamp_min(SMALLEST_SPAN)
        offset = -1 - gain * low
        stretched = gain[:, :, None, None] * filled + offset[:, :, None, None]
        x = self.shrink(torch.cat([photo, stretched, damage], dim=1))
        wide = self.overall(x)
        whole = self.pooled(torch.cat([wide.mean(dim=(2, 3)), wide.amax(dim=(2, 3)), levels.flatten(1)], dim=1))
        answer = self.answer(self.act(self.local(x) + whole[:, :, None, None]))
        return _in_terms_of_levels(answer, gain, offset)


def thumbnail(photo: Tensor, filled: Tensor, mask: Tensor, side: int) -> Tensor:
    """What the network looks at: the photo and the photo with its damage filled, (B, 3, H, W) in [-1, 1] of any size,
    and the mask (B, 1, H, W), 1 = damaged. Returns (B, 7, side, side) in [-1, 1].
    """
    return F.adaptive_avg_pool2d(torch.cat([photo, filled, 2 * mask - 1], dim=1), side)


def _in_terms_of_levels(answer: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
    """The answer speaks of stretched levels s = gain * x + offset; the transforms speak of the levels x themselves.

    answer: (B, 3 * TERMS + 3, G, G), what to add for each term of s, then how far each channel goes from x to s.
    gain, offset: (B, 3). Returns (B, 3 * TERMS, G, G).
    """
    added = answer[:, : 3 * TERMS].reshape(-1, 3, TERMS, *answer.shape[2:])  # (B, 3, TERMS, G, G)
    eye = torch.eye(3, device=answer.device)[None, :, :, None, None]
    towards = answer[:, 3 * TERMS :, None] * eye  # (B, 3, 3, G, G)
    linear, square, constant = added[:, :, 0:3] + towards, added[:, :, 3:6], added[:, :, 6]
    g, o = (fact[:, None, :, None, None] for fact in (gain, offset))
    of_level = eye - towards + g * linear + 2 * g * o * square
    of_square = g.square() * square
    of_one = constant[:, :, None] + (o * linear + o.square() * square).sum(dim=2, keepdim=True)
    return torch.cat([of_level, of_square, of_one], dim=2).flatten(1, 2)


def correct(image: Tensor, transforms: Tensor, *, top: int, left: int, height: int, width: int) -> Tensor:
    """A region of a photo through the photo's transforms.

    image: (B, 3, h, w) in [-1, 1], the region whose first pixel is at (top, left) of a photo of height x width pixels;
    it may reach beyond the photo. transforms: (B, 3 * TERMS, G, G). Returns (B, 3, h, w); values may leave [-1, 1].
    """
    rows = _shares(top, image.shape[2], height, transforms)
    columns = _shares(left, image.shape[3], width, transforms)
    channels = []
    for weights in transforms.chunk(3, dim=1):  # one at a time: a third of the memory
        *slopes_and_bends, corrected = torch.einsum("yi,bkij,xj->bkyx", rows, weights, columns).unbind(1)
        for level, slope, bend in zip(image.unbind(1), slopes_and_bends[:3], slopes_and_bends[3:], strict=True):
            corrected = torch.addcmul(corrected, torch.addcmul(slope, bend, level), level)
        channels.append(corrected)
    return torch.stack(channels, dim=1)


def _shares(first: int, count: int, size: int, transforms: Tensor) -> Tensor:
    """(count, G): how much each line of the grid counts at the centres of pixels first, first + 1, ... of `size`."""
    lines = transforms.shape[-1]
    centre = torch.arange(first, first + count, device=transforms.device, dtype=torch.float32) + 0.5
    place = (centre * (lines / size) - 0.5).clamp(0, lines - 1)
    distance = (place[:, None] - torch.arange(lines, device=place.device)[None]).abs()
    return (1 - distance).clamp_min(0).to(transforms.dtype)


def _halve(in_channels: int, out_channels: int, leak: float) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 4, stride=2, padding=1), activation(leak))
