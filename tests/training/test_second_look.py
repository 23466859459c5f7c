"""What the bundled model's second look is worth."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch
from tests_training_photos import scene

from restore_cli import ScratchDetector
from restore_cli.training.metrics import detection_scores
from restore_cli.training.recipes import REALISTIC
from restore_cli.training.synthesis import age

STREWN = replace(REALISTIC, film_chance=0, loss_chance=1, dust_chance=1, hair_chance=1, light_share=1)
"""Prints with much damage of one make, which is what a second look is for."""


def test_the_bundled_second_look_finds_what_is_broad_on_a_scan_of_high_resolution() -> None:
    """At three times the resolution damage is three times as broad as what the first look was trained with."""
    twice = ScratchDetector.load("small", device="cpu")
    once = ScratchDetector(twice.looks.first, device=torch.device("cpu"))
    scores: dict[str, list[float]] = {"once": [], "twice": []}
    for seed in range(2):
        aged = age(scene(256, 384, seed=seed), np.random.default_rng(seed), STREWN)
        large = cv2.resize(aged.image, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
        broad = cv2.resize(aged.mask.astype(np.uint8), None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST).ravel() > 0
        for name, detector in (("once", once), ("twice", twice)):
            scores[name].append(detection_scores(detector.probability(large).ravel(), broad, 0.4).f1)
    assert np.mean(scores["once"]) < 0.4
    assert np.mean(scores["twice"]) > 0.55


def test_the_bundled_second_look_finds_what_the_first_missed() -> None:
    twice = ScratchDetector.load("small", device="cpu")
    once = ScratchDetector(twice.looks.first, device=torch.device("cpu"))
    prints = [age(scene(320, 480, seed=seed), np.random.default_rng(seed), STREWN) for seed in range(3)]
    masks = np.concatenate([aged.mask.ravel() for aged in prints])
    missed = [
        1 - detection_scores(np.concatenate([d.probability(aged.image).ravel() for aged in prints]), masks).auc
        for d in (once, twice)
    ]
    assert missed[1] < 0.8 * missed[0]
