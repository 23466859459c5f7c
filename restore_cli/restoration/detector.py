"""Where a photo is damaged: the detector over photos of any size."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restore_cli import weights
from restore_cli.errors import OutOfMemory
from restore_cli.networks import ScratchUNet, SecondLook
from restore_cli.networks.inputs import as_detector_sees
from restore_cli.networks.unet import Network, UNet, UNetSizes, fold_batch_norms
from restore_cli.restoration.device import autocast, resolve_device, resolve_precision
from restore_cli.restoration.memory import SMALLEST_TILE_PX, is_out_of_memory, tile_side, working_bytes
from restore_cli.restoration.opinion import BYTES_PER_PX as OPINION_BYTES_PER_PX
from restore_cli.restoration.opinion import FirstOpinion
from restore_cli.restoration.pixels import Pixels, take, to_tensor
from restore_cli.restoration.resampling import enlarged, shrunk
from restore_cli.restoration.settings import Precision
from restore_cli.restoration.shapes import as_colour_planes
from restore_cli.restoration.tiles import Box, grid, padded_size
from restore_cli.weights import ModelFolder

log = logging.getLogger(__name__)
Resolution = Literal["full"] | int
BoxOf = Callable[[Box], Tensor]
"""A box of a picture as (1, 3, h, w) in [-1, 1], mirrored beyond its edges."""
LARGEST_TILE_PX = 2048
"""Beyond it larger tiles save little halo for much memory."""
BYTES_PER_CHANNEL_PX = 38
"""Peak activations a position at full width and base channel, float32: measured 30 to 36 at base 12 and 64, tiles of
256 to 1536 px."""
BYTES_PER_COLOUR_PX = 16
"""The tile itself: as cut out, in floats, in another order."""


class ScratchDetector:
    """The scratch-detection network, ready to run."""

    def __init__(
        self,
        network: ScratchUNet,
        second_look: SecondLook | None = None,
        *,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        max_memory_bytes: int | None = None,
    ) -> None:
        """second_look: looks again once the colours of the whole photo are known."""
        self.network = _made_ready(network, device)
        self.second_look = None if second_look is None else _made_ready(second_look, device)
        self.device, self.dtype = device, dtype
        self.max_memory_bytes = max_memory_bytes
        self.tile_px: int | None = None
        """Side of the tiles; None: what memory allows."""

    @classmethod
    def load(
        cls,
        model: str | Path | ModelFolder = "auto",
        *,
        device: str = "auto",
        precision: Precision = "auto",
        max_memory_bytes: int | None = None,
    ) -> ScratchDetector:
        """Load the detector of a model. Raises WeightsMissing, WeightsDamaged, UsageProblem (device)."""
        folder = model if isinstance(model, ModelFolder) else weights.resolve_model(model)
        place = resolve_device(device)
        network = weights.load_network(folder.path("detector"))
        assert isinstance(network, ScratchUNet)
        second = None if folder.second_look is None else weights.load_network(folder.second_look)
        assert second is None or isinstance(second, SecondLook)
        dtype = resolve_precision(precision, place)
        return cls(network, second, device=place, dtype=dtype, max_memory_bytes=max_memory_bytes)

    def probability(self, image: Pixels, resolution: Resolution = "full") -> NDArray[np.float32]:
        """Probability of damage (H, W) in [0, 1] for a uint8 or uint16 photo (H, W), (H, W, 1) or (H, W, 3).

        resolution: "full" looks at every pixel; N looks at the photo resized so that its short side is about N (256 is
        the released code's) and enlarges what it found.
        """
        found = np.empty(image.shape[:2], np.float32)
        for box, probability in self.pieces(image, resolution):
            found[box.slices] = probability
        return found

    def damage(self, image: Pixels, threshold: float, *, sharers: int = 1) -> NDArray[np.bool_]:
        """(H, W): where `probability` reaches the threshold; never holds the probabilities of the whole photo.

        sharers: how many photos share the memory just now.
        """
        found = np.empty(image.shape[:2], bool)
        for box, probability in self.pieces(image, sharers=sharers):
            found[box.slices] = probability >= threshold
        return found

    @torch.inference_mode()
    def pieces(
        self, image: Pixels, resolution: Resolution = "full", *, sharers: int = 1
    ) -> Iterator[tuple[Box, NDArray[np.float32]]]:
        """What `probability` gives, box by box; some boxes come twice where memory ran out on the way."""
        planes = as_colour_planes(image)
        height, width = planes.shape[:2]
        if resolution == "full":
            yield from self._tiles(lambda box: to_tensor(planes, box, self.device), height, width, sharers)
            return
        small = self._reduced(planes, resolution)
        height, width = small.shape[:2]
        found = np.empty((height, width), np.float32)
        for box, probability in self._tiles(lambda box: _cut(small, box), height, width, sharers):
            found[box.slices] = probability
        yield from enlarged(found, *planes.shape[:2])

    def _tiles(
        self, seen_in: BoxOf, height: int, width: int, sharers: int
    ) -> Iterator[tuple[Box, NDArray[np.float32]]]:
        """Boxes of a picture (height, width) and their probabilities; some come twice where memory ran out on the way.

        Raises OutOfMemory if even the smallest tiles do not fit the CPU.
        """
        multiple = self._size_multiple
        side = self._tile_side(height * width, sharers)
        while True:
            try:
                yield from self._tiles_of(seen_in, height, width, side)
                return
            except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if side <= SMALLEST_TILE_PX and self.device.type == "cpu":
                    raise OutOfMemory(
                        f"a photo of {width} x {height} pixels does not fit the memory of the CPU",
                        hint="close other programs or give a smaller photo",
                    ) from error
            if side <= SMALLEST_TILE_PX:
                log.warning("%s ran out of memory: looking for damage on the CPU", self.device)
                yield from self._on_cpu()._tiles(seen_in, height, width, sharers)
                return
            side = max(side // 2 // multiple * multiple, SMALLEST_TILE_PX)
            log.warning("out of memory: trying again with tiles of %d px", side)

    def _tiles_of(
        self, seen_in: BoxOf, height: int, width: int, side: int
    ) -> Iterator[tuple[Box, NDArray[np.float32]]]:
        padded = padded_size(height, width, multiple=self._size_multiple, smallest=self._smallest_px)
        tiles = list(grid(*padded, side=side, multiple=self._size_multiple))
        if self.second_look is None:
            for tile, seen, _, logits in self._first_look(seen_in, tiles, padded):
                inner = tile.clipped(height, width)
                yield inner, _probability(logits, inner.within(seen))
            return
        opinion = FirstOpinion(padded, self.device)
        for tile, seen, photo, logits in self._first_look(seen_in, tiles, padded):
            opinion.add(photo, logits, seen, tile, tile.clipped(height, width))
        evidence, halo_px = [opinion.evidence()], self.second_look.config.halo_px
        for tile in tiles:
            seen, inner = tile.grown(halo_px, *padded), tile.clipped(height, width)
            logits = self._look(self.second_look, seen_in(seen).to(self.device), opinion.logits_in(seen), evidence)
            yield inner, _probability(logits, inner.within(seen))

    def _first_look(
        self, seen_in: BoxOf, tiles: Sequence[Box], padded: tuple[int, int]
    ) -> Iterator[tuple[Box, Box, Tensor, Tensor]]:
        """Each tile, the box seen for it, the photo there (1, 3, h, w) and the detector's logits (1, 1, h, w)."""
        config = self.network.config
        for tile in tiles:
            seen = tile.grown(config.halo_px, *padded)
            photo = seen_in(seen).to(self.device)
            yield tile, seen, photo, self._look(self.network, as_detector_sees(photo, config.colours))

    def _on_cpu(self) -> ScratchDetector:
        """A copy for photos that do not fit the device."""
        return ScratchDetector(copy.deepcopy(self.network), copy.deepcopy(self.second_look), device=torch.device("cpu"))

    def _reduced(self, image: Pixels, short_side: int) -> NDArray[np.float32]:
        """The photo at sides that the network takes, (h, w, 3) in [-1, 1]."""
        scale = short_side / min(image.shape[:2])
        multiple, smallest = self._size_multiple, self._smallest_px
        size = [max(round(side * scale / multiple) * multiple, smallest) for side in image.shape[:2]]
        levels = np.broadcast_to(shrunk(image, *size), (*size, 3))
        return np.asarray(levels * (2 / np.iinfo(image.dtype).max) - 1, np.float32)

    def _look(self, network: UNet, photo: Tensor, *told: Any) -> Tensor:
        """Logits (1, 1, h, w) of a network, in float32."""
        photo = photo.contiguous(memory_format=torch.channels_last)
        with autocast(self.device, self.dtype):
            logits: Tensor = network(photo, *told)
        if self.dtype != torch.float32 and not bool(logits.isfinite().all()):
            log.warning("%s gave logits that are no numbers: this tile is redone in float32", self.dtype)
            logits = network(photo, *told)
        return logits.float()

    def _tile_side(self, pixels: int, sharers: int) -> int:
        if self.tile_px is not None:
            return self.tile_px
        config, budget = self.network.config, working_bytes(self.device, self.max_memory_bytes, sharers)
        if self.second_look is not None and self.device.type == "cpu":
            budget = max(budget - OPINION_BYTES_PER_PX * pixels, 0)
        per_px = BYTES_PER_CHANNEL_PX * config.base / config.fold**2 + BYTES_PER_COLOUR_PX * config.colours
        multiple = self._size_multiple
        return tile_side(budget, per_px, halo_px=config.halo_px, multiple=multiple, largest_px=LARGEST_TILE_PX)

    @property
    def _sizes(self) -> list[UNetSizes]:
        return [self.network.config] + ([] if self.second_look is None else [self.second_look.config])

    @property
    def _size_multiple(self) -> int:
        return math.lcm(*(sizes.size_multiple for sizes in self._sizes))

    @property
    def _smallest_px(self) -> int:
        return max(sizes.smallest_px for sizes in self._sizes)


def _made_ready(network: Network, device: torch.device) -> Network:
    return fold_batch_norms(network).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _probability(logits: Tensor, box: Box) -> NDArray[np.float32]:
    """The box of (1, 1, h, w) as (h, w) in [0, 1]."""
    found: NDArray[np.float32] = logits[0, 0][box.slices].sigmoid().cpu().numpy()
    return found


def _cut(picture: NDArray[np.float32], box: Box) -> Tensor:
    """A box of (H, W, C) as (1, C, h, w), mirrored beyond the edges."""
    return torch.from_numpy(take(picture, box)).permute(2, 0, 1)[None]
