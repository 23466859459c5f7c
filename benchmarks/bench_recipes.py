"""How hard a recipe is for methods that learn nothing: what its targets, and any figure on it, are to be read against.

Ages clean photos, at most --side pixels long, as `oldphoto degrade` does, and prints as JSON: PSNR and SSIM of what
comes in and of OpenCV's denoising and Telea inpainting with the true mask; share of the photo that is damaged; F1 (best
threshold) and ROC AUC of a top-hat, the larger of the light and the dark one, as a damage detector.
Run: python benchmarks/bench_recipes.py CLEAN_FOLDER [--recipe realistic] [--damage FOLDER] [--side 510] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from restore_cli import imaging
from restore_cli.training.ageing import rng_for, to_rgb8
from restore_cli.training.metrics import detection_scores, psnr_db, ssim
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.recipes import by_name
from restore_cli.training.synthesis import age

TOP_HAT_PX = 17
THRESHOLDS = (0.08, 0.12, 0.16, 0.2, 0.25, 0.3, 0.35, 0.4)


def top_hat(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 to (H, W) float32 in [0, 1]: how far a pixel is lighter or darker than all around it."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (TOP_HAT_PX, TOP_HAT_PX))
    light, dark = (cv2.morphologyEx(grey, way, disc) for way in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT))
    return np.maximum(light, dark).astype(np.float32) / 255


def by_opencv(aged: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Denoise with OpenCV's default strength of 10, then fill the mask."""
    denoised = cv2.fastNlMeansDenoisingColored(aged, None, 10, 10, 7, 21)
    return cv2.inpaint(denoised, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean", type=Path)
    parser.add_argument("--recipe", default="realistic")
    parser.add_argument("--damage", type=Path)
    parser.add_argument("--side", type=int, default=510)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    outlines = DamageOutlines.load(options.damage) if options.damage else None
    rows, found, true = [], [], []
    for path in sorted(p for p in options.clean.rglob("*") if imaging.format_of_suffix(p.suffix)):
        clean = to_rgb8(imaging.read(path))
        share = min(1.0, options.side / max(clean.shape))
        clean = cv2.resize(clean, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        aged = age(clean, rng_for(path.stem, options.seed), by_name(options.recipe), outlines)
        classical = by_opencv(aged.image, aged.mask)
        pictures = (aged.image, classical)
        rows.append([f(p, aged.target) for p in pictures for f in (psnr_db, ssim)] + [aged.mask.mean()])
        found.append(top_hat(aged.image).ravel())
        true.append(aged.mask.ravel())
    names = ("input_psnr_db", "input_ssim", "opencv_psnr_db", "opencv_ssim", "damaged_share")
    figures = dict(zip(names, np.mean(rows, axis=0).round(4).tolist(), strict=True))
    scores = [detection_scores(np.concatenate(found), np.concatenate(true), t) for t in THRESHOLDS]
    figures |= {"top_hat_f1": round(max(s.f1 for s in scores), 4), "top_hat_auc": round(scores[0].auc, 4)}
    print(json.dumps({"recipe": options.recipe, "photos": len(rows), "side": options.side, **figures}))


if __name__ == "__main__":
    main()
