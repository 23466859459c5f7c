"""How many training samples a second one CPU core ages.

Counts the process's own CPU time, so that other work on the machine does not show.
Run: python benchmarks/bench_synthesis.py [--damage DIR] [--side 160]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time

import cv2
import numpy as np

from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.recipes import RECIPES, Recipe
from restore_cli.training.synthesis import age

WARM_UP, SAMPLES = 50, 300


def milliseconds_each(recipe: Recipe, side_px: int, outlines: DamageOutlines | None) -> list[float]:
    """CPU time of each sample after the warm-up."""
    noise = np.random.default_rng(0).uniform(20, 235, (12, 12, 3)).astype(np.float32)
    clean = np.rint(cv2.resize(noise, (side_px, side_px), interpolation=cv2.INTER_LINEAR)).astype(np.uint8)
    spent = []
    for number in range(WARM_UP + SAMPLES):
        start = time.process_time()
        aged = age(clean, np.random.default_rng(number), recipe, outlines)
        spent.append(1000 * (time.process_time() - start))
        assert aged.image.shape == clean.shape
    return spent[WARM_UP:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--damage")
    parser.add_argument("--side", type=int, default=160, help="pixels")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    outlines = DamageOutlines.load(options.damage) if options.damage else None
    figures = {}
    for name, recipe in RECIPES.items():
        spent = milliseconds_each(recipe, options.side, outlines)
        figures[name] = round(1000 / statistics.mean(spent))
        print(f"{name:10} {statistics.mean(spent):6.2f} ms mean, {statistics.median(spent):6.2f} ms median")
    versions = {"python": platform.python_version(), "numpy": np.__version__, "opencv": cv2.__version__}
    print(json.dumps({"samples_per_cpu_second": figures, "side_px": options.side, **versions}))


if __name__ == "__main__":
    main()
