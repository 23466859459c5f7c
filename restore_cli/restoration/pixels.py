"""The one door between photos (uint8 or uint16, H W C) and networks (float32 in [-1, 1], N C H W)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restore_cli.restoration.box import Box

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
Seen = Pixels | NDArray[np.float32]
"""A photo, or what a network is to see of it: float32 in [-1, 1]."""


def to_tensor(image: Seen, box: Box, device: torch.device) -> Tensor:
    """The box of an (H, W, C) photo, C = 1 or 3, as (1, 3, h, w) in [-1, 1]; beyond its edges the photo is mirrored."""
    region = torch.from_numpy(_signed(take(image, box)).copy()).to(device)  # a decoder's array may be read-only
    scaled = region.permute(2, 0, 1)[None].float()
    if image.dtype != np.float32:
        scaled = scaled * (2 / np.iinfo(image.dtype.name).max) - 1
    return scaled.expand(1, 3, -1, -1)


def mask_to_tensor(mask: NDArray[np.bool_], box: Box, device: torch.device) -> Tensor:
    """The box of an (H, W) mask as (1, 1, h, w), 1 = damaged, mirrored beyond the edges like the photo."""
    return torch.from_numpy(take(mask, box).astype(np.float32)).to(device)[None, None]


def to_unit(restored: Tensor) -> NDArray[np.float32]:
    """(1, 3, h, w) in [-1, 1] to (h, w, 3) float32 in [0, 1]."""
    unit: NDArray[np.float32] = restored[0].float().clamp(-1, 1).add(1).div(2).permute(1, 2, 0).cpu().numpy()
    return unit


def to_unit_pixels(image: Pixels) -> NDArray[np.float32]:
    """A photo's levels as float32 in [0, 1], same shape."""
    unit: NDArray[np.float32] = image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    return unit


def quantise(unit: NDArray[np.float32], dtype: np.dtype[np.uint8] | np.dtype[np.uint16]) -> Pixels:
    """Float in [0, 1] to the nearest of the dtype's levels."""
    scaled = np.rint(unit * np.iinfo(dtype).max)
    return scaled.astype(np.uint8) if dtype == np.uint8 else scaled.astype(np.uint16)


def take(array: NDArray[np.generic], box: Box) -> NDArray[np.generic]:
    """The box of an (H, W, ...) array; it may reach beyond the array, which is mirrored there without its edge."""
    height, width = array.shape[:2]
    if box.top >= 0 and box.left >= 0 and box.bottom <= height and box.right <= width:
        return np.ascontiguousarray(array[box.top : box.bottom, box.left : box.right])
    rows = mirrored(np.arange(box.top, box.bottom), height)
    columns = mirrored(np.arange(box.left, box.right), width)
    return array[rows[:, None], columns[None, :]]


def mirrored(index: NDArray[np.int_], size: int) -> NDArray[np.int_]:
    """Indices beyond 0..size-1 reflected back into it, as often as needed (numpy's and torch's "reflect")."""
    if size == 1:
        return np.zeros_like(index)
    period = 2 * (size - 1)
    folded = np.abs(index) % period
    return np.where(folded < size, folded, period - folded)


def _signed(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """torch has little arithmetic for uint16; int32 holds the same values."""
    return array.astype(np.int32) if array.dtype == np.uint16 else array
