"""The non-local block asked at every position of a large photo, with memory and time linear in its size.

Exact while queries times keys stay within EXACT_PAIRS. Beyond that each block of positions asks its neighbourhood
position by position and the rest of the photo in the form of cells, each standing for its sound positions by their mean
and their number. Positions at damage ask many small cells, each a single position up to one megapixel; the others,
whose answers are only counted in the statistics of the norms, a few large ones. docs/memory.md has the error against
the exact block.

A sharp softmax picks single positions, and scores that lower precision has rounded pick others. So what shows is asked
in float32 whatever the precision of the rest, and only answers that are counted in statistics alone are not.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from restore_cli.networks.attention import PartialNonLocal, Sources
from restore_cli.restoration.layers import Bands, Field, Sliding
from restore_cli.restoration.planes import Plane, Rows

EXACT_PAIRS = 2**28
"""Pairs of latent positions: all of a photo of 512 x 512 pixels."""
NEAR = 16
"""Side of a block of positions that ask together, and width of the margin around it that they ask one by one."""
MOST_CELLS = 4096
"""What a position asks whose answer does not show."""
MOST_FINE_CELLS = 2**16
"""What a position at damage asks: every position of a photo up to one megapixel."""
SHOWN_REACH = 2
"""Positions around damage that count as damaged: the block's own convolutions carry their answers there."""
HIDDEN = -1e9
"""Added to the score of a cell that is not to be asked."""


def most_sources(positions: int) -> int:
    """Keys, and as many values, that are held at a time for a photo of so many latent positions."""
    if positions**2 <= EXACT_PAIRS:
        return positions
    return min(positions, MOST_FINE_CELLS) + MOST_CELLS + 2 * (3 * NEAR) ** 2


def answer_all(block: PartialNonLocal, x: Field, valid: Tensor, target: Plane, bands: Bands) -> Field:
    """x: (C, h, w) features. valid: (h, w) bool. Returns what every position is answered, in `target`."""
    if block.window is not None:
        return _windowed(block, x, valid, target, block.window)
    if valid.numel() ** 2 <= EXACT_PAIRS:
        return _exact(block, x, valid, target, bands)
    return _near_and_far(block, x, valid, target, bands.dtype)


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
    shown, rounded = _shown(valid), sources.to(bands.dtype)

    def answered(top: int, bottom: int) -> Tensor:
        return _answer(block, x.rows(top, bottom), shown[top:bottom], sources, rounded)

    return bands.write(target, answered)


def _near_and_far(block: PartialNonLocal, x: Field, valid: Tensor, target: Plane, dtype: torch.dtype) -> Field:
    """dtype: of what does not show."""
    height, width = valid.shape
    shown = _shown(valid)
    side, fine_side = (_cell_side(height, width, most) for most in (MOST_CELLS, MOST_FINE_CELLS))
    far = _Far(block, x, valid, side, dtype)
    differs = fine_side < side or dtype != torch.float32
    fine = _Far(block, x, valid, fine_side, torch.float32) if differs and bool(shown.any()) else far
    pairs = Sliding(_Pairs(block, x))
    for top in range(0, height, NEAR):
        first, bottom = max(top - NEAR, 0), min(top + NEAR, height)
        around = pairs.rows(first, min(bottom + NEAR, height))
        asking = block.theta(x.rows(top, bottom))[0].permute(1, 2, 0)
        answers = torch.empty_like(asking)
        for left in range(0, width, NEAR):
            columns = slice(max(left - NEAR, 0), min(left + 2 * NEAR, width))
            inner = slice(left, min(left + NEAR, width))
            near = _sources(around[..., columns], valid[first : first + around.shape[2], columns], faded=block.faded)
            here = shown[top:bottom, inner]
            for cells, who in ((fine, here), (far, ~here)):
                if bool(who.any()):
                    sources = cells.beside(near, top, left)
                    answers[:, inner][who] = sources.answer(asking[:, inner][who], scale=block.scale)
        target.write(top, answers.permute(2, 0, 1)[None])
    return Field(target)


