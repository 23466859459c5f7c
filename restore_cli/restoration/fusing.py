"""A photo restored at every octave, from a small one to the photo itself, each fused with the one before it.

The pieces of an octave come as memory allows (`running`); fusing them is a stream from top to bottom, as in `streams`,
so the result is that of the photo in one piece, to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from restore_cli.networks import Fusion
from restore_cli.networks.fusion import octaves, seen, weighed
from restore_cli.networks.half_size import SHRINK, shrunk
from restore_cli.restoration.box import Box, padded_size
from restore_cli.restoration.device import autocast
from restore_cli.restoration.passes import Task
from restore_cli.restoration.resampling import halved
from restore_cli.restoration.streams import EnlargedRows, Waiting, bilinear
from restore_cli.restoration.unet_rows import UNetRows

Pieces = Iterator[tuple[Box, Tensor]]
"""Boxes of a photo and what became of them, (1, 3, h, w) in [-1, 1]."""
BYTES_PER_PX = 6
"""Of a restored octave that waits for the next one."""
ROW_BYTES_PER_PX = 4096
"""Of a photo's width: what waits for the weights of rows further down, and the activations that make them."""


def octave_tasks(task: Task) -> list[Task]:
    """The photo, and for a model that fuses what it is from farther and farther away, each half as large."""
    tasks = [task]
    while task.way.fusion is not None and len(tasks) < octaves(*task.mask.shape):
        nearer = tasks[-1]
        damage = halved(nearer.mask[:, :, None].astype(np.uint8) * np.uint8(255))[:, :, 0] >= 128
        tasks.append(replace(nearer, image=halved(nearer.image), mask=damage))  # type: ignore[arg-type]  # same dtype
    return tasks


def gathered(task: Task, pieces: Pieces) -> Tensor:
    """A restored octave (1, 3, H, W) in float16, in the machine's memory."""
    whole = torch.empty(1, 3, *task.mask.shape, dtype=torch.float16)
    for box, piece in pieces:
        rows, columns = box.slices
        whole[:, :, rows, columns] = piece.half().cpu()
    return whole


def fused(task: Task, fusion: Fusion, pieces: Pieces, farther: Tensor) -> Pieces:
    """pieces: bands of the octave restored, from top to bottom, whose first rows are multiples of 4. farther: the
    result at half its size.

    Yields bands of the photo, from top to bottom.
    """
    height, width = task.mask.shape
    config = fusion.config
    padded = padded_size(height, width, multiple=config.size_multiple, smallest=config.smallest_px)
    weigh, enlarge = UNetRows(fusion), EnlargedRows(bilinear)
    waiting, apart_waiting = Waiting(), Waiting()
    top = 0
    for box, piece in pieces:
        last = box.bottom == height
        bottom = padded[0] if last else box.bottom
        rows = F.pad(piece.float(), (0, padded[1] - width, 0, bottom - box.bottom), mode="replicate")
        apart = _rows_of(farther, box.top // SHRINK, bottom // SHRINK, padded[1] // SHRINK, rows.device) - shrunk(rows)
        waiting.put(rows)
        apart_waiting.put(apart)
        with autocast(task.device, task.dtype):
            shown, mask = task.shown(Box(box.top, 0, bottom, padded[1]))
            logits = weigh(seen(rows, apart, shown, mask).contiguous(memory_format=torch.channels_last), last=last)
        taken = None if logits is None else weighed(logits.float(), apart_waiting.take(logits.shape[2]))
        change = enlarge(taken, last=last)
        if change is None:
            continue
        made = waiting.take(change.shape[2]) + change
        inner = Box(top, 0, top + made.shape[2], width).clipped(height, width)
        top += made.shape[2]
        if inner.size[0] > 0:
            yield inner, made[:, :, : inner.size[0], :width]


def _rows_of(farther: Tensor, top: int, bottom: int, width: int, device: torch.device) -> Tensor:
    """(1, 3, bottom - top, width) in float32; the last row and column of (1, 3, h, w) are repeated beyond it."""
    rows, columns = (
        torch.arange(first, end).clamp_max(here - 1)
        for first, end, here in ((top, bottom, farther.shape[2]), (0, width, farther.shape[3]))
    )
    return farther[:, :, rows[:, None], columns].to(device, torch.float32)
