"""Patch attention over a large photo: damaged patches replaced by sound ones, read band by band.

What `networks.patch_attention` does with all patches at hand, here with those of one band and the best likeness so far.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from restore_cli.networks.patch_attention import DAMAGED_SHARE
from restore_cli.restoration.layers import Bands
from restore_cli.restoration.planes import Plane

GROUP_BYTES = 2**26
"""Damaged patches that look for their likeness together, and as much again for what was found."""


def replace_damaged(x: Plane, damage: Tensor, patch: int, bands: Bands) -> None:
    """x: (C, h, w) of multiples of `patch`, changed in place. damage: (h, w), 1 = damaged."""
    damaged = F.avg_pool2d(damage[None, None], patch)[0, 0] > DAMAGED_SHARE  # (h / patch, w / patch)
    if not bool(damaged.any()) or bool(damaged.all()):
        return
    at_once = max(GROUP_BYTES // (4 * x.channels * patch * patch), 1)
    strips = max(bands.latent_rows // patch, 1)
    for wanted in torch.split(damaged.flatten().nonzero()[:, 0], at_once):
        found = _alike(x, _collect(x, wanted, damaged.shape[1], patch), damaged, patch, strips)
        order = found.argsort()
        filling = _collect(x, found[order], damaged.shape[1], patch)[order.argsort()]
        _put(x, wanted, filling, damaged.shape[1], patch)


def _alike(x: Plane, wanted: Tensor, damaged: Tensor, patch: int, strips: int) -> Tensor:
    """The number of the sound patch with the highest cosine for each of the wanted (n, C p p)."""
    directions = F.normalize(wanted, dim=1)
    best = torch.full((len(wanted),), -torch.inf, device=wanted.device)
    found = torch.zeros(len(wanted), dtype=torch.long, device=wanted.device)
    for strip in range(0, len(damaged), strips):
        sound = (~damaged[strip : strip + strips]).flatten().nonzero()[:, 0]
        if not len(sound):
            continue
        last = min(strip + strips, len(damaged))
        patches = _cut(x.rows(strip * patch, last * patch), patch)[sound]
        likeness, place = (directions @ F.normalize(patches, dim=1).T).max(dim=1)
        better = likeness > best
        best = torch.where(better, likeness, best)
        found = torch.where(better, sound[place] + strip * damaged.shape[1], found)
    return found


def _collect(x: Plane, numbers: Tensor, across: int, patch: int) -> Tensor:
    """The patches (n, C p p) of ascending numbers, of which a row of patches has `across`."""
    rows, counts = torch.unique_consecutive(numbers // across, return_counts=True)
    parts = torch.split(numbers % across, counts.tolist())
    return torch.cat(
        [
            _cut(x.rows(row * patch, (row + 1) * patch), patch)[part]
            for row, part in zip(rows.tolist(), parts, strict=True)
        ]
    )


def _put(x: Plane, numbers: Tensor, patches: Tensor, across: int, patch: int) -> None:
    """Write patches (n, C p p) to the places of ascending numbers."""
    rows, counts = torch.unique_consecutive(numbers // across, return_counts=True)
    sizes = counts.tolist()
    parts = zip(rows.tolist(), torch.split(numbers % across, sizes), torch.split(patches, sizes), strict=True)
    for row, columns, filling in parts:
        strip = x.rows(row * patch, (row + 1) * patch)
        cut = _cut(strip, patch)
        cut[columns] = filling
        x.write(row * patch, F.fold(cut.T[None], strip.shape[-2:], patch, stride=patch))


def _cut(rows: Tensor, patch: int) -> Tensor:
    """(1, C, h, w) to its patches, row by row: (h / p * w / p, C p p)."""
    return F.unfold(rows, patch, stride=patch)[0].T.contiguous()
