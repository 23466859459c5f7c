"""A photo through a model that looks at the whole picture, layer by layer in bands of rows.

The released models have instance norms: each divides by statistics of the whole photo, and tiles with statistics of
their own would change the tone from tile to tile. Here every norm gets the statistics of the whole photo, so the result
is that of the photo in one piece, to rounding. What must be kept between layers are two or three activations at a
quarter of the photo's size (`plan.Plan` decides where); everything larger is computed twice instead of kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks.attention import PartialNonLocal
from restore_cli.networks.blocks import ConvBlock, ResBlock, UpBlock
from restore_cli.networks.patch_attention import PatchAttention
from restore_cli.networks.vae import Decoder
from restore_cli.restoration.answers import answer_all
from restore_cli.restoration.box import Box
from restore_cli.restoration.layers import Bands, Computed, Field
from restore_cli.restoration.passes import Task
from restore_cli.restoration.patches import replace_damaged
from restore_cli.restoration.planes import Plane, Rows, Shelf


def banded(task: Task, shelf: Shelf, latent_rows: int) -> Iterator[tuple[Box, Tensor]]:
    """Bands of the restored photo from top to bottom, each a box of the photo and its pixels (1, 3, h, w) in [-1, 1].

    latent_rows: of a band, at a quarter of the photo's size.
    """
    height, width = task.padded
    bands = Bands(latent_rows=latent_rows, latent_height=height // 4, device=task.device, dtype=task.dtype)
    walk = _Walk(task, shelf, bands)
    latent = walk.map(walk.encode())
    photo_height, photo_width = task.mask.shape
    for top, rows in walk.decode(latent):
        inner = Box(top, 0, top + rows.shape[2], width).clipped(photo_height, photo_width)
        if inner.size[0] > 0:
            yield inner, rows[:, :, : inner.size[0], :photo_width]


class _Image:
    """The padded photo as the encoder sees it."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.height, self.width = task.padded

    def rows(self, top: int, bottom: int) -> Tensor:
        return self.task.shown(Box(top, 0, bottom, self.width))[0]


class _Entrance:
    """The latent, with the mask's pixels beside it in models that want to see them."""

    def __init__(self, task: Task, latent: Field) -> None:
        self.task, self.latent, self.height = task, latent, latent.height

    def rows(self, top: int, bottom: int) -> Tensor:
        latent = self.latent.rows(top, bottom)
        if not self.task.way.mapping.config.mask_input:
            return latent
        return torch.cat([latent, F.pixel_unshuffle(self.task.mask_rows(4 * top, 4 * bottom), 4)], dim=1)


