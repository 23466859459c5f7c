"""Where the activations of a whole photo are kept while it goes through a network layer by layer.

Rows lie one after the other, channels last, so that a band of them is one piece: in float32 or float16 in memory, or in
float16 in an unnamed temporary file (in $TMPDIR) where memory is too small for them.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

Keep = Literal["float32", "float16", "disk"]


class Rows(Protocol):
    """Anything that a picture's rows can be read from."""

    @property
    def height(self) -> int:
        """Number of rows."""
        ...

    def rows(self, top: int, bottom: int) -> Tensor:
        """Rows top..bottom, (1, C, bottom - top, W) float32 in channels_last order, for the caller to change."""
        ...


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """How planes are kept."""

    keep: Keep
    home: torch.device
    """Where they are kept: the networks' device, or the CPU where that is too small."""
    device: torch.device
    """Where they are wanted."""

    def plane(self, channels: int, height: int, width: int) -> Plane:
        """Room for (height, width) positions of `channels` values."""
        if self.keep == "disk":
            return _DiskPlane(channels, height, width, self.device)
        dtype = torch.float32 if self.keep == "float32" else torch.float16
        return _MemoryPlane(torch.empty(height, width, channels, dtype=dtype, device=self.home), self.device)


class Plane(Rows, Protocol):
    """Rows that can be written, too."""

    @property
    def channels(self) -> int:
        """Values a position."""
        ...

    def view(self, top: int, bottom: int) -> Tensor:
        """The same as `rows`, but not to be changed: it may be the plane's own memory."""
        ...

    def write(self, top: int, rows: Tensor) -> None:
        """rows: (1, C, n, W), from row `top` on."""
        ...


class _MemoryPlane:
    def __init__(self, values: Tensor, device: torch.device) -> None:
        self.values, self.device = values, device  # (H, W, C)
        self.height, _, self.channels = values.shape

    def rows(self, top: int, bottom: int) -> Tensor:
        return self.values[top:bottom].to(self.device, torch.float32, copy=True)[None].permute(0, 3, 1, 2)

    def view(self, top: int, bottom: int) -> Tensor:
        return self.values[top:bottom].to(self.device, torch.float32)[None].permute(0, 3, 1, 2)

    def write(self, top: int, rows: Tensor) -> None:
        self.values[top : top + rows.shape[2]] = rows[0].permute(1, 2, 0)


class _DiskPlane:
    """Read and written by position, not mapped: the pages of a mapping would count as this process's memory."""

    def __init__(self, channels: int, height: int, width: int, device: torch.device) -> None:
        self.channels, self.height, self.width, self.device = channels, height, width, device
        self.row_bytes = 2 * channels * width
        self.file = tempfile.TemporaryFile(prefix="oldphoto-")  # noqa: SIM115 - gone with this object

    def rows(self, top: int, bottom: int) -> Tensor:
        self.file.seek(top * self.row_bytes)
        values = np.fromfile(self.file, np.float16, (bottom - top) * self.width * self.channels)
        shaped = torch.from_numpy(values.reshape(bottom - top, self.width, self.channels))
        return shaped.to(self.device, torch.float32)[None].permute(0, 3, 1, 2)

    def view(self, top: int, bottom: int) -> Tensor:
        return self.rows(top, bottom)

    def write(self, top: int, rows: Tensor) -> None:
        self.file.seek(top * self.row_bytes)
        rows[0].permute(1, 2, 0).to("cpu", torch.float16).contiguous().numpy().tofile(self.file)
        self.file.flush()
