"""What the tone network learns from: thumbnails of aged photos whose damage a detector has told."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from restore_cli.networks import ScratchUNet
from restore_cli.networks.inputs import as_detector_sees
from restore_cli.networks.tone import thumbnail
from restore_cli.training.data import AgedCrops, Sample
from restore_cli.training.preparation import fill_damage


class DetectedThumbnails(Dataset[Sample]):
    """Aged crops, each standing for a whole photo, shrunk to {"aged", "clean": (3, S, S) in [-1, 1], the mean of what
    is sound, "mask": (1, S, S), the share that is damaged, "surroundings": (7, S, S), see `networks.tone.thumbnail`}.

    What a detector misses is no accident: broad strokes, or all that is faint in a photo. An imitation did not prepare
    the network for it. Detecting takes longer than learning, so that sample i is sample i modulo `distinct`, and the
    process that made it keeps it, in half precision whether it is seen for the first time or again.
    """

    def __init__(
        self,
        crops: AgedCrops,
        detector: ScratchUNet,
        *,
        side: int,
        threshold: tuple[float, float],
        true_share: float,
        distinct: int,
    ) -> None:
        """side: S. threshold: range of the one drawn for each sample. true_share: how many get the true mask, as by
        `--mask`. distinct: different samples; 0: no end, and none is kept.
        """
        self.crops, self.cache = crops, crops.cache
        self.detector = detector.cpu().eval()
        self.side, self.threshold, self.true_share, self.distinct = side, threshold, true_share, distinct
        self._made: dict[int, Sample] = {}

    def __getitem__(self, index: int) -> Sample:
        number = index % self.distinct if self.distinct else index
        halves = self._made.get(number)
        if halves is None:
            halves = {key: value.half() for key, value in self._make(number).items()}
            if self.distinct:
                self._made[number] = halves
        return {key: value.float() for key, value in halves.items()} | {"number": torch.tensor(index)}

    @torch.inference_mode()
    def _make(self, number: int) -> Sample:
        sample = self.crops[number]
        aged, mask = sample["aged"][None], sample["mask"][None]
        found = self._found(aged, mask, np.random.default_rng([self.crops.seed, number, 3]))
        shown = thumbnail(aged, fill_damage(aged, found), found, self.side)
        small = {key: sound_means(sample[key][None], mask, self.side)[0] for key in ("aged", "clean")}
        return {**small, "mask": F.adaptive_avg_pool2d(sample["mask"], self.side), "surroundings": shown[0]}

    def _found(self, aged: Tensor, mask: Tensor, rng: np.random.Generator) -> Tensor:
        threshold = float(rng.uniform(*self.threshold))
        if rng.random() < self.true_share:
            return mask
        logits: Tensor = self.detector(as_detector_sees(aged, self.detector.config.colours))
        return (logits.sigmoid() > threshold).to(mask.dtype)


def sound_means(picture: Tensor, mask: Tensor, side: int) -> Tensor:
    """(B, C, H, W) shrunk to (B, C, side, side): the mean of what is sound by mask (B, 1, H, W); 0 where nothing is.

    In plain means a hole's rim is half a hole, and the network would learn to darken it.
    """
    sound = F.adaptive_avg_pool2d(1 - mask, side)
    return F.adaptive_avg_pool2d(picture * (1 - mask), side) / sound.clamp_min(1e-4)
