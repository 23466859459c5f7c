"""A photo's damage as the detector's networks see it, band by band: a look, and in models that look again
two at every octave.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from restore_cli.networks import ScratchUNet, SecondLook
from restore_cli.networks.inputs import as_detector_sees
from restore_cli.networks.second_look import FARTHER_DOUBT, SEEN_ONCE_DOUBT
from restore_cli.networks.unet import UNetSizes
from restore_cli.restoration.box import Box, padded_size
from restore_cli.restoration.device import NotANumberError, autocast
from restore_cli.restoration.opinion import Opinion
from restore_cli.restoration.streams import EnlargedRows, Layer, bilinear, through
from restore_cli.restoration.unet_rows import UNetRows

BoxOf = Callable[[Box], Tensor]
"""A box of a picture as (1, 3, h, w) in [-1, 1], mirrored beyond its edges."""
Bands = Iterator[tuple[int, Tensor]]
"""First row and (1, C, h, W), from top to bottom."""


@dataclass(frozen=True)
class Picture:
    """What is looked at."""

    seen_in: BoxOf
    height: int
    width: int


@dataclass(frozen=True)
class Looks:
    """The networks that look for damage, their batch norms folded, on a device."""

    first: ScratchUNet
    second: SecondLook | None
    device: torch.device
    dtype: torch.dtype

    def on(self, device: torch.device) -> Looks:
        """A copy elsewhere, in float32."""
        first, second = copy.deepcopy(self.first).to(device), copy.deepcopy(self.second)
        return Looks(first, None if second is None else second.to(device), device, torch.float32)

    @property
    def size_multiple(self) -> int:
        """Heights and widths that the networks take are multiples of this."""
        return math.lcm(*(sizes.size_multiple for sizes in self._sizes))

    @property
    def smallest_px(self) -> int:
        """And at least this."""
        return max(sizes.smallest_px for sizes in self._sizes)

    @property
    def _sizes(self) -> list[UNetSizes]:
        return [self.first.config] + ([] if self.second is None else [self.second.config])

    def logits(self, octaves: Sequence[Picture], band_rows: int) -> Bands:
        """Logits (1, 1, h, width) of the first picture in float32. Each of the others is half as large as the one
        before it. band_rows: of the first picture, a multiple of `size_multiple`.

        Raises NotANumberError.
        """
        farther: Tensor | None = None
        for number, picture in reversed(list(enumerate(octaves[1:], 1))):
            found = torch.empty(picture.height, picture.width, dtype=torch.float16)
            for top, logits in self._look(picture, band_rows << number, farther, FARTHER_DOUBT):
                found[top : top + logits.shape[2]] = logits[0, 0].half().cpu()
            farther = found
        doubt = SEEN_ONCE_DOUBT if self.second is not None and farther is None else 0.0
        for top, logits in self._look(octaves[0], band_rows, farther):
            yield top, logits - doubt

    def _look(self, picture: Picture, band_rows: int, farther: Tensor | None, doubt: float = 0.0) -> Bands:
        """farther: logits (h, w) of the picture half as large, if there is one. doubt: taken from the first look's."""
        height, width = picture.height, picture.width
        padded = padded_size(height, width, multiple=self.size_multiple, smallest=self.smallest_px)

        def photo() -> Bands:
            for top in range(0, padded[0], band_rows):
                yield top, picture.seen_in(Box(top, 0, min(top + band_rows, padded[0]), padded[1])).to(self.device)

        colours = self.first.config.colours
        found = self._run(
            [UNetRows(self.first)], ((top, as_detector_sees(rows, colours)) for top, rows in photo()), padded[0]
        )
        if self.second is not None:
            opinion = Opinion(*padded, farther, self.device)
            for top, logits in found:
                opinion.put(top, logits - doubt)
            for top, rows in photo():
                opinion.count(rows, top, height, width)
            found = self._again(self.second, opinion, photo(), padded[0])
        for top, logits in found:
            if top < height:
                yield top, logits[:, :, : height - top, :width]

    def _again(self, second: SecondLook, opinion: Opinion, photo: Bands, height: int) -> Bands:
        evidence = [opinion.evidence()]

        def seen() -> Bands:
            for top, rows in photo:
                bottom = top + rows.shape[2]
                yield top, second.seen(rows, opinion.rows(top, bottom), evidence, opinion.farther_rows(top, bottom))

        for top, change in self._run([UNetRows(second), EnlargedRows(bilinear)], seen(), height):
            yield top, opinion.rows(top, top + change.shape[2]) + change

    def _run(self, layers: Sequence[Layer], seen: Bands, height: int) -> Bands:
        """What layers make of a picture of which they see bands: so many rows (1, 1, h, W) in all."""
        done, rows = 0, next(seen, None)
        while rows is not None:
            following = next(seen, None)
            with autocast(self.device, self.dtype):
                made = through(layers, rows[1].contiguous(memory_format=torch.channels_last), last=following is None)
            rows = following
            if made is None:
                continue
            if not bool(made.isfinite().all()):
                raise NotANumberError
            yield done, made.float()
            done += made.shape[2]
        assert done == height
