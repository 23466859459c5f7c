"""A photo through encoder, mapping and decoder while its rows come in bands: see `streams`.

For ways that see no further than their convolutions reach, but for the non-local block, which asks in a fixed grid of
neighbourhoods: it waits until the neighbours below have come.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks.attention import PartialNonLocal
from restore_cli.networks.blocks import ConvBlock, ResBlock, UpBlock
from restore_cli.networks.vae import Decoder, Encoder
from restore_cli.restoration.box import Box
from restore_cli.restoration.device import autocast
from restore_cli.restoration.passes import LATENT_PX, Task
from restore_cli.restoration.streams import (
    Band,
    ConvRows,
    Each,
    EnlargedRows,
    InParts,
    Layer,
    Sum,
    Waiting,
    joined,
    through,
)


def streamed(task: Task, rows: int) -> Iterator[tuple[Box, Tensor]]:
    """Bands of the restored photo from top to bottom, each a box of the photo and its pixels (1, 3, h, w) in [-1, 1].

    rows: of the photo that go in at a time, a multiple of LATENT_PX; so are the first rows of the bands.

    Raises ValueError for a way that is not local.
    """
    if not task.way.is_local:
        raise ValueError("this model's norms see the whole photo: it cannot come in bands")
    height, width = task.padded
    most = max(rows // LATENT_PX, 1)
    layers = [*_encoder(task.way.encoder), *_mapping(task, most), InParts(_decoder(task.way.decoder), most)]
    done, made = 0, Waiting()
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        shown = task.shown(Box(top, 0, bottom, width))[0].contiguous(memory_format=torch.channels_last)
        with autocast(task.device, task.dtype):
            made.put(through(layers, shown, last=bottom == height))
        while made.rows >= LATENT_PX:
            count = min(made.rows // LATENT_PX * LATENT_PX, rows)
            piece = made.take(count)
            inner = Box(done, 0, done + count, width).clipped(*task.mask.shape)
            done += count
            if inner.size[0] > 0:
                yield inner, piece[:, :, : inner.size[0], : inner.size[1]].float()


def _encoder(encoder: Encoder) -> list[Layer]:
    """Rows of a photo to a quarter as many of its latent."""
    down: list[Layer] = [_conv_block(block) for block in (encoder.stem, encoder.down1, encoder.down2)]
    if encoder.patch is not None:
        down = [Sum(down, beside=[ConvRows(encoder.patch)])]
    return [*down, *_res_blocks(encoder.blocks)]


def _mapping(task: Task, most_rows: int) -> list[Layer]:
    """Rows of the latent of an old photo to those of the photo as it was."""
    network = task.way.mapping
    layers: list[Layer] = [_MaskBeside(task)] if network.config.mask_input else []
    layers += [_conv_block(block) for block in network.ramp_in]
    rest: list[Layer] = [*(_conv_block(block) for block in network.ramp_out), ConvRows(network.last)]
    for layer in reversed(network.trunk):
        if isinstance(layer, PartialNonLocal):
            rest = [NonLocalRows(layer, task.valid()), InParts(rest, most_rows)]
        else:
            rest = [_res_block(layer), *rest]
    layers += rest
    return [Sum(layers)] if network.config.residual else layers


def _decoder(decoder: Decoder) -> list[Layer]:
    """Rows of a latent to four times as many of a photo."""
    up: list[Layer] = [_up_block(decoder.up1), _up_block(decoder.up2), ConvRows(decoder.head)]
    if decoder.patch is not None:
        up = [Sum(up, beside=[Each(decoder.patch)])]
    return [*_res_blocks(decoder.blocks), *up, Each(decoder.output)]


def _conv_block(block: nn.Module) -> Layer:
    assert isinstance(block, ConvBlock)
    return ConvRows(block.conv, block.act)


def _up_block(block: UpBlock) -> Layer:
    return EnlargedRows(lambda x: block.act(block.conv(x)))


def _res_block(block: nn.Module) -> Layer:
    assert isinstance(block, ResBlock)
    return Sum([ConvRows(block.conv1, block.act), ConvRows(block.conv2)])


def _res_blocks(blocks: nn.Sequential) -> list[Layer]:
    return [_res_block(block) for block in blocks]


class _MaskBeside:
    """The latent with the mask's pixels of each position beside it."""

    def __init__(self, task: Task) -> None:
        self.task, self.top = task, 0

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, latent, n, w). Returns (1, latent + 16, n, w)."""
        if rows is None:
            return None
        top, self.top = self.top, self.top + rows.shape[2]
        mask = self.task.mask_rows(LATENT_PX * top, LATENT_PX * self.top)
        return torch.cat([rows, F.pixel_unshuffle(mask, LATENT_PX)], dim=1)


class NonLocalRows:
    """The partial non-local block with windows. It rebuilds the columns of the grid in which something is damaged."""

    def __init__(self, block: PartialNonLocal, valid: Tensor) -> None:
        """valid: (h, w) bool of the whole photo, True = sound."""
        assert block.window is not None
        assert block.reach <= block.window
        self.block, self.window, self.valid = block, block.window, valid
        self.near: Band = None
        """Rows that are still to be asked or asked about, from row `near_top` on, a multiple of the window."""
        self.answers: Band = None
        """To the rows that are still to be rebuilt and, as far as the block's convolutions reach, those above them."""
        self.near_top = self.asked = self.done = 0

    def __call__(self, rows: Band, *, last: bool) -> Band:
        """rows: (1, C, n, w). Returns (1, C, m, w)."""
        if bool(self.valid.all()):
            return rows
        x = joined(self.near, rows)
        if x is None:
            return None
        end = self.near_top + x.shape[2]
        bottom = end if last else (end // self.window - 1) * self.window
        if bottom <= self.asked:
            self.near = x
            return None
        answers = joined(self.answers, self._answers(x, bottom))
        assert answers is not None
        done = bottom if last else bottom - self.block.reach
        rebuilt = self._rebuilt(x[:, :, self.done - self.near_top : done - self.near_top], answers, self.done)
        above = max(bottom - self.window, 0)
        self.near, self.near_top = x[:, :, above - self.near_top :].clone(), above
        self.answers = answers[:, :, -2 * self.block.reach :].clone()
        self.asked, self.done = bottom, done
        return rebuilt

    def _answers(self, x: Tensor, bottom: int) -> Tensor:
        """x: rows from `near_top` on, (1, C, n, w). Returns the answers to rows `asked` to `bottom`."""
        region = (slice(self.asked - self.near_top, bottom - self.near_top), slice(0, x.shape[3]))
        return self.block.ask(x[0], self.valid[self.near_top : self.near_top + x.shape[2]], region)[None]

    def _rebuilt(self, x: Tensor, answers: Tensor, top: int) -> Tensor:
        """x: rows from `top` on, (1, C, n, w); answers: those and as many around them as convolutions reach."""
        reach, width = self.block.reach, x.shape[3]
        above = min(reach, top)
        valid = self.valid[top : top + x.shape[2]]
        out = x.clone()
        for left, right in _runs((~valid).any(dim=0), self.window):
            begin = max(left - reach, 0)
            rebuilt = self.block.rebuild(answers[..., begin : min(right + reach, width)])
            rebuilt = rebuilt[:, :, above : above + x.shape[2], left - begin : right - begin]
            torch.where(valid[:, left:right], x[..., left:right], rebuilt.float(), out=out[..., left:right])
        return out


def _runs(damaged: Tensor, window: int) -> list[tuple[int, int]]:
    """damaged: (w,) bool. Returns the first column and the end of each run of windows with something damaged."""
    width = damaged.shape[0]
    windows = F.pad(damaged, (0, -width % window)).view(-1, window).any(dim=1)
    changes = torch.diff(F.pad(windows.int(), (1, 1))).nonzero()[:, 0].tolist()
    return [(window * first, min(window * end, width)) for first, end in zip(changes[::2], changes[1::2], strict=True)]
