"""What the tone network learns from: thumbnails of aged photos whose damage a detector has told."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from restore_cli.networks import ScratchUNet
from restore_cli.networks.tone import thumbnail
from restore_cli.training.data import AgedCrops, Sample
from restore_cli.training.preparation import damage_probability, fill_damage


class DetectedThumbnails(Dataset[Sample]):
    """Aged crops, each standing for a whole photo, shrunk to {"aged", "clean": (3, S, S) in [-1, 1], the mean of what
    is sound, "mask": (1, S, S), the share that is damaged, "surroundings": (7, S, S), see `networks.tone.thumbnail`}.

    What a detector misses is no accident: broad strokes, or all that is faint in a photo. An imitation would spread its
    errors evenly.
    """

    def __init__(
        self,
        crops: AgedCrops,
        detector: ScratchUNet,
        *,
        side: int,
        threshold: tuple[float, float],
        true_share: float,
    ) -> None:
        """side: S. threshold: range of the one drawn for each sample. true_share: how many get the true mask, as by
        `--mask`.
        """
        self.crops, self.cache = crops, crops.cache
        self.detector = detector.cpu().eval()
        self.side, self.threshold, self.true_share = side, threshold, true_share

    @torch.inference_mode()
    def __getitem__(self, index: int) -> Sample:
        sample = self.crops[index]
        aged, mask = sample["aged"][None], sample["mask"][None]
        found = self._found(aged, mask, np.random.default_rng([self.crops.seed, index, 3]))
        shown = thumbnail(aged, fill_damage(aged, found), found, self.side)
        small = {key: sound_means(sample[key][None], mask, self.side)[0] for key in ("aged", "clean")}
        small |= {"mask": F.adaptive_avg_pool2d(sample["mask"], self.side), "surroundings": shown[0]}
        return small | {"number": sample["number"]}

    def _found(self, aged: Tensor, mask: Tensor, rng: np.random.Generator) -> Tensor:
        threshold = float(rng.uniform(*self.threshold))
        if rng.random() < self.true_share:
            return mask
        return (damage_probability(self.detector, aged) > threshold).to(mask.dtype)


def sound_means(picture: Tensor, mask: Tensor, side: int) -> Tensor:
    """(B, C, H, W) shrunk to (B, C, side, side): the mean of what is sound by mask (B, 1, H, W); 0 where nothing is.

    In plain means a hole's rim is half a hole, and the network would learn to darken it.
    """
    sound = F.adaptive_avg_pool2d(1 - mask, side)
    return F.adaptive_avg_pool2d(picture * (1 - mask), side) / sound.clamp_min(1e-4)
