"""How a photo is cut up so that its activations fit a memory budget, decided before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from restore_cli.restoration.answers import most_sources
from restore_cli.restoration.memory import SMALLEST_TILE_PX, free_bytes, tile_side
from restore_cli.restoration.model import Way
from restore_cli.restoration.passes import Task
from restore_cli.restoration.planes import Keep, Shelf

LARGEST_TILE_PX = 1024
BYTES_PER_PX = 1100
"""Of a tile with its halo, that exist at a time (bundled model, measured)."""
HALO_PX = 100
FEWEST_ROWS = 4
BAND_POSITIONS = 16384
"""Latent positions of a band on a CPU: more save nothing and leave the caches."""
BAND_COPIES = 7
"""Of a band's widest activation that exist at a time: input, padded, output, neighbours, temporaries.

Measured 4 (bundled) and 5.2 (released size); the rest is for what depends on neither, such as transformed weights.
"""


@dataclass(frozen=True)
class Tiles:
    """For models that see no further than their convolutions reach, where the planes of bands do not fit."""

    side: int
    """In pixels, a multiple of 4."""

    def smaller(self) -> Tiles | None:
        """What to try next when memory ran out; None: nothing is left to try."""
        return Tiles(max(self.side // 8 * 4, SMALLEST_TILE_PX)) if self.side > SMALLEST_TILE_PX else None


@dataclass(frozen=True)
class BandPlan:
    """For models with statistics of the whole photo, and for others too where it fits: bands compute nothing twice."""

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


Plan = Tiles | BandPlan
_BYTES: dict[Keep, int] = {"float32": 4, "float16": 2, "disk": 0}
"""Of memory for a value."""


def plan(task: Task, budget_bytes: int) -> Plan:
    """The largest pieces that fit; where even the smallest do not, the smallest."""
    height, width = task.padded[0] // 4, task.padded[1] // 4
    shelf = _shelf(task, height, width, budget_bytes)
    if task.way.is_local and (shelf.keep == "disk" or shelf.home != task.device):
        left = budget_bytes - 4 * task.way.mapping.config.width * height * width  # all tiles ask the same features
        if left >= BYTES_PER_PX * (SMALLEST_TILE_PX + 2 * HALO_PX) ** 2:
            return Tiles(tile_side(left, BYTES_PER_PX, halo_px=HALO_PX, multiple=4, largest_px=LARGEST_TILE_PX))
    kept = 0 if shelf.home != task.device else kept_bytes(task.way, height, width, shelf.keep)
    per_row = 4 * width * BAND_COPIES * _widest(task.way)
    rows = (budget_bytes - kept) // per_row
    if task.device.type == "cpu":
        rows = min(rows, BAND_POSITIONS // width)
    return BandPlan(shelf, min(max(rows // FEWEST_ROWS, 1) * FEWEST_ROWS, height))


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
