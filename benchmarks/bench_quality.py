"""How good restored photos are, next to the aged ones and to OpenCV's classical way.

Ages clean photos as `oldphoto degrade` does, restores them without being given the mask, and compares with the clean
photos by PSNR and SSIM; the same for OpenCV's fastNlMeansDenoisingColored followed by Telea inpainting on the mask that
our detector found. Also: how much damage was found (F1 at the threshold, ROC AUC), and what becomes of the clean photos
themselves ("do no harm").
Run: python benchmarks/bench_quality.py CLEAN_FOLDER [--recipe published] [--model auto] [--seed 0] [--limit N]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import torch

from restore_cli import Restorer, ScratchDetector, __version__, imaging
from restore_cli.training.ageing import rng_for, to_rgb8
from restore_cli.training.metrics import detection_scores, psnr_db, ssim
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.recipes import by_name
from restore_cli.training.synthesis import age

THRESHOLD = 0.4


def by_opencv(aged: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Denoise with OpenCV's default strength of 10, then fill the mask."""
    denoised = cv2.fastNlMeansDenoisingColored(aged, None, 10, 10, 7, 21)
    return cv2.inpaint(denoised, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean", type=Path)
    parser.add_argument("--recipe", default="published")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--damage", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    detector = ScratchDetector.load(options.model)
    restorer = Restorer.load(options.model)
    outlines = DamageOutlines.load(options.damage) if options.damage else None
    rows: dict[str, list[float]] = {}
    probabilities, truths = [], []
    files = sorted(p for p in options.clean.rglob("*") if imaging.format_of_suffix(p.suffix))[: options.limit]
    for path in files:
        clean = to_rgb8(imaging.read(path))
        aged = age(clean, rng_for(path.stem, options.seed), by_name(options.recipe), outlines)
        probability = detector.probability(aged.image)
        found = probability >= THRESHOLD
        probabilities.append(probability[::2, ::2].ravel())
        truths.append(aged.mask[::2, ::2].ravel())
        sound = restorer.restore(clean)
        candidates = {
            "input": (aged.image, aged.target),
            "opencv": (by_opencv(aged.image, found), aged.target),
            "oldphoto": (restorer.restore(aged.image, found).image, aged.target),
            "clean_restored": (sound.image, clean),
        }
        for name, (picture, target) in candidates.items():
            rows.setdefault(f"{name}_psnr_db", []).append(min(psnr_db(picture, target), 99.0))
            rows.setdefault(f"{name}_ssim", []).append(ssim(picture, target))
        rows.setdefault("clean_called_damaged", []).append(sound.damaged_fraction)
        print(path.name, {key: round(values[-1], 3) for key, values in rows.items()}, flush=True)
    scores = detection_scores(np.concatenate(probabilities), np.concatenate(truths), THRESHOLD)
    figures = {key: round(float(np.mean(values)), 4) for key, values in rows.items()}
    figures |= {"detection_f1": round(scores.f1, 4), "detection_auc": round(scores.auc, 4)}
    facts = {"recipe": options.recipe, "seed": options.seed, "photos": len(files), "model": restorer.model.sha256[:12]}
    print(json.dumps({**facts, **figures, "oldphoto": __version__, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
