"""Losses as functions of tensors, each a mean over what it is given."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

PERCEPTUAL_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""Of relu1_1, 2_1, 3_1, 4_1 and 5_1."""


def kl_to_unit_gaussian(latent_mean: Tensor) -> Tensor:
    """mean(h^2): what is left of the KL divergence when the variance is fixed at one (released reduced VAE)."""
    return latent_mean.square().mean()


def gradient_l1(image: Tensor, target: Tensor) -> Tensor:
    """L1 between horizontal and vertical differences of (B, C, H, W) images: keeps edges where L1 alone blurs."""
    difference = image - target
    across = (difference[..., :, 1:] - difference[..., :, :-1]).abs().mean()
    down = (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
    return across + down


def laplacian_l1(image: Tensor, target: Tensor, levels: int = 4) -> Tensor:
    """L1 between each octave of detail of (B, C, H, W) images, and of what is left after `levels` octaves (Burt 1983).

    Where a whole photo is too dark, L1 alone has the same sign at every pixel and says nothing about the noise there.
    """
    rest = image - target
    total = rest.new_zeros(())
    for _ in range(levels):
        coarse = F.avg_pool2d(rest, 2, ceil_mode=True)
        smooth = F.interpolate(coarse, size=rest.shape[-2:], mode="bilinear", align_corners=False)
        total = total + (rest - smooth).abs().mean()
        rest = coarse
    return total + rest.abs().mean()


def balanced_cross_entropy(logits: Tensor, mask: Tensor) -> Tensor:
    """Cross entropy in which damaged and sound pixels of each picture weigh the same. Both (B, 1, H, W).

    A picture without one of the two kinds is left unweighted.
    """
    damaged = mask.mean(dim=(1, 2, 3), keepdim=True)
    mixed = (damaged > 0) & (damaged < 1)
    weight = torch.where(mask > 0.5, 0.5 / damaged.clamp_min(1e-6), 0.5 / (1 - damaged).clamp_min(1e-6))
    weight = torch.where(mixed, weight, torch.ones_like(weight))
    return F.binary_cross_entropy_with_logits(logits, mask, weight=weight)


def focal(logits: Tensor, mask: Tensor, gamma: float = 2.0) -> Tensor:
    """Focal loss (Lin et al. 2017): cross entropy times (1 - p_true)^gamma, so that easy pixels count little."""
    cross_entropy = F.binary_cross_entropy_with_logits(logits, mask, reduction="none")
    return ((1 - torch.exp(-cross_entropy)) ** gamma * cross_entropy).mean()


def dice(logits: Tensor, mask: Tensor) -> Tensor:
    """1 - Dice overlap (Milletari et al. 2016), one pixel of smoothing, of each photo in (B, 1, H, W) alone, averaged.

    Over the whole batch the few large holes would count for all, and specks and hairs for nothing.
    """
    probability = logits.sigmoid().flatten(1)
    marked = mask.flatten(1)
    overlap = (probability * marked).sum(dim=1)
    return (1 - (2 * overlap + 1) / (probability.sum(dim=1) + marked.sum(dim=1) + 1)).mean()


def dissimilarity(image: Tensor, target: Tensor) -> Tensor:
    """1 - structural similarity (Wang et al. 2004) of (B, C, H, W) images in [-1, 1], averaged.

    Gaussian window 11 x 11 with sigma 1.5, complete windows only. Always in float32: a variance as the difference of
    two means comes out below zero in bfloat16.
    """
    with torch.autocast(image.device.type, enabled=False):
        return _dissimilarity(image.float(), target.float())


def _dissimilarity(image: Tensor, target: Tensor) -> Tensor:
    channels = image.shape[1]
    line = torch.exp(-0.5 * (torch.arange(-5, 6, device=image.device) / 1.5) ** 2)
    line = (line / line.sum()).to(image.dtype)

    first, second = (image + 1) / 2, (target + 1) / 2

    def windowed(values: Tensor) -> Tensor:
        rows = F.conv2d(values, line.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
        return F.conv2d(rows, line.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)

    mean1, mean2 = windowed(first), windowed(second)
    variance1 = windowed(first.square()) - mean1.square()
    variance2 = windowed(second.square()) - mean2.square()
    covariance = windowed(first * second) - mean1 * mean2
    luminance = (2 * mean1 * mean2 + 0.01**2) / (mean1.square() + mean2.square() + 0.01**2)
    structure = (2 * covariance + 0.03**2) / (variance1 + variance2 + 0.03**2)
    return 1 - (luminance * structure).mean()


def root_error(image: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean over the photos of the root of their mean squared error, where `weight`, (B, 1, H, W) in [0, 1], counts it.

    image, target: (B, C, H, W). Unlike L1 or squares over the batch it goes with the likelier case where it is
    unsure, instead of halfway.
    """
    squares = (image - target).square() * weight
    error = squares.sum(dim=(1, 2, 3)) / (image.shape[1] * weight.sum(dim=(1, 2, 3))).clamp_min(1e-6)
    return (error + 1e-4).sqrt().mean()


def lsgan(judged: Sequence[Sequence[Tensor]], *, real: bool) -> Tensor:
    """Mean squared distance of the patch scores from 1 (real) or 0 (made), summed over the scales (Mao et al. 2017).

    judged: what `Discriminator` returns.
    """
    target = 1.0 if real else 0.0
    return torch.stack([(outputs[-1].float() - target).square().mean() for outputs in judged]).sum()


def feature_matching(made: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """L1 between what a discriminator's layers see in both (Wang et al. 2018), the scores left out.

    Summed over the layers, times 4 / layers, mean over the scales. `real` gets no gradient.
    """
    scales = [
        torch.stack([F.l1_loss(m.float(), r.detach().float()) for m, r in zip(ours[:-1], theirs[:-1], strict=True)])
        for ours, theirs in zip(made, real, strict=True)
    ]
    return torch.stack([4 * distances.mean() for distances in scales]).mean()


def perceptual(made: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """L1 between the activations of VGG-19 (Johnson et al. 2016), the later ones weighing more. `real`: no gradient."""
    distances = [F.l1_loss(m.float(), r.detach().float()) for m, r in zip(made, real, strict=True)]
    return torch.stack([w * d for w, d in zip(PERCEPTUAL_WEIGHTS, distances, strict=True)]).sum()


def psnr_of_tensors(image: Tensor, target: Tensor, weight: Tensor | None = None) -> float:
    """Peak signal-to-noise ratio in dB of two images (B, C, H, W) in [-1, 1]; 99 where they are equal.

    weight: (B, 1, H, W) in [0, 1], how much each pixel counts.
    """
    squares = (image - target).detach().double().square()
    error = float(squares.mean() if weight is None else (squares.mean(1, True) * weight).sum() / weight.sum())
    return min(99.0, 10 * math.log10(4 / error)) if error else 99.0
