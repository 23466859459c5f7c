"""Scores of restored photos and of found damage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class DetectionScores:
    """How well damage was found."""

    f1: float
    auc: float


def detection_scores(probability: NDArray[np.float32], mask: NDArray[np.bool_], threshold: float = 0.4) -> DetectionScores:
    """F1 at a threshold and the area under the ROC curve. Both arrays flat or of equal shape."""
    probability, mask = probability.ravel(), mask.ravel()
    found = probability > threshold
    hits = float((found & mask).sum())
    f1 = 2 * hits / max(float(found.sum() + mask.sum()), 1.0)
    order = np.argsort(probability, kind="stable")
    ranks = np.empty(order.size)
    ranks[order] = np.arange(1, order.size + 1)
    positive, negative = int(mask.sum()), int((~mask).sum())
    auc = (ranks[mask].sum() - positive * (positive + 1) / 2) / max(positive * negative, 1)
    return DetectionScores(f1, float(auc))
