"""What the colours of a whole photo say about its damage: which of them its damage has, and which the scene has.

A print's damage is of one or two makes (paper that shows through, dirt), so what a detector has surely found tells the
colour of what it missed. As in GrabCut (Rother, Kolmogorov and Blake 2004) both sides get a colour model from a first
opinion; ours are histograms, so that they can be counted piece by piece. Auto-context (Tu 2008) feeds a first opinion
and its surroundings to a second classifier; `second_look` is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from restore_cli.networks.half_size import SHRINK, shrunk

BRIGHTNESSES, TINTS = 48, 24
"""Bins of luma, and of each of the two colour differences."""
SURE = 1.4
"""Logits (0.8 as a probability) beyond which the first opinion is counted."""
LARGEST_LOGIT = 8.0
"""Logits are cut off here before they are averaged or seen: beyond it they say nothing more."""
MOST = 4.0
"""Logarithms of the ratio of two densities are cut off here."""
CHANNELS = 6
"""Of `ColourEvidence.maps`."""


@dataclass(frozen=True)
class ColourEvidence:
    """A table over colours, and two numbers, for one photo; all about in [-2, 2]."""

    table: Tensor
    """(4, BRIGHTNESSES * TINTS * TINTS). How much commoner a colour is in damage than in what is sound, as a logarithm;
    how common it is in what is sound, likewise; the first by luma alone, which more pixels vouch for; and the share of
    what is sound that is no brighter.
    """
    shares: Tensor
    """(2,): logarithms to base 10 of the shares of the photo that are surely damaged and that are unsure, plus 2."""

    def maps(self, small: Tensor) -> Tensor:
        """small: (3, h, w) in [-1, 1] of `shrunk`. Returns (CHANNELS, h, w)."""
        colours = _colours_of(small)
        looked_up = self.table.index_select(1, colours.flatten()).view(4, *colours.shape)
        return torch.cat([looked_up, self.shares[:, None, None].expand(2, *colours.shape)])


class ColourCount:
    """Counts of colours in what is surely damaged and surely sound, to be fed with a photo piece by piece."""

    def __init__(self, device: torch.device) -> None:
        bins = BRIGHTNESSES * TINTS * TINTS
        self.damaged = torch.zeros(bins, dtype=torch.int64, device=device)
        self.sound = torch.zeros(bins, dtype=torch.int64, device=device)
        self.pixels = 0

    def add(self, photo: Tensor, told: Tensor) -> None:
        """photo: (3, H, W) in [-1, 1]; an odd last row or column is left out. told: logits (1, H / 2, W / 2)."""
        if min(photo.shape[1:]) < SHRINK:
            return
        colours, bins = _colours_of(shrunk(photo)), self.sound.numel()
        self.damaged += torch.bincount(colours[told[0] > SURE], minlength=bins)
        self.sound += torch.bincount(colours[told[0] < -SURE], minlength=bins)
        self.pixels += colours.numel()

    def evidence(self) -> ColourEvidence:
        """What all pieces together say."""
        found, left = int(self.damaged.sum()), int(self.sound.sum())
        damaged, sound = (
            _smooth(count.double().view(BRIGHTNESSES, TINTS, TINTS)) for count in (self.damaged, self.sound)
        )
        dark_damaged, dark_sound = (_smooth(counts.sum(dim=(1, 2))) for counts in (damaged, sound))
        even = (left + 1) / sound.numel()
        by_luma = torch.stack(
            [_ratio(dark_damaged, dark_sound, enough=10) / 2, dark_sound.cumsum(0) / (left + 1) * 2 - 1]
        )
        by_colour = torch.stack(
            [_ratio(damaged, sound, enough=3) / 2, ((sound + 0.01) / even).log().clamp(-MOST, MOST) / 4]
        )
        table = torch.cat([by_colour.flatten(1), by_luma.repeat_interleave(TINTS * TINTS, dim=1)])
        shares = table.new_tensor([found, self.pixels - found - left]) / max(self.pixels, 1)
        return ColourEvidence(table.float(), ((shares + 1e-4).log10() + 2).float())


def _colours_of(photo: Tensor) -> Tensor:
    """photo: (3, H, W) in [-1, 1]. Returns the number of each pixel's colour, (H, W).

    Luma and colour differences are those of Rec. 601, the latter cut off at two thirds of their range.
    """
    red, green, blue = photo
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    numbers = [_bin(luma, 1.0, BRIGHTNESSES)]
    numbers += [_bin(difference, 2 / 3, TINTS) for difference in (0.564 * (blue - luma), 0.713 * (red - luma))]
    return (numbers[0] * TINTS + numbers[1]) * TINTS + numbers[2]


def _bin(values: Tensor, most: float, bins: int) -> Tensor:
    return ((values / most + 1) * (bins / 2)).long().clamp_(0, bins - 1)


def _smooth(counts: Tensor) -> Tensor:
    """Each count shared with its neighbours, 1 2 1, along every axis."""
    for axis in range(counts.dim()):
        size = counts.shape[axis]
        near = torch.arange(size, device=counts.device)
        below, above = (near - 1).clamp_min(0), (near + 1).clamp_max(size - 1)
        counts = (counts.index_select(axis, below) + 2 * counts + counts.index_select(axis, above)) / 4
    return counts


def _ratio(damaged: Tensor, sound: Tensor, *, enough: float) -> Tensor:
    """Logarithm of the ratio of two densities, less of it where fewer than `enough` pixels vouch for it."""
    density, other = (counts / (counts.sum() + 1) + 1e-6 for counts in (damaged, sound))
    return (density / other).log().clamp(-MOST, MOST) * ((damaged + sound) / enough).clamp_max(1)
