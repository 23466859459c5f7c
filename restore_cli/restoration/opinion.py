"""What is known of a picture's damage when it is looked at again: the first look's logits, what was found from farther
away, and the colours that both speak of.
"""

from __future__ import annotations

import torch
from torch import Tensor

from restore_cli.networks.colour_evidence import ColourCount, ColourEvidence
from restore_cli.networks.half_size import SHRINK
from restore_cli.networks.second_look import believed

BYTES_PER_PX = 3
"""Of a photo, while it is looked at twice: 2 for its logits, a quarter of that for those from farther away."""


class Opinion:
    """Gathered band by band, from top to bottom. Logits are kept in float16 in the machine's memory."""

    def __init__(self, height: int, width: int, farther: Tensor | None, device: torch.device) -> None:
        """Size of what the bands cover together; farther: logits (h, w) of the picture half as large, if there is one,
        without what pads it.
        """
        self.device = device
        self._logits = torch.empty(height, width, dtype=torch.float16)
        self._farther = None if farther is None else _extended(farther, height // SHRINK, width // SHRINK)
        self._count = ColourCount(device)

    def put(self, top: int, logits: Tensor) -> None:
        """logits: (1, 1, h, width), from row `top` on."""
        self._logits[top : top + logits.shape[2]] = logits[0, 0].half().cpu()

    def count(self, photo: Tensor, top: int, height: int, width: int) -> None:
        """Count the colours of a band from row `top` on, all of whose logits have been put; what of it lies beyond the
        height and width is no photo. photo: (1, 3, h, W) in [-1, 1], h and W even.
        """
        rows = max(min(photo.shape[2], height - top), 0)
        told = believed(self.rows(top, top + photo.shape[2]), self.farther_rows(top, top + photo.shape[2]))
        self._count.add(photo[0, :, :rows, :width], told[0, :, : rows // SHRINK, : width // SHRINK])

    def evidence(self) -> ColourEvidence:
        """What the colours that were counted say."""
        return self._count.evidence()

    def rows(self, top: int, bottom: int) -> Tensor:
        """Logits (1, 1, bottom - top, W) float32, on the device."""
        return self._logits[top:bottom][None, None].to(self.device, torch.float32)

    def farther_rows(self, top: int, bottom: int) -> Tensor | None:
        """Those from farther away for the same rows, (1, 1, (bottom - top) / 2, W / 2); None if there are none."""
        if self._farther is None:
            return None
        return self._farther[top // SHRINK : bottom // SHRINK][None, None].to(self.device, torch.float32)


def _extended(logits: Tensor, height: int, width: int) -> Tensor:
    """(h, w) to (height, width), the last row and column repeated."""
    rows, columns = (
        torch.arange(side).clamp_max(here - 1) for side, here in zip((height, width), logits.shape, strict=True)
    )
    return logits[rows[:, None], columns]
