"""Multi-scale patch attention: damaged patches are replaced by the sound patch that resembles them most.

Source: Wan et al. 2022 (TPAMI), section 3.4, and the released `mapping_Patch_Attention` (the high-resolution variant).
A patch is damaged if more than 0.6 of it is; likeness is the cosine of the patches flattened over channels and
positions. Departs from the released code: damaged patches are compared in chunks, so memory is bounded; without a
damaged or without a sound patch nothing changes. A latent side that is no multiple of the patch is refused (the
released code zeroes the strip left over): callers pad the photo to multiples of 32 px.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks.blocks import Norm, ResBlock
from restore_cli.networks.convolution import Conv

DAMAGED_SHARE = 0.6
PATCH_CHUNK = 512


class PatchAttention(nn.Module):
    """x = ResBlock(z); damaged patches of x replaced; Conv3([z, x, damage]) joins them."""

    def __init__(self, channels: int, *, patch: int, norm: Norm, leak: float = 0.0) -> None:
        super().__init__()
        self.patch = patch
        self.res_block = ResBlock(channels, norm=norm, leak=leak)
        self.combine = Conv(2 * channels + 1, channels, 3, padding=1)

    def forward(self, z: Tensor, damage: Tensor) -> Tensor:
        """z: (B, C, h, w), h and w multiples of the patch. damage: (B, 1, h, w), 1 = damaged. Returns (B, C, h, w)."""
        x = self.res_block(z)
        composed = torch.stack([self._replace(x[b], damage[b]) for b in range(x.shape[0])])
        return self.combine(torch.cat([z, composed, damage], dim=1))  # type: ignore[no-any-return]

    def _replace(self, x: Tensor, damage: Tensor) -> Tensor:
        """x: (C, h, w), damage: (1, h, w). Returns (C, h, w) with damaged patches replaced."""
        p = self.patch
        damaged = F.avg_pool2d(damage[None], p)[0, 0].flatten() > DAMAGED_SHARE  # (N,)
        if not bool(damaged.any()) or bool(damaged.all()):
            return x
        patches = F.unfold(x[None], p, stride=p)[0].T  # (N, C p p)
        sound = patches[~damaged]
        directions = F.normalize(sound, dim=1)
        wanted = F.normalize(patches[damaged], dim=1)
        best = torch.cat([(part @ directions.T).argmax(dim=1) for part in torch.split(wanted, PATCH_CHUNK)])
        patches[damaged] = sound[best]
        return F.fold(patches.T[None], x.shape[-2:], p, stride=p)[0]
