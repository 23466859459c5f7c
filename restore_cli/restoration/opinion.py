"""What the detector's first look at a photo leaves for the second: its logits, and the colours that they speak of."""

from __future__ import annotations

import torch
from torch import Tensor

from restore_cli.networks.colour_evidence import ColourCount, ColourEvidence

BYTES_PER_PX = 2
"""Of a photo, while it is looked at twice."""


class FirstOpinion:
    """Gathered band by band, from top to bottom. Logits are kept in float16 in the machine's memory."""

    def __init__(self, height: int, width: int, device: torch.device) -> None:
        """Size of what the bands cover together."""
        self.device = device
        self._logits = torch.empty(height, width, dtype=torch.float16)
        self._count = ColourCount(device)

    def put(self, top: int, logits: Tensor) -> None:
        """logits: (1, 1, h, width), from row `top` on."""
        self._logits[top : top + logits.shape[2]] = logits[0, 0].half().cpu()

    def count(self, photo: Tensor, top: int, height: int, width: int) -> None:
        """Count the colours of a band from row `top` on, all of whose logits have been put; what of it lies beyond the
        height and width is no photo. photo: (1, 3, h, W) in [-1, 1].
        """
        rows = max(min(photo.shape[2], height - top), 0)
        self._count.add(photo[0, :, :rows, :width], self.rows(top, top + rows)[0, :, :, :width])

    def evidence(self) -> ColourEvidence:
        """What the colours that were counted say."""
        return self._count.evidence()

    def rows(self, top: int, bottom: int) -> Tensor:
        """Logits (1, 1, bottom - top, W) float32, on the device."""
        return self._logits[top:bottom][None, None].to(self.device, torch.float32)
