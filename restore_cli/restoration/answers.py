"""The non-local block asked at every position of a large photo, with memory linear in its size.

Exact while queries times keys stay within EXACT_PAIRS. Beyond that each block of positions asks its neighbourhood
position by position and the rest of the photo in the form of cells, each standing for its sound positions by their mean
and their number: cost grows linearly with the photo. docs/memory.md has its error against the exact block.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from restore_cli.networks.attention import PartialNonLocal, Sources
from restore_cli.restoration.layers import Bands, Field, Sliding
from restore_cli.restoration.planes import Plane, Rows

EXACT_PAIRS = 2**32
"""Pairs of latent positions: all of a photo of one megapixel."""
NEAR = 16
"""Side of a block of positions that ask together, and width of the margin around it that they ask one by one."""
MOST_CELLS = 4096


def answer_all(block: PartialNonLocal, x: Field, valid: Tensor, target: Plane, bands: Bands) -> Field:
    """x: (C, h, w) features. valid: (h, w) bool. Returns what every position is answered, in `target`."""
    if block.window is not None:
        return _windowed(block, x, valid, target, block.window)
    if valid.numel() ** 2 <= EXACT_PAIRS:
        return _exact(block, x, valid, target, bands)
    return _near_and_far(block, x, valid, target)


def _windowed(block: PartialNonLocal, x: Field, valid: Tensor, target: Plane, step: int) -> Field:
    """A fixed grid of neighbourhoods: a row of its blocks needs one row above and one below, no more."""
    height, width = valid.shape
    sliding = Sliding(x)
    for top in range(0, height, step):
        first, bottom = max(top - step, 0), min(top + step, height)
        around = sliding.rows(first, min(bottom + step, height))
        region = slice(top - first, bottom - first), slice(0, width)
        target.write(top, block.ask(around[0], valid[first : first + around.shape[2]], region)[None])
    return Field(target)


def _exact(block: PartialNonLocal, x: Field, valid: Tensor, target: Plane, bands: Bands) -> Field:
    pairs = _Pairs(block, x)
    width = x.plane.channels + 8
    wanted = valid | block.faded  # the released form has every position in its softmax
    sources = Sources(*(torch.empty(int(wanted.sum()), width, device=valid.device) for _ in range(2)))
    filled = 0
    for top, bottom in bands.cuts(x.height):
        part = _sources(pairs.rows(top, bottom), valid[top:bottom], faded=block.faded)
        sources.key[filled : filled + len(part.key)] = part.key
        sources.value[filled : filled + len(part.key)] = part.value
        filled += len(part.key)
    return bands.write(target, lambda top, bottom: _answer(block, x.rows(top, bottom), sources))


def _near_and_far(block: PartialNonLocal, x: Field, valid: Tensor, target: Plane) -> Field:
    height, width = valid.shape
    side = _cell_side(height, width)
    step = max(NEAR, side)
    cells, row, column = _cells(block, x, valid, side, step)
    pairs = Sliding(_Pairs(block, x))
    for top in range(0, height, step):
        first, bottom = max(top - step, 0), min(top + step, height)
        around = pairs.rows(first, min(bottom + step, height))
        asking = x.rows(top, bottom)
        answers = torch.empty_like(asking)
        for left in range(0, width, step):
            columns = slice(max(left - step, 0), min(left + 2 * step, width))
            near = _sources(around[..., columns], valid[first : first + around.shape[2], columns], faded=block.faded)
            away = ((row - top // step).abs() > 1) | ((column - left // step).abs() > 1)
            both = Sources(torch.cat([near.key, cells.key[away]]), torch.cat([near.value, cells.value[away]]))
            inner = slice(left, min(left + step, width))
            answers[..., inner] = _answer(block, asking[..., inner], both)
        target.write(top, answers)
    return Field(target)


def _cell_side(height: int, width: int) -> int:
    """The smallest power of two with which the photo has at most MOST_CELLS cells."""
    side = 1
    while -(-height // side) * -(-width // side) > MOST_CELLS:
        side *= 2
    return side


def _cells(block: PartialNonLocal, x: Field, valid: Tensor, side: int, step: int) -> tuple[Sources, Tensor, Tensor]:
    """Means of the sound positions of each cell that has some, and the row and column of the block it lies in."""
    sums, counts = [], []
    for top in range(0, x.height, step):
        rows = x.rows(top, min(top + step, x.height))
        sound = valid[None, None, top : top + rows.shape[2]].to(rows.dtype)
        whole = F.avg_pool2d(rows * sound, side, ceil_mode=True, divisor_override=1)
        sums.append(whole[0].flatten(1))
        counts.append(F.avg_pool2d(sound, side, ceil_mode=True, divisor_override=1)[0, 0])
    count = torch.cat(counts).flatten()
    means = (torch.cat(sums, dim=1) / count.clamp_min(1)).T  # (cells, C)
    some = count > 0
    across = -(-valid.shape[1] // side)
    place = torch.arange(len(count), device=count.device)[some]
    key = F.linear(means[some], block.phi.weight[:, :, 0, 0], block.phi.bias)
    value = F.linear(means[some], block.g.weight[:, :, 0, 0], block.g.bias)
    sources = Sources.of(key, value, torch.ones_like(key[:, 0]), count[some])
    return sources, place // across * side // step, place % across * side // step


class _Pairs:
    """Keys and values of rows, computed when they are read."""

    def __init__(self, block: PartialNonLocal, x: Rows) -> None:
        self.block, self.x, self.height = block, x, x.height

    def rows(self, top: int, bottom: int) -> Tensor:
        """(1, 2 C, bottom - top, W): keys, then values."""
        rows = self.x.rows(top, bottom)
        return torch.cat([self.block.phi(rows), self.block.g(rows)], dim=1)


def _sources(pairs: Tensor, valid: Tensor, *, faded: bool) -> Sources:
    """pairs: (1, 2 C, h, w). valid: (h, w). The released form keeps positions that are not valid in the softmax."""
    flat, sound = pairs[0].flatten(1).T, valid.flatten()
    if not faded:
        flat, sound = flat[sound], sound[sound]
    key, value = flat.chunk(2, dim=1)
    return Sources.of(key, value, sound)


def _answer(block: PartialNonLocal, rows: Tensor, sources: Sources) -> Tensor:
    """rows: (1, C, h, w) features that ask. Returns (1, C, h, w)."""
    query = block.theta(rows)[0].flatten(1).T
    answers = sources.answer(query, scale=block.scale)
    return answers.T.reshape(rows.shape)
