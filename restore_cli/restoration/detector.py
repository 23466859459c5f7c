"""Where a photo is damaged: the detector over photos of any size."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from restore_cli import weights
from restore_cli.errors import OutOfMemory, UsageProblem, is_out_of_memory
from restore_cli.networks import ScratchUNet, SecondLook
from restore_cli.networks.second_look import octaves
from restore_cli.networks.unet import Network, fold_batch_norms
from restore_cli.restoration.box import Box
from restore_cli.restoration.device import NotANumberError, no_numbers, resolve_device, resolve_precision
from restore_cli.restoration.looks import Looks, Picture
from restore_cli.restoration.margins import margins_of
from restore_cli.restoration.memory import working_bytes
from restore_cli.restoration.opinion import BYTES_PER_PX as OPINION_BYTES_PER_PX
from restore_cli.restoration.pixels import Pixels, Seen, to_tensor
from restore_cli.restoration.resampling import enlarged, halved, shrunk
from restore_cli.restoration.settings import Precision
from restore_cli.restoration.shapes import as_colour_planes
from restore_cli.restoration.unet_rows import waiting_rows
from restore_cli.weights import ModelFolder

log = logging.getLogger(__name__)
Resolution = Literal["full"] | int
BAND_POSITIONS = 3 * 2**15
"""At the network's full size, on a CPU: larger bands leave its caches, and glibc gives back what takes more than 32 MB
again and again."""
BAND_COPIES = 40
"""Activations of a band that exist at a time, counted at the network's full size and base width: measured 9 to 40, the
most where a photo is seen at several octaves."""
MOST_ENLARGED_PX = 2**22
"""What a smaller photo is enlarged to at most where its short side is to be longer: it may be a strip."""
MASK_BYTES_PER_PX = 1


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
        second = None if second_look is None else _made_ready(second_look, device)
        self.looks = Looks(_made_ready(network, device), second, device, dtype)
        self.device, self.max_memory_bytes = device, max_memory_bytes
        self.band_rows: int | None = None
        """Rows of a photo looked at together; None: what memory allows."""

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
        the released code's) and enlarges what it found. Raises UsageProblem for arrays of another kind.
        """
        if resolution != "full" and not (isinstance(resolution, int) and resolution >= 1):
            raise UsageProblem(f"resolution is {resolution!r}", hint="give full, or pixels of the short side")
        found = np.empty(as_colour_planes(image).shape[:2], np.float32)
        for box, probability in self.pieces(image, resolution):
            found[box.slices] = probability
        return found

    def damage(self, image: Pixels, threshold: float, *, sharers: int = 1) -> NDArray[np.bool_]:
        """(H, W): where `probability` reaches the threshold; never holds the probabilities of the whole photo.

        sharers: how many photos share the memory just now.
        """
        found = np.empty(as_colour_planes(image).shape[:2], bool)
        for box, probability in self.pieces(image, sharers=sharers):
            found[box.slices] = probability >= threshold
        return found

    @torch.inference_mode()
    def pieces(
        self, image: Pixels, resolution: Resolution = "full", *, sharers: int = 1
    ) -> Iterator[tuple[Box, NDArray[np.float32]]]:
        """What `probability` gives, box by box; some boxes come twice where memory ran out on the way."""
        planes = as_colour_planes(image)
        # The released detector's word stands.
        margins = None if self.looks.second is None else margins_of(planes)
        for box, probability in self._found(planes, resolution, sharers):
            if margins is not None:
                probability[margins.within(box)] = 0
            yield box, probability

    def _found(self, planes: Pixels, resolution: Resolution, sharers: int) -> Iterator[tuple[Box, NDArray[np.float32]]]:
        """What the networks say."""
        if resolution == "full":
            yield from self._bands(planes, sharers)
            return
        small = self._reduced(planes, resolution)
        found = np.empty(small.shape[:2], np.float32)
        for box, probability in self._bands(small, sharers):
            found[box.slices] = probability
        yield from enlarged(found, *planes.shape[:2])

    def _bands(self, seen: Seen, sharers: int) -> Iterator[tuple[Box, NDArray[np.float32]]]:
        """Boxes of a picture (H, W, C) and their probabilities; some come twice where it had to be done again.

        Floats are in [-1, 1]. Raises OutOfMemory if even the smallest bands do not fit the CPU.
        """
        pictures = self._octaves(seen, self.device)
        height, width = seen.shape[:2]
        looks, rows = self.looks, self._rows(self.looks, height, width, sharers)
        while True:
            try:
                for top, logits in looks.logits(pictures, rows):
                    yield Box(top, 0, top + logits.shape[2], width), logits[0, 0].sigmoid().cpu().numpy()
                return
            except NotANumberError as error:
                if looks.dtype == torch.float32:
                    raise no_numbers() from error
                log.warning("%s gave logits that are no numbers: looking again in float32", looks.dtype)
                looks = replace(looks, dtype=torch.float32)
                continue
            except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                smallest = rows <= looks.size_multiple
                if smallest and looks.device.type == "cpu":
                    raise OutOfMemory(
                        f"a photo of {width} x {height} pixels does not fit the memory of the CPU",
                        hint="close other programs or give a smaller photo",
                    ) from error
            if smallest:  # outside the handler, whose traceback holds on to tensors
                log.warning("%s ran out of memory: looking for damage on the CPU", looks.device)
                looks = looks.on(torch.device("cpu"))
                pictures = self._octaves(seen, looks.device)
                rows = self._rows(looks, height, width, sharers)
                continue
            rows = max(rows // 2 // looks.size_multiple, 1) * looks.size_multiple
            log.warning("out of memory: trying again with bands of %d rows", rows)

    def _octaves(self, seen: Seen, device: torch.device) -> list[Picture]:
        """A picture (H, W, C), and for a model that looks twice what it is seen as from farther and farther away."""
        sizes = [seen]
        while self.looks.second is not None and len(sizes) < octaves(*seen.shape[:2]):
            sizes.append(halved(sizes[-1]))
        return [Picture(partial(to_tensor, one, device=device), *one.shape[:2]) for one in sizes]

    def _reduced(self, image: Pixels, short_side: int) -> NDArray[np.float32]:
        """The photo at sides that the network takes, (h, w, 3) in [-1, 1]."""
        height, width = image.shape[:2]
        scale = min(short_side / min(height, width), math.sqrt(max(MOST_ENLARGED_PX / (height * width), 1)))
        multiple, smallest = self.looks.size_multiple, self.looks.smallest_px
        size = [max(round(side * scale / multiple) * multiple, smallest) for side in image.shape[:2]]
        levels = np.broadcast_to(shrunk(image, *size), (*size, 3))
        return np.asarray(levels * (2 / np.iinfo(image.dtype).max) - 1, np.float32)

    def _rows(self, looks: Looks, height: int, width: int, sharers: int) -> int:
        """Of a band: as many as stay in a CPU's caches and fit the memory. A limit is for the detector's own device."""
        if self.band_rows is not None:
            return self.band_rows
        config, multiple = looks.first.config, looks.size_multiple
        budget = working_bytes(looks.device, self.max_memory_bytes if looks is self.looks else None, sharers)
        if looks.device.type == "cpu":
            kept = MASK_BYTES_PER_PX + (0 if looks.second is None else OPINION_BYTES_PER_PX)
            budget -= kept * height * width
        per_row = 4 * config.base * width // config.fold
        rows = (budget // per_row - waiting_rows(config)) // BAND_COPIES
        if looks.device.type == "cpu":
            rows = min(rows, BAND_POSITIONS * config.fold // width)
        return max(rows * config.fold // multiple, 1) * multiple


def _made_ready(network: Network, device: torch.device) -> Network:
    return fold_batch_norms(network).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
