"""What bands and streams are held against: a photo through the networks all at once."""

from __future__ import annotations

from torch import Tensor

from restore_cli.restoration.box import Box
from restore_cli.restoration.device import autocast
from restore_cli.restoration.passes import Task


def whole(task: Task) -> Tensor:
    """The restored photo (1, 3, H, W) in [-1, 1]."""
    image, mask = task.shown(Box(0, 0, *task.padded))
    with autocast(task.device, task.dtype):
        restored = task.way.decoder(task.way.mapping(task.way.encoder(image), mask))
    height, width = task.mask.shape
    return restored[:, :, :height, :width].float()
