"""What the non-local block's approximation for large photos does to answers and results, against the exact block.

Photos are cut to a square, aged with real damage outlines (`--damage`, else procedural damage) and given to a model of
the released size with random weights. `planned` is what a photo of this size gets; `as at 12 MP` and `as at 100 MP`
have cells as coarse as those photos get. How sharply a softmax picks single positions depends on the weights, so the
scores are also divided by 4 and by 16. Prints JSON:

  answer_error    root mean square error of the block's answers at damaged positions, over their standard deviation
  cpu_s           processor time of the answers
  result_mean_255, damage_mean_255, damage_p999_255, damage_psnr_db
                  with --results: the result against that of the exact block, everywhere and at damaged pixels

and, with --growth, the cost of a position while photos grow.
Run: python benchmarks/bench_attention.py PHOTO... [--damage OUTLINES] [--side 1024] [--results] [--growth]
     > attention.json
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from bench_restore import write_released_size
from numpy.typing import NDArray
from torch import Tensor

from restore_cli import imaging
from restore_cli.networks.attention import PartialNonLocal
from restore_cli.restoration import answers, bands
from restore_cli.restoration.layers import Bands, Field
from restore_cli.restoration.model import RestorationModel
from restore_cli.restoration.passes import Task, prepare
from restore_cli.restoration.pixels import to_unit
from restore_cli.restoration.planes import Plane, Shelf
from restore_cli.training.ageing import rng_for, to_rgb8
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.recipes import REALISTIC
from restore_cli.training.synthesis import age

CPU = torch.device("cpu")
SHELF = Shelf(keep="float32", home=CPU, device=CPU)
BAND_ROWS = 32
EXACT = {"EXACT_PAIRS": 2**62}
SHOWN = ("exact", "planned", "as at 12 MP", "large cells alone")
"""Variants with which photos are restored."""


def variants(positions: int) -> dict[str, dict[str, int]]:
    """Settings of `answers` by name."""
    beyond = {"EXACT_PAIRS": 0}
    most = answers.MOST_FINE_CELLS
    return {
        "exact": EXACT,
        "planned": beyond,
        "planned, reach 0": beyond | {"SHOWN_REACH": 0},
        "planned, reach 6": beyond | {"SHOWN_REACH": 6},
        "as at 12 MP": beyond | {"MOST_FINE_CELLS": min(positions // 16, most), "MOST_CELLS": max(positions // 256, 1)},
        "as at 100 MP": beyond | {"MOST_FINE_CELLS": positions // 256, "MOST_CELLS": max(positions // 4096, 1)},
        "large cells alone": beyond | {"MOST_FINE_CELLS": positions // 256, "MOST_CELLS": positions // 256},
    }


def answered(settings: dict[str, int], block: PartialNonLocal, x: Field, valid: Tensor) -> tuple[Plane, float]:
    """Answers (C, h, w) and the seconds of processor time they took."""
    before = {name: getattr(answers, name) for name in settings}
    height, width = valid.shape
    target = SHELF.plane(x.plane.channels, height, width)
    working = Bands(latent_rows=BAND_ROWS, latent_height=height, device=CPU, dtype=torch.float32)
    for name, value in settings.items():
        setattr(answers, name, value)
    start = time.process_time()
    answers.answer_all(block, x, valid, target, working)
    seconds = time.process_time() - start
    for name, value in before.items():
        setattr(answers, name, value)
    return target, seconds


def restored(task: Task, settings: dict[str, int]) -> NDArray[np.float32]:
    """The result (H, W, 3) in [0, 1]."""

    def ask(block: PartialNonLocal, x: Field, valid: Tensor, target: Plane, _: Bands) -> Field:
        return Field(answered(settings, block, x, valid)[0])

    with patch.object(bands, "answer_all", ask):
        return _put_together(task)


def _put_together(task: Task) -> NDArray[np.float32]:
    result = np.empty((*task.mask.shape, 3), np.float32)
    for box, pixels in bands.banded(task, SHELF, BAND_ROWS):
        result[box.slices] = to_unit(pixels)
    return result


class Asked(Exception):
    """What a photo asks the block."""


def asked(task: Task) -> tuple[PartialNonLocal, Field, Tensor]:
    """The block, its features and the sound positions (h, w)."""

    def ask(block: PartialNonLocal, x: Field, valid: Tensor, *_: object) -> Field:
        raise Asked(block, x, valid)

    with patch.object(bands, "answer_all", ask):
        try:
            _put_together(task)
        except Asked as question:
            return question.args  # type: ignore[return-value]
    raise ValueError("this model has no non-local block")


def compare(task: Task, *, results: bool) -> dict[str, dict[str, float]]:
    """Every variant against the exact block."""
    block, x, valid = asked(task)
    truth, exact, rows = None, None, {}
    for name, settings in variants(valid.numel()).items():
        plane, seconds = answered(settings, block, x, valid)
        found = plane.rows(0, plane.height)[0][:, ~valid]
        truth = found if truth is None else truth
        spread = (truth - truth.mean(dim=1, keepdim=True)).square().mean().sqrt()
        rows[name] = {"answer_error": float((found - truth).square().mean().sqrt() / spread), "cpu_s": seconds}
        del plane
        if results and name in SHOWN:
            result = restored(task, settings)
            exact = result if exact is None else exact
            difference = 255 * np.abs(result - exact)
            rows[name]["result_mean_255"] = float(difference.mean())
            rows[name]["damage_mean_255"] = float(difference[task.mask].mean())
            rows[name]["damage_p999_255"] = float(np.quantile(difference[task.mask], 0.999))
            rows[name]["damage_psnr_db"] = float(
                -10 * np.log10(max(np.square(difference / 255)[task.mask].mean(), 1e-12))
            )
        print(name, rows[name], file=sys.stderr, flush=True)
    return {name: {key: round(value, 4) for key, value in row.items()} for name, row in rows.items()}


def growth(channels: int = 64) -> list[dict[str, float]]:
    """Seconds of processor time a position, at 0.25 to 16 megapixels with 1 position of 20 damaged."""
    torch.manual_seed(0)
    block = PartialNonLocal(channels, blocks=1, norm="instance", scaled=True, window=None).requires_grad_(False)
    rows = []
    for side in (128, 256, 512, 1024):
        plane = SHELF.plane(channels, side, side)
        plane.write(0, torch.randn(1, channels, side, side))
        valid = torch.ones(side, side, dtype=torch.bool)
        valid[:, ::20] = False
        _, seconds = answered({"EXACT_PAIRS": 0}, block, Field(plane), valid)
        rows.append({"megapixels": side**2 * 16 / 1e6, "us_a_position": round(1e6 * seconds / side**2, 1)})
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="*")
    parser.add_argument("--damage", type=Path)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--results", action="store_true")
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--divide-by", type=float, nargs="+", default=[1, 4, 16])
    options = parser.parse_args()
    outlines = DamageOutlines.load(options.damage) if options.damage else None
    cases = []
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        torch.manual_seed(0)
        write_released_size(Path(folder))
        way = RestorationModel.load(folder, device="cpu", precision="fp32").way("scratch")
        block = next(layer for layer in way.mapping.trunk if isinstance(layer, PartialNonLocal))
        for path in options.photos:
            clean = to_rgb8(imaging.read(path))
            top, left = ((side - options.side) // 2 for side in clean.shape[:2])
            clean = np.ascontiguousarray(clean[top : top + options.side, left : left + options.side])
            aged = age(clean, rng_for(path.stem, 0), replace(REALISTIC, burnt_chance=0.0), outlines)
            task = prepare(way, aged.image, aged.mask, device=CPU, dtype=torch.float32)
            for divisor in options.divide_by:
                block.scale = 1 / divisor
                figures = compare(task, results=options.results)
                damaged = round(float(aged.mask.mean()), 4)
                cases.append({"photo": path.name, "scores_over": divisor, "damaged": damaged, "variants": figures})
        grown = growth() if options.growth else None
    print(json.dumps({"side": options.side, "cases": cases, "growth": grown}, indent=1))


if __name__ == "__main__":
    main()
