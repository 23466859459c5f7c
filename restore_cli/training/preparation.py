"""What happens to an aged crop before the encoder sees it, in training as in use: its mask, its tones, its holes."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from restore_cli import imaging
from restore_cli.networks import ScratchUNet, SecondLook, ToneNet
from restore_cli.networks.inputs import as_detector_sees, paint_damage
from restore_cli.networks.second_look import FARTHER_DOUBT, SEEN_ONCE_DOUBT, believed, evidence_of, octaves
from restore_cli.networks.tone import correct, thumbnail
from restore_cli.training import chance
from restore_cli.training.data import to_tensor
from restore_cli.training.stage import Batch

THRESHOLD = 0.4
"""From which probability on the detector's word is taken, as by default in use."""


class Preparation:
    """Masks by the detector and tones by the tone network, where there are such; damage filled or painted white."""

    def __init__(
        self,
        *,
        detector: ScratchUNet | None,
        second_look: SecondLook | None = None,
        tone: ToneNet | None,
        fills: bool,
        margin_px: int,
    ) -> None:
        """second_look: at whole photos. fills: give the mapping a guess where damage is. margin_px: what of
        "surroundings" lies outside the crop.
        """
        self.detector, self.second_look, self.tone = detector, second_look, tone
        self.fills, self.margin_px = fills, margin_px

    def training_mask(self, batch: Batch, *, share: float, threshold: tuple[float, float], seed: int) -> Tensor:
        """The true mask (B, 1, S, S), or for a share of the samples what is detected at a threshold drawn for each."""
        mask = batch["mask"]
        detected = round(share * mask.shape[0])
        if not detected or self.detector is None:
            return mask
        low, high = threshold
        with torch.no_grad():
            probability = damage_probability(self.detector, batch["aged"][:detected])
        drawn = chance.uniform(batch["number"][:detected], (1, 1, 1), seed=seed, purpose=0)
        threshold_of_each = low + (high - low) * drawn.to(mask.device)
        return torch.cat([(probability > threshold_of_each).to(mask.dtype), mask[detected:]])

    def mask_in_use(self, aged: Tensor, mask: Tensor) -> Tensor:
        """The detected mask, or the true one, (B, 1, H, W), where there is no detector."""
        if self.detector is None:
            return mask
        return (damage_probability(self.detector, aged, self.second_look) > THRESHOLD).to(aged.dtype)

    def shown(self, batch: Batch, mask: Tensor) -> Tensor:
        """What of "aged" the encoder gets, (B, 3, S, S) in [-1, 1], in the tones that "surroundings" or itself ask for.

        Damage is filled first where the mapping wants a guess, or painted white last.
        """
        aged = batch["aged"]
        shown = self._with_tone(fill_damage(aged, mask) if self.fills else aged, batch, mask)
        return shown if self.fills else paint_damage(shown, mask)

    def _with_tone(self, shown: Tensor, batch: Batch, mask: Tensor) -> Tensor:
        if self.tone is None:
            return shown
        margin = self.margin_px if "surroundings" in batch else 0
        side = self.tone.config.thumbnail
        small = batch["surroundings"] if margin else thumbnail(batch["aged"], shown, mask, side)
        height, width = (side + 2 * margin for side in shown.shape[2:])
        with torch.no_grad():
            return correct(shown, self.tone(small), top=margin, left=margin, height=height, width=width)


def damage_logits(detector: ScratchUNet, aged: Tensor, second_look: SecondLook | None = None) -> Tensor:
    """(B, 1, H, W) for crops (B, 3, H, W) in [-1, 1], mirrored up to a size that the networks take.

    second_look: looks at each crop as at a whole photo. Only it learns from the result, not the detector.
    """
    if second_look is not None:
        return octave_logits(detector, aged, second_look)[0]
    sizes = detector.config
    photo = _mirrored(aged, multiple=sizes.size_multiple, smallest=sizes.smallest_px)
    logits: Tensor = detector(as_detector_sees(photo, sizes.colours))
    return logits[..., : aged.shape[2], : aged.shape[3]]


def octave_logits(
    detector: ScratchUNet, aged: Tensor, second_look: SecondLook, count: int | None = None
) -> list[Tensor]:
    """`damage_logits` of crops as both looks have them, and of those half as large, and so on: nearest first.

    count: of octaves; by default as many as photos of that size have.
    """
    photos = [aged]
    while len(photos) < (count or octaves(*aged.shape[2:])):
        photos.append(F.avg_pool2d(photos[-1], 2))
    found: list[Tensor] = []
    for photo in reversed(photos):
        doubt = 0.0 if photo is aged else FARTHER_DOUBT
        found.insert(0, _look_twice(detector, second_look, photo, found[0] if found else None, doubt))
    return found if len(found) > 1 else [found[0] - SEEN_ONCE_DOUBT]


def _look_twice(
    detector: ScratchUNet, second_look: SecondLook, whole: Tensor, farther: Tensor | None, doubt: float
) -> Tensor:
    height, width = whole.shape[2:]
    sizes = (detector.config, second_look.config)
    multiple = math.lcm(*(size.size_multiple for size in sizes))
    photo = _mirrored(whole, multiple=multiple, smallest=max(size.smallest_px for size in sizes))
    if farther is not None:
        below, right = photo.shape[2] // 2 - farther.shape[2], photo.shape[3] // 2 - farther.shape[3]
        farther = F.pad(farther, (0, right, 0, below), mode="replicate")
    with torch.no_grad():
        logits = detector(as_detector_sees(photo, detector.config.colours)).float() - doubt
        evidence = evidence_of(whole, believed(logits, farther)[..., : height // 2, : width // 2])
    again: Tensor = second_look(photo, logits, evidence, farther)
    return again[..., :height, :width]


def _mirrored(aged: Tensor, *, multiple: int, smallest: int) -> Tensor:
    """Crops with what lies beyond their lower and right edges, up to sides that are multiples and large enough."""
    height, width = aged.shape[2:]
    sides = (max(-(-side // multiple) * multiple, smallest) for side in (height, width))
    rows, columns = (
        torch.from_numpy(np.pad(np.arange(here), (0, side - here), mode="reflect"))
        for here, side in zip((height, width), sides, strict=True)
    )
    return aged[:, :, rows[:, None], columns]


def damage_probability(detector: ScratchUNet, aged: Tensor, second_look: SecondLook | None = None) -> Tensor:
    """`damage_logits` as probabilities in [0, 1]."""
    return damage_logits(detector, aged, second_look).sigmoid()


def fill_damage(aged: Tensor, mask: Tensor) -> Tensor:
    """Crops (B, 3, S, S) in [-1, 1] with the damage of (B, 1, S, S) filled from its surroundings, as restoring does."""
    filled = []
    for image, damage in zip(aged.cpu(), mask.cpu(), strict=True):
        pixels = image.add(1).mul(127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
        guess = imaging.fill_from_surroundings(pixels, damage[0].numpy() > 0.5)
        filled.append(to_tensor(np.asarray(guess, np.uint8)))
    return torch.stack(filled).to(aged.device)
