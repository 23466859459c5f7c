"""What the detector's first look at a photo leaves for the second: its logits, and the colours that they speak of."""

from __future__ import annotations

import torch
from torch import Tensor

from restore_cli.networks.colour_evidence import ColourCount, ColourEvidence
from restore_cli.restoration.tiles import Box

BYTES_PER_PX = 2
"""Of a photo, while it is looked at twice."""


class FirstOpinion:
    """Gathered tile by tile. Logits are kept in float16 in the machine's memory."""

    def __init__(self, padded: tuple[int, int], device: torch.device) -> None:
        """padded: height and width of what the tiles cover."""
        self.device = device
        self._logits = torch.empty(padded, dtype=torch.float16)
        self._count = ColourCount(device)

    def add(self, photo: Tensor, logits: Tensor, seen: Box, tile: Box, inner: Box) -> None:
        """photo, logits: (1, 3, h, w) and (1, 1, h, w) of `seen`. Kept are those of `tile`, counted those of `inner`,
        which lies in the photo.
        """
        self._logits[tile.slices] = logits[0, 0][tile.within(seen).slices].half().cpu()
        rows, columns = inner.within(seen).slices
        self._count.add(photo[0, :, rows, columns], logits[0, :, rows, columns])

    def evidence(self) -> ColourEvidence:
        """What the colours of the whole photo say."""
        return self._count.evidence()

    def logits_in(self, box: Box) -> Tensor:
        """(1, 1, h, w) float32, on the device."""
        return self._logits[box.slices][None, None].to(self.device, torch.float32)
