"""Run a face generator on aligned faces, a bounded batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from restore_cli.restoration.device import autocast, no_numbers
from restore_cli.restoration.faces.blending import match_histogram
from restore_cli.restoration.faces.warping import Floats

Generator = Callable[[Tensor], Tensor]
"""(N, 3, s, s) float32, RGB in [-1, 1], on the CPU -> the same, clearer."""

BYTES_PER_FACE_PIXEL = 4000
"""Peak working memory of the released generator, measured in float32: 250 MB for a face of 256, 770 MB for 512."""
LARGEST_BATCH = 16


def on_device(module: nn.Module, *, device: torch.device, dtype: torch.dtype) -> Generator:
    """A network as a Generator that computes on `device`, its convolutions in `dtype`, or in float32 where that
    overflows. It raises OldPhotoError where that gives no numbers either.
    """
    module = module.to(device).eval()

    @torch.inference_mode()
    def generate(faces: Tensor) -> Tensor:
        for precision in dict.fromkeys((dtype, torch.float32)):
            with autocast(device, precision):
                restored: Tensor = module(faces.to(device))
            if bool(restored.isfinite().all()):
                return restored.float().cpu()
        raise no_numbers()

    return generate


def batch_size(face_px: int, max_memory_bytes: int | None) -> int:
    """Faces of that side that a memory limit allows at once; one is always tried."""
    if max_memory_bytes is None:
        return LARGEST_BATCH
    return max(1, min(LARGEST_BATCH, max_memory_bytes // (BYTES_PER_FACE_PIXEL * face_px**2)))


def changes(squares: Sequence[Floats], generator: Generator, *, batch: int) -> list[Floats]:
    """What the generator makes of aligned faces, less the faces. squares: (s, s, 3) float32 in [0, 1]."""
    found: list[Floats] = []
    for first in range(0, len(squares), batch):
        before = squares[first : first + batch]
        faces = torch.from_numpy(np.stack(before)).permute(0, 3, 1, 2)  # (n, 3, s, s)
        after = ((generator(faces * 2 - 1).clamp(-1, 1) + 1) / 2).permute(0, 2, 3, 1).numpy()  # (n, s, s, 3)
        found += [_in_the_colours_of(face, restored) - face for face, restored in zip(before, after, strict=True)]
    return found


def _in_the_colours_of(face: Floats, restored: Floats) -> Floats:
    """Each channel distributed as it was; and a grey face stays grey, which equal distributions alone do not give."""
    if np.ptp(face, axis=2).max() == 0:
        restored = np.repeat(restored.mean(axis=2, keepdims=True), 3, axis=2)
    return match_histogram(restored, face)
