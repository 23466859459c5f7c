"""What the tone network is shown: thumbnails of aged photos whose damage a detector has told."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from restore_cli.networks import ScratchUNet
from restore_cli.networks.tone import thumbnail
from restore_cli.training.data import AgedCrops, Sample
from restore_cli.training.preparation import damage_probability, fill_damage


class DetectedThumbnails(Dataset[Sample]):
    """Aged crops, each standing for a whole photo, with "surroundings", what the tone network is shown: (7, S, S).

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

    @torch.no_grad()
    def __getitem__(self, index: int) -> Sample:
        sample = self.crops[index]
        aged, mask = sample["aged"][None], sample["mask"][None]
        found = self._found(aged, mask, np.random.default_rng([self.crops.seed, index, 3]))
        return sample | {"surroundings": thumbnail(aged, fill_damage(aged, found), found, self.side)[0]}

    def _found(self, aged: Tensor, mask: Tensor, rng: np.random.Generator) -> Tensor:
        threshold = float(rng.uniform(*self.threshold))
        if rng.random() < self.true_share:
            return mask
        return (damage_probability(self.detector, aged) > threshold).to(mask.dtype)
