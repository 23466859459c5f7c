"""In what bands a photo is restored so that they fit a memory budget, decided before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from restore_cli.restoration.answers import most_sources
from restore_cli.restoration.memory import free_bytes
from restore_cli.restoration.model import Way
from restore_cli.restoration.passes import LATENT_PX, Task
from restore_cli.restoration.planes import Keep, Shelf

FEWEST_ROWS = 4
BAND_POSITIONS = 4096
"""Latent positions of a band on a CPU. More leave the caches, and glibc asks for blocks above 32 MB anew each time."""
STREAM_POSITIONS = 16384
"""The same of a stream, whose activations are narrower."""
BAND_COPIES = 7
"""Of a band's widest activation that exist at a time: input, padded, output, neighbours, temporaries.

Measured 4 (bundled) and 5.2 (released size); the rest is for what depends on neither, such as transformed weights.
"""
STREAM_COPIES = 10
"""The same of a stream: measured 6, and 10 where glibc keeps what was freed."""
WAITING_ROWS = 180
"""What waits in a stream for rows further down, in rows of the widest activation: measured 110, and 180 where glibc
keeps what was freed."""


@dataclass(frozen=True)
class StreamPlan:
    """For models that see no further than their convolutions reach."""

    rows: int
    """Latent rows of a band."""

    def smaller(self) -> StreamPlan | None:
        """What to try next when memory ran out; None: nothing is left to try."""
        return StreamPlan(max(self.rows // 2, FEWEST_ROWS)) if self.rows > FEWEST_ROWS else None


@dataclass(frozen=True)
class BandPlan:
    """For models with statistics of the whole photo, layer by layer."""

    shelf: Shelf
    rows: int
    """Latent rows of a band."""

    def smaller(self) -> BandPlan | None:
        """What to try next when memory ran out; None: nothing is left to try."""
        if self.rows > FEWEST_ROWS:
            return replace(self, rows=max(self.rows // 2, FEWEST_ROWS))
        if self.shelf.home.type != "cpu":
            return replace(self, shelf=replace(self.shelf, home=torch.device("cpu")))
        following: dict[Keep, Keep] = {"float32": "float16", "float16": "disk"}
        if self.shelf.keep not in following:
            return None
        return replace(self, shelf=replace(self.shelf, keep=following[self.shelf.keep]))


Plan = StreamPlan | BandPlan
_BYTES: dict[Keep, int] = {"float32": 4, "float16": 2, "disk": 0}
"""Of memory for a value."""


def plan(task: Task, budget_bytes: int) -> Plan:
    """The largest pieces that fit; where even the smallest do not, the smallest."""
    height, width = (side // LATENT_PX for side in task.padded)
    per_row = 4 * width * _widest(task.way)
    if task.way.is_local:
        rows = (budget_bytes // per_row - WAITING_ROWS) // STREAM_COPIES
        return StreamPlan(_band_rows(rows, STREAM_POSITIONS // width, height, task.device))
    shelf = _shelf(task, height, width, budget_bytes)
    kept = 0 if shelf.home != task.device else kept_bytes(task.way, height, width, shelf.keep)
    rows = (budget_bytes - kept) // (BAND_COPIES * per_row)
    return BandPlan(shelf, _band_rows(rows, BAND_POSITIONS // width, height, task.device))


def smallest_bytes(task: Task) -> int:
    """What the smallest pieces of a stream take, which grows with the photo's width; 0 for other models."""
    width = task.padded[1] // LATENT_PX
    return 4 * width * _widest(task.way) * (STREAM_COPIES * FEWEST_ROWS + WAITING_ROWS) if task.way.is_local else 0


def _band_rows(fitting: int, most: int, height: int, device: torch.device) -> int:
    """As many as fit the memory, and on a CPU at most so many."""
    rows = min(fitting, most) if device.type == "cpu" else fitting
    return min(max(rows // FEWEST_ROWS, 1) * FEWEST_ROWS, height)


def kept_bytes(way: Way, height: int, width: int, keep: Keep) -> int:
    """Memory of all planes that exist at a time, for a latent of (height, width)."""
    mapping, positions, size = way.mapping.config, height * width, _BYTES[keep]
    vae = positions * size * (4 * way.encoder.stem.conv.out_channels + 2 * mapping.latent)
    plane = positions * size * mapping.width
    if mapping.attention != "non_local":
        return max(vae, 2 * plane)
    # Keys and values in float32, and a copy in half the bits; never on disk.
    sources = 0 if mapping.window else 12 * (mapping.width + 8) * most_sources(positions)
    return max(vae, 3 * plane, 2 * plane + sources)


def _shelf(task: Task, height: int, width: int, budget_bytes: int) -> Shelf:
    """Float32 on the device if that leaves a fifth of the budget to the bands, else float16, else elsewhere."""
    keeps: tuple[Keep, ...] = ("float32", "float16")
    places = [(task.device, budget_bytes)]
    if task.device.type == "cuda":
        places.append((torch.device("cpu"), free_bytes(torch.device("cpu")) // 2))
    for home, budget in places:
        for keep in keeps:
            if kept_bytes(task.way, height, width, keep) <= 0.8 * budget:
                return Shelf(keep=keep, home=home, device=task.device)
    return Shelf(keep="disk", home=torch.device("cpu"), device=task.device)


def _widest(way: Way) -> int:
    """Channels of the widest activation, counted at a quarter of the photo's size."""
    return max(way.mapping.config.width, 16 * way.encoder.stem.conv.out_channels)
