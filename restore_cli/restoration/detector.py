"""Where a photo is damaged: the detector over photos of any size."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restore_cli import weights
from restore_cli.errors import OutOfMemory
from restore_cli.networks import ScratchUNet
from restore_cli.networks.inputs import as_detector_sees
from restore_cli.networks.unet import fold_batch_norms
from restore_cli.restoration.device import autocast, resolve_device, resolve_precision
from restore_cli.restoration.memory import SMALLEST_TILE_PX, is_out_of_memory, tile_side, working_bytes
from restore_cli.restoration.pixels import Pixels, take, to_tensor
from restore_cli.restoration.resampling import enlarged, shrunk
from restore_cli.restoration.settings import Precision
from restore_cli.restoration.shapes import as_colour_planes
from restore_cli.restoration.tiles import Box, grid, padded_size
from restore_cli.weights import ModelFolder

log = logging.getLogger(__name__)
Resolution = Literal["full"] | int
BoxOf = Callable[[Box], Tensor]
"""A box of a picture as (1, C, h, w) in [-1, 1], mirrored beyond its edges, in the colours that the network sees."""
LARGEST_TILE_PX = 1536
"""Beyond it larger tiles save little halo and lose the cache."""
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
        *,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        max_memory_bytes: int | None = None,
    ) -> None:
        self.network = fold_batch_norms(network).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
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
        return cls(network, device=place, dtype=resolve_precision(precision, place), max_memory_bytes=max_memory_bytes)

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
            colours = self.network.config.colours
            yield from self._tiles(
                lambda box: as_detector_sees(to_tensor(planes, box, self.device), colours), height, width, sharers
            )
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
        multiple = self.network.config.size_multiple
        side = self._tile_side(sharers)
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
        config = self.network.config
        multiple, halo = config.size_multiple, config.halo_px
        padded = padded_size(height, width, multiple=multiple, smallest=config.smallest_px)
        for tile in grid(*padded, side=side, multiple=multiple):
            seen = tile.grown(halo, *padded)
            probability = self._run(seen_in(seen).to(self.device))
            inner = tile.clipped(height, width)
            yield inner, probability[0, 0][inner.within(seen).slices].cpu().numpy()

    def _on_cpu(self) -> ScratchDetector:
        """A copy for photos that do not fit the device."""
        return ScratchDetector(copy.deepcopy(self.network), device=torch.device("cpu"))

    def _reduced(self, image: Pixels, short_side: int) -> NDArray[np.float32]:
        """The photo as the network sees it, (h, w, C) in [-1, 1], of sides that it takes."""
        config, scale = self.network.config, short_side / min(image.shape[:2])
        multiple, smallest = config.size_multiple, config.smallest_px
        size = [max(round(side * scale / multiple) * multiple, smallest) for side in image.shape[:2]]
        levels = torch.from_numpy(shrunk(image, *size)).permute(2, 0, 1)[None].expand(1, 3, -1, -1)
        seen = as_detector_sees(levels * (2 / np.iinfo(image.dtype).max) - 1, config.colours)
        small: NDArray[np.float32] = seen[0].permute(1, 2, 0).numpy()
        return small

    def _run(self, photo: Tensor) -> Tensor:
        photo = photo.contiguous(memory_format=torch.channels_last)
        with autocast(self.device, self.dtype):
            logits = self.network(photo)
        if self.dtype != torch.float32 and not bool(logits.isfinite().all()):
            log.warning("%s gave logits that are no numbers: this tile is redone in float32", self.dtype)
            logits = self.network(photo)
        return logits.float().sigmoid()  # type: ignore[no-any-return]

    def _tile_side(self, sharers: int) -> int:
        if self.tile_px is not None:
            return self.tile_px
        config, budget = self.network.config, working_bytes(self.device, self.max_memory_bytes, sharers)
        per_px = BYTES_PER_CHANNEL_PX * config.base / config.fold**2 + BYTES_PER_COLOUR_PX * config.colours
        multiple = config.size_multiple
        return tile_side(budget, per_px, halo_px=config.halo_px, multiple=multiple, largest_px=LARGEST_TILE_PX)


def _cut(picture: NDArray[np.float32], box: Box) -> Tensor:
    """A box of (H, W, C) as (1, C, h, w), mirrored beyond the edges."""
    return torch.from_numpy(take(picture, box)).permute(2, 0, 1)[None]
