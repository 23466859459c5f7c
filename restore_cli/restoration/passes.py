"""A photo through encoder, mapping and decoder: in one piece, or in tiles that give the same.

Models without instance norm see no further than their convolutions reach, but for the non-local block, which asks in a
fixed grid of neighbourhoods. Large photos therefore take two passes: the first keeps the features that enter the
non-local block for the whole photo, a few numbers a pixel; the second asks them tile by tile and finishes. Everything
else exists for one tile at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restore_cli.imaging import fill_from_surroundings
from restore_cli.networks import ToneNet
from restore_cli.networks.attention import PartialNonLocal
from restore_cli.networks.inputs import paint_damage
from restore_cli.networks.tone import correct, thumbnail
from restore_cli.restoration.device import autocast
from restore_cli.restoration.model import Way
from restore_cli.restoration.pixels import Pixels, mask_to_tensor, to_tensor
from restore_cli.restoration.tiles import Box, grid, padded_size

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

    def encode(self, box: Box) -> tuple[Tensor, Tensor]:
        """Latent (1, latent, h/4, w/4) and mask (1, 1, h, w) of a box of the padded photo, damage painted white."""
        image, mask = self.shown(box)
        with autocast(self.device, self.dtype):
            return self.way.encoder(image), mask


def whole(task: Task) -> Tensor:
    """The restored photo (1, 3, H, W) in [-1, 1], all at once."""
    box = Box(0, 0, *task.padded)
    latent, mask = task.encode(box)
    with autocast(task.device, task.dtype):
        restored = task.way.decoder(task.way.mapping(latent, mask))
    height, width = task.mask.shape
    return restored[:, :, :height, :width].float()  # type: ignore[no-any-return]


def tiled(task: Task, side: int) -> Iterator[tuple[Box, Tensor]]:
    """Tiles of the restored photo, each a box of the photo and its pixels (1, 3, h, w) in [-1, 1].

    Only for ways that are local. side: of the tiles in pixels, a multiple of 4.
    """
    if not task.way.is_local:
        raise ValueError("this model's norm sees the whole picture: its tiles would differ from it")
    trunk = task.way.mapping.trunk
    places = [number for number, layer in enumerate(trunk) if isinstance(layer, PartialNonLocal)]
    asked = places[0] if places and bool(task.mask.any()) else None
    features = _features(task, side, asked) if asked is not None else None
    height, width = task.mask.shape
    for tile in grid(*task.padded, side=side, multiple=4):
        seen = tile.grown(_halo_after(task, asked), *task.padded)
        restored = _finish(task, seen, asked, features)
        inner = tile.clipped(height, width)
        if inner.size[0] > 0 and inner.size[1] > 0:
            rows, columns = inner.within(seen).slices
            yield inner, restored[:, :, rows, columns].float()


@dataclass(frozen=True)
class _Features:
    """What the non-local block is asked about, for the whole padded photo at a quarter of its size."""

    x: Tensor
    """(width, h, w)."""
    valid: Tensor
    """(h, w) bool."""


def _features(task: Task, side: int, asked: int) -> _Features:
    """First pass: the trunk's layers before the non-local block, over all tiles."""
    mapping = task.way.mapping
    height, width = task.padded
    kept = torch.empty(mapping.config.width, height // 4, width // 4, dtype=task.dtype, device=task.device)
    valid = torch.empty(height // 4, width // 4, dtype=torch.bool, device=task.device)
    for tile in grid(height, width, side=side, multiple=4):
        seen = tile.grown(_encoder_halo(task) + 4 * (mapping.config.ramp + 2 * asked), height, width)
        latent, mask = task.encode(seen)
        with autocast(task.device, task.dtype):
            x = mapping.walk(mapping.enter(latent, mask), mask, 0, asked)
        place, (rows, columns) = tile.divided(4).slices, tile.within(seen).divided(4).slices
        kept[:, place[0], place[1]] = x[0, :, rows, columns]
        valid[place] = mapping.valid(mask)[0, 0, rows, columns] > 0.5
    return _Features(kept, valid)


def _finish(task: Task, seen: Box, asked: int | None, features: _Features | None) -> Tensor:
    """Second pass: one box of the padded photo to its restored pixels, right but for the halo."""
    way, mapping = task.way, task.way.mapping
    wider = seen.grown(_encoder_halo(task), *task.padded)
    latent, mask = task.encode(wider)
    rows, columns = seen.within(wider).divided(4).slices
    with autocast(task.device, task.dtype):
        if features is None:
            x = mapping.enter(latent, mask)
            x = mapping.walk(x, mask, 0, len(mapping.trunk))[:, :, rows, columns]
        else:
            assert asked is not None
            x = _answered(mapping.trunk[asked], features, seen.divided(4))
            x = mapping.walk(x, mask, asked + 1, len(mapping.trunk))
        return way.decoder(mapping.leave(latent[:, :, rows, columns], x))  # type: ignore[no-any-return]


def _answered(block: torch.nn.Module, features: _Features, box: Box) -> Tensor:
    """The non-local block's output (1, width, h, w) in a box of latent positions."""
    assert isinstance(block, PartialNonLocal)
    rows, columns = box.slices
    x = features.x[None, :, rows, columns]
    valid = features.valid[rows, columns]
    if bool(valid.all()):
        return x
    answers = block.ask(features.x, features.valid, box.slices)
    return block.blend(x, answers[None], valid[None, None].to(x.dtype))


def _encoder_halo(task: Task) -> int:
    """Pixels around a box on which its latent depends, a multiple of 4: two convolutions a block, 8 px for the rest."""
    return 12 + 8 * task.way.vae_blocks


def _halo_after(task: Task, asked: int | None) -> int:
    """Pixels around a tile on which it depends, counted from the non-local block (or from the latent without one)."""
    config = task.way.mapping.config
    trunk = config.blocks if asked is None else config.blocks - asked + config.non_local_blocks
    ramps = 2 * config.ramp if asked is None else config.ramp
    return 4 * (2 * trunk + ramps + 2 * task.way.vae_blocks + 3)
