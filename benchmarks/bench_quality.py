"""How good restored photos are, next to the aged ones and to OpenCV's classical way.

Ages clean photos as `oldphoto degrade` does, restores them without being given the mask, and compares with the clean
photos by PSNR and SSIM; the same for OpenCV's fastNlMeansDenoisingColored followed by Telea inpainting on the mask that
our detector found. Also: how much damage was found (F1 at the threshold, ROC AUC), and what becomes of the clean photos
themselves ("do no harm"). With --enlarge 3 everything is seen as a scan of three times the resolution would show it.
Run: python benchmarks/bench_quality.py CLEAN_FOLDER [--recipe published] [--model auto] [--precision auto] [--seed 0]
     [--limit N]
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


def enlarged(picture: np.ndarray, factor: float) -> np.ndarray:
    """(H, W, 3) uint8 or an (H, W) mask at `factor` times its size."""
    if factor == 1:
        return picture
    levels = np.asarray(255 * picture if picture.dtype == bool else picture, np.uint8)
    larger = np.asarray(cv2.resize(levels, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC))
    return larger > 127 if picture.dtype == bool else larger


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean", type=Path)
    parser.add_argument("--recipe", default="published")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--damage", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--enlarge", type=float, default=1.0)
    options = parser.parse_args()
    detector = ScratchDetector.load(options.model, precision=options.precision)
    restorer = Restorer.load(options.model, precision=options.precision)
    outlines = DamageOutlines.load(options.damage) if options.damage else None
    rows: dict[str, list[float]] = {}
    probabilities, truths = [], []
    files = sorted(p for p in options.clean.rglob("*") if imaging.format_of_suffix(p.suffix))[: options.limit]
    for path in files:
        clean = to_rgb8(imaging.read(path))
        aged = age(clean, rng_for(path.stem, options.seed), by_name(options.recipe), outlines)
        image, target, mask, clean = (
            enlarged(picture, options.enlarge) for picture in (aged.image, aged.target, aged.mask.astype(bool), clean)
        )
        probability = detector.probability(image)
        found = probability >= THRESHOLD
        probabilities.append(probability[::2, ::2].ravel())
        truths.append(mask[::2, ::2].ravel())
        sound = restorer.restore(clean)
        candidates = {
            "input": (image, target),
            "opencv": (by_opencv(image, found), target),
            "oldphoto": (restorer.restore(image, found).image, target),
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
    facts = {
        "recipe": options.recipe,
        "seed": options.seed,
        "photos": len(files),
        "enlarge": options.enlarge,
        "precision": options.precision,
        "model": restorer.model.sha256[:12],
    }
    print(json.dumps({**facts, **figures, "oldphoto": __version__, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