class _Walk:
    """One photo's way through the networks.

    A layer that asks with a sharp softmax, or for the likest patch, answers something else for scores a little off; in
    models with such a layer everything before it is in float32. (With bfloat16 there, too, the released size with
    random weights came within 30 dB of float32 at 512 x 512; so it is 47.)
    """

    def __init__(self, task: Task, shelf: Shelf, bands: Bands) -> None:
        self.task, self.shelf = task, shelf
        self.bands = self.bands_after = bands
        self.height, self.width = task.padded[0] // 4, task.padded[1] // 4
        self.sharp = [layer for layer in task.way.mapping.trunk if _picks(layer)]
        if self.sharp:
            self.bands = replace(bands, dtype=torch.float32)

    def plane(self, channels: int) -> Plane:
        """At a quarter of the photo's size."""
        return self.shelf.plane(channels, self.height, self.width)

    def encode(self) -> Field:
        """The photo's latent, by encoder A: (1, latent, H/4, W/4)."""
        encoder, bands, image = self.task.way.encoder, self.bands, _Image(self.task)
        width = encoder.stem.conv.out_channels
        stem = self._computed(encoder.stem, image)
        half = self.shelf.plane(width, 2 * self.height, 2 * self.width)
        down = bands.layer(encoder.down1.conv, encoder.down1.norm, stem, half, act=encoder.down1.act)
        latent = self._kept(encoder.down2, down, self.plane(encoder.down2.conv.out_channels))
        if encoder.patch is not None:
            beside, patch = latent, encoder.patch
            latent = bands.write(
                latent.plane,
                lambda top, bottom: beside.rows(top, bottom).add_(bands.convolved(patch, image, top, bottom)),
            )
        del half, down
        return self._blocks(encoder.blocks, latent)

    def map(self, latent: Field) -> Field:
        """The latent of the photo as it was, by the mapping: same size."""
        mapping = self.task.way.mapping
        wide = self.plane(mapping.config.width)
        entered: Rows = _Entrance(self.task, latent)
        ramp_in, ramp_out = _conv_blocks(mapping.ramp_in), _conv_blocks(mapping.ramp_out)
        for block in ramp_in[:-1]:
            entered = self._kept(block, entered, self.plane(block.conv.out_channels))
        x = self._kept(ramp_in[-1], entered, wide)
        del entered
        spare = self.plane(mapping.config.width)
        for layer in mapping.trunk:
            if isinstance(layer, PartialNonLocal):
                x = self._non_local(layer, x, spare)
            elif isinstance(layer, PatchAttention):
                x, spare = self._patch_attention(layer, x, spare), x.plane
            else:
                assert isinstance(layer, ResBlock)
                x = self.bands.res_block(layer, x, spare, x.plane)
        bands = self.bands
        for block in ramp_out:
            x = self._kept(block, x, self.plane(block.conv.out_channels))
        out = bands.layer(mapping.last, None, x, self.plane(mapping.config.latent), act=None)
        if mapping.config.residual:
            return bands.write(out.plane, lambda top, bottom: out.rows(top, bottom).add_(latent.rows(top, bottom)))
        return out

    def decode(self, latent: Field) -> Iterator[tuple[int, Tensor]]:
        """Bands of the padded photo: first row and pixels (1, 3, h, W)."""
        decoder, bands = self.task.way.decoder, self.bands
        z = self._blocks(decoder.blocks, latent)
        half = self.shelf.plane(decoder.up1.conv.out_channels, 2 * self.height, 2 * self.width)
        up1 = bands.layer(decoder.up1.conv, decoder.up1.norm, z, half, act=decoder.up1.act)
        up2 = self._computed(decoder.up2, up1)
        for top, bottom in bands.cuts(4 * self.height):
            yield top, self._head(decoder, up2, z, top, bottom)

    def _head(self, decoder: Decoder, up2: Computed, z: Field, top: int, bottom: int) -> Tensor:
        pixels = self.bands.convolved(decoder.head, up2, top, bottom)
        if decoder.patch is not None:
            pixels += self.bands.convolved(decoder.patch, z, top, bottom)
        return decoder.output(pixels)  # type: ignore[no-any-return]

    def _kept(self, block: ConvBlock, source: Rows, target: Plane) -> Field:
        return self.bands.layer(block.conv, block.norm, source, target, act=block.act)

    def _computed(self, block: ConvBlock | UpBlock, source: Rows) -> Computed:
        """A convolution block at full size: run once for its statistics, and again for every reader."""
        conv, norm = block.conv, block.norm
        return Computed(conv, source, self.bands, self.bands.moments(conv, norm, source), act=block.act)

    def _blocks(self, blocks: nn.Sequential, x: Field) -> Field:
        """Residual blocks, in the plane of x."""
        spare = self.plane(x.plane.channels)
        for block in blocks.children():
            assert isinstance(block, ResBlock)
            x = self.bands.res_block(block, x, spare, x.plane)
        return x

    def _non_local(self, block: PartialNonLocal, x: Field, answers: Plane) -> Field:
        """The partial non-local block, its result in the plane of x."""
        valid = self.task.valid()
        if block.norm_kind == "none" and bool(valid.all()):
            return x  # nothing is rebuilt, and no statistics are missed
        asked = answer_all(block, x, valid, answers, self.bands_after)
        self._asked(block)
        rebuilt = self.bands.layer(block.W, None, asked, answers, act=None)
        rebuilt = self._blocks(block.res_block, rebuilt)

        def blended(top: int, bottom: int) -> Tensor:
            sound = valid[None, None, top:bottom].float()
            return sound * x.rows(top, bottom) + (1 - sound) * rebuilt.rows(top, bottom)

        return self.bands.write(x.plane, blended)

    def _patch_attention(self, layer: PatchAttention, z: Field, spare: Plane) -> Field:
        """Patch attention, its result in `spare`; z is used up."""
        composed = self.bands.res_block(layer.res_block, z, spare, spare)
        damage = torch.cat([self._touched(top, bottom) for top, bottom in self.bands.cuts(self.height)])
        replace_damaged(composed.plane, damage, layer.patch, self.bands)
        self._asked(layer)
        joined = _Joined(z, composed, damage)
        return self.bands.layer(layer.combine, None, joined, spare, act=None)

    def _asked(self, layer: nn.Module) -> None:
        """After the last layer that picks, rounding no longer matters."""
        if self.sharp and layer is self.sharp[-1]:
            self.bands = self.bands_after

    def _touched(self, top: int, bottom: int) -> Tensor:
        """(rows, w): 1 where a bilinear sample of the mask is not zero, as patch attention counts damage."""
        mask = self.task.mask_rows(4 * top, 4 * bottom)
        sampled = F.interpolate(mask, size=(bottom - top, self.width), mode="bilinear", align_corners=False)
        return (sampled[0, 0] > 0).float()


class _Joined:
    """[z, composed, damage], what the last convolution of patch attention takes."""

    def __init__(self, z: Field, composed: Field, damage: Tensor) -> None:
        self.parts, self.damage, self.height = (z, composed), damage, z.height

    def rows(self, top: int, bottom: int) -> Tensor:
        parts = [part.rows(top, bottom) for part in self.parts]
        return torch.cat([*parts, self.damage[None, None, top:bottom]], dim=1)


def _picks(layer: nn.Module) -> bool:
    """Whether a layer's answer changes at once when scores change a little."""
    return isinstance(layer, PatchAttention) or (isinstance(layer, PartialNonLocal) and layer.faded)


def _conv_blocks(ramp: nn.Sequential) -> list[ConvBlock]:
    return [block for block in ramp.children() if isinstance(block, ConvBlock)]
