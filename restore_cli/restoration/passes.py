"""A photo on its way through encoder, mapping and decoder, and all of it at once."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restore_cli.imaging import fill_from_surroundings
from restore_cli.networks import ToneNet
from restore_cli.networks.inputs import paint_damage
from restore_cli.networks.tone import correct, thumbnail
from restore_cli.restoration.box import Box, padded_size
from restore_cli.restoration.device import autocast
from restore_cli.restoration.model import Way
from restore_cli.restoration.pixels import Pixels, mask_to_tensor, to_tensor

LATENT_PX = 4
"""Pixels to a latent position, each way."""
VALID_ROWS = 64 * LATENT_PX
"""Of the mask, looked at together."""
SMALLEST_PX = 32
"""Photos are mirrored up to this side, so that every reflection padding has something to reflect."""


def prepare(way: Way, image: Pixels, mask: NDArray[np.bool_], *, device: torch.device, dtype: torch.dtype) -> Task:
    """A photo (H, W, C) and its damage (H, W), ready for the networks."""
    shown = fill_from_surroundings(image, mask) if way.mapping.config.guess else image
    return Task(
        way, shown, mask, device, dtype, None if way.tone is None else _tones(way.tone, image, shown, mask, device)
    )


def _tones(tone: ToneNet, image: Pixels, filled: Pixels, mask: NDArray[np.bool_], device: torch.device) -> Tensor:
    """What the tone network wants done to a photo (H, W, C), in float32 on every device: it is small."""
    side = tone.config.thumbnail

    def small(picture: Pixels) -> Tensor:
        shrunk = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA).reshape(side, side, -1)
        return to_tensor(shrunk, Box(0, 0, side, side), device)  # type: ignore[arg-type]

    damage = small(mask.astype(np.uint8) * np.uint8(255))[:, :1].add(1).div(2)
    return tone(thumbnail(small(image), small(filled), damage, side))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Task:
    """One photo on its way through a model."""

    way: Way
    image: Pixels
    """(H, W, C), its damage already filled where the mapping was trained on a guess: see `prepare`."""
    mask: NDArray[np.bool_]
    """(H, W), 1 = damaged."""
    device: torch.device
    dtype: torch.dtype
    tones: Tensor | None = None
    """Transforms of the tone network, see `networks.tone.correct`."""

    @property
    def padded(self) -> tuple[int, int]:
        """Size that the networks take."""
        multiple = self.way.mapping.config.size_multiple
        return padded_size(*self.mask.shape, multiple=multiple, smallest=SMALLEST_PX)

    def shown(self, box: Box) -> tuple[Tensor, Tensor]:
        """What the encoder sees of a box of the padded photo, (1, 3, h, w), and the mask (1, 1, h, w)."""
        mask = mask_to_tensor(self.mask, box, self.device)
        image = to_tensor(self.image, box, self.device)
        if self.tones is not None:
            height, width = self.mask.shape
            image = correct(image, self.tones, top=box.top, left=box.left, height=height, width=width)
        return image if self.way.mapping.config.guess else paint_damage(image, mask), mask

    def mask_rows(self, top: int, bottom: int) -> Tensor:
        """Rows of the padded photo's mask, (1, 1, bottom - top, W)."""
        return mask_to_tensor(self.mask, Box(top, 0, bottom, self.padded[1]), self.device)

    def valid(self) -> Tensor:
        """(h, w) bool: the latent positions that are sound by the model's rule."""
        height = self.padded[0]
        cuts = [self.mask_rows(top, min(top + VALID_ROWS, height)) for top in range(0, height, VALID_ROWS)]
        return torch.cat([self.way.mapping.valid(mask)[0, 0] > 0.5 for mask in cuts])


def whole(task: Task) -> Tensor:
    """The restored photo (1, 3, H, W) in [-1, 1], all at once: what bands and streams are measured against."""
    image, mask = task.shown(Box(0, 0, *task.padded))
    with autocast(task.device, task.dtype):
        restored = task.way.decoder(task.way.mapping(task.way.encoder(image), mask))
    height, width = task.mask.shape
    return restored[:, :, :height, :width].float()  # type: ignore[no-any-return]