def _shown(valid: Tensor) -> Tensor:
    """(h, w) bool: damaged positions and those close by, whose answers come into the picture."""
    damaged = (~valid).float()[None, None]
    return F.max_pool2d(damaged, 2 * SHOWN_REACH + 1, 1, SHOWN_REACH)[0, 0] > 0


def _cell_side(height: int, width: int, most: int) -> int:
    """The smallest power of two with which the photo has at most so many cells."""
    side = 1
    while -(-height // side) * -(-width // side) > most:
        side *= 2
    return side


class _Far:
    """The whole photo in cells, with room behind them for the positions of one neighbourhood."""

    def __init__(self, block: PartialNonLocal, x: Field, valid: Tensor, side: int, dtype: torch.dtype) -> None:
        height, width = valid.shape
        across, self.score = -(-width // side), x.plane.channels  # the score's column of a key is added to it
        most = -(-height // side) * across + (3 * NEAR) ** 2
        self.key, self.value = (torch.empty(most, self.score + 8, dtype=dtype, device=valid.device) for _ in range(2))
        self.count, tops, lefts = 0, [], []
        strip = max(NEAR, side)
        for top in range(0, height, strip):
            cells, place = _cells(block, x.rows(top, min(top + strip, height)), valid[top : top + strip], side)
            self.count += self._put(cells, self.count)
            tops.append(top + place // across * side)
            lefts.append(place % across * side)
        self.top, self.left = torch.cat(tops), torch.cat(lefts)
        if side > NEAR:  # larger than the neighbourhood: they stay, with their share of it in their means
            self.top, self.left = self.top[:0], self.left[:0]
        self.hidden, self.kept = self.top[:0], self.key[:0, 0]

    def beside(self, near: Sources, top: int, left: int) -> Sources:
        """The neighbourhood of the block of positions at (top, left), and the cells outside it."""
        self.key[self.hidden, self.score] = self.kept
        close = (self.top // NEAR - top // NEAR).abs() <= 1
        close &= (self.left // NEAR - left // NEAR).abs() <= 1
        self.hidden = close.nonzero()[:, 0]
        self.kept = self.key[self.hidden, self.score]
        self.key[self.hidden, self.score] = HIDDEN
        end = self.count + self._put(near, self.count)
        return Sources(self.key[:end], self.value[:end])

    def _put(self, sources: Sources, start: int) -> int:
        end = start + len(sources.key)
        self.key[start:end], self.value[start:end] = sources.key, sources.value
        return len(sources.key)


def _cells(block: PartialNonLocal, rows: Tensor, valid: Tensor, side: int) -> tuple[Sources, Tensor]:
    """Means of the sound positions of each cell of (1, C, h, w) that has some, and the numbers of those cells."""
    sound = valid[None, None].to(rows.dtype)
    sums = F.avg_pool2d(rows * sound, side, ceil_mode=True, divisor_override=1)[0].permute(1, 2, 0).flatten(0, 1)
    count = F.avg_pool2d(sound, side, ceil_mode=True, divisor_override=1).flatten()
    place = count.nonzero()[:, 0]
    means = sums[place] / count[place, None]  # (cells, C)
    key = F.linear(means, block.phi.weight[:, :, 0, 0], block.phi.bias)
    value = F.linear(means, block.g.weight[:, :, 0, 0], block.g.bias)
    return Sources.of(key, value, torch.ones_like(key[:, 0]), count[place]), place


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
    flat, sound = pairs[0].permute(1, 2, 0).flatten(0, 1), valid.flatten()
    if not faded:
        flat, sound = flat[sound], sound[sound]
    key, value = flat.chunk(2, dim=1)
    return Sources.of(key, value, sound)


def _answer(block: PartialNonLocal, rows: Tensor, shown: Tensor, exact: Sources, rounded: Sources) -> Tensor:
    """rows: (1, C, h, w) features that ask; where (h, w) `shown` they ask `exact`. Returns (1, C, h, w)."""
    query = block.theta(rows)[0].permute(1, 2, 0)
    answers = torch.empty_like(query)
    for sources, who in ((exact, shown), (rounded, ~shown)):
        if bool(who.any()):
            answers[who] = sources.answer(query[who], scale=block.scale)
    return answers.permute(2, 0, 1)[None]
