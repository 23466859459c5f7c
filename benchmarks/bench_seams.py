"""Do bands show? A photo in pieces against the same photo in one piece, on real photos.

Photos are reduced to the megapixels given and damaged with outlines (`--damage`, else procedural damage). `released` is
of the released size with random weights (`--blocks N`: with N residual blocks in each of its stacks, where time is
short), in bands whose activations are kept in float32 and in float16; `small` is the bundled model, in a stream of
bands. Beyond 512 x 512 the released non-local block is approximated, in one piece as in pieces. Prints JSON, in grey
levels of 255: mean difference (the bar is 0.5), 99.9th percentile (bar 4), and the mean difference along the borders of
bands, as it is and over that elsewhere (bar 1.1, or below 0.05 as it is, where the ratio is one of roundings).
Run: python benchmarks/bench_seams.py PHOTO... [--damage OUTLINES] [--megapixels 1 4] [--models small released]
     [--keep float32 float16] [--blocks N] > seams.json
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restore_cli import imaging
from restore_cli.networks import MAPPING_SCRATCH, VAE, VAE_RELEASED, Mapping
from restore_cli.networks.attention import PartialNonLocal
from restore_cli.restoration.answers import answer_all
from restore_cli.restoration.bands import banded
from restore_cli.restoration.box import Box
from restore_cli.restoration.layers import Bands, Field
from restore_cli.restoration.model import RestorationModel, Way
from restore_cli.restoration.passes import LATENT_PX, Task, prepare, whole
from restore_cli.restoration.plan import BAND_POSITIONS
from restore_cli.restoration.planes import Shelf
from restore_cli.restoration.way_rows import streamed
from restore_cli.training.ageing import rng_for, to_rgb8
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.recipes import REALISTIC
from restore_cli.training.synthesis import age

CPU = torch.device("cpu")
GREY_LEVELS = 127.5
"""Of one unit in [-1, 1]."""
Pieces = Iterable[tuple[Box, Tensor]]


def released_size(blocks: int | None) -> Way:
    torch.manual_seed(0)
    vae, mapping = VAE_RELEASED, MAPPING_SCRATCH
    if blocks is not None:
        vae, mapping = replace(vae, blocks=blocks), replace(mapping, blocks=blocks, non_local_blocks=blocks)
    networks = [VAE(vae), Mapping(mapping), VAE(vae)]
    for network in networks:
        network.eval().requires_grad_(False)
    return Way(networks[0].encoder, networks[1], networks[2].decoder)  # type: ignore[arg-type]


def as_planned(block: PartialNonLocal, x: Tensor, valid: Tensor) -> Tensor:
    """`PartialNonLocal.ask` of (C, h, w) with the approximation that large photos get, in one band."""
    height, width = valid.shape
    shelf = Shelf(keep="float32", home=CPU, device=CPU)
    source, target = (shelf.plane(x.shape[0], height, width) for _ in range(2))
    source.write(0, x[None])
    one = Bands(latent_rows=height, latent_height=height, device=CPU, dtype=torch.float32)
    return answer_all(block, Field(source), valid, target, one).rows(0, height)[0]


def in_one_piece(task: Task) -> Tensor:
    if task.way.is_local:
        return whole(task)[0]
    with patch.object(PartialNonLocal, "ask", as_planned):
        return whole(task)[0]


def compare(expected: Tensor, pieces: Pieces) -> dict[str, float]:
    """expected: (3, H, W) in [-1, 1]. Rows and columns on either side of a border count as on it."""
    height, width = expected.shape[1:]
    difference = np.full((height, width, 3), np.nan, np.float32)
    border = np.zeros((height, width), bool)
    for box, pixels in pieces:
        rows, columns = box.slices
        there = pixels[0].clamp(-1, 1) - expected[:, rows, columns].clamp(-1, 1)
        difference[box.slices] = GREY_LEVELS * there.abs().permute(1, 2, 0).numpy()
        if box.top > 0:
            border[box.top - 1 : box.top + 1, columns] = True
        if box.left > 0:
            border[rows, box.left - 1 : box.left + 1] = True
    by_pixel = difference.mean(axis=2)
    return {
        "mean_255": float(difference.mean()),
        "p999_255": float(np.quantile(difference, 0.999)),
        "border_255": float(by_pixel[border].mean()),
        "border_over_rest": float(by_pixel[border].mean() / max(by_pixel[~border].mean(), 1e-12)),
    }


def pictures(options: argparse.Namespace) -> Iterator[tuple[str, float, NDArray[np.uint8], NDArray[np.bool_]]]:
    """Name, megapixels, photo and damage."""
    outlines = DamageOutlines.load(options.damage) if options.damage else None
    for path in options.photos:
        full = to_rgb8(imaging.read(path))
        for megapixels in options.megapixels:
            scale = math.sqrt(megapixels * 1e6 / (full.shape[0] * full.shape[1]))
            clean = cv2.resize(
                full, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            )
            aged = age(clean, rng_for(path.stem, 0), replace(REALISTIC, burnt_chance=0.0), outlines)  # type: ignore[arg-type]
            yield path.name, megapixels, aged.image, aged.mask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--damage", type=Path)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 4])
    parser.add_argument("--models", nargs="+", choices=("small", "released"), default=["small", "released"])
    parser.add_argument("--keep", nargs="+", choices=("float32", "float16", "disk"), default=["float32", "float16"])
    parser.add_argument("--blocks", type=int)
    options = parser.parse_args()
    ways = {
        "small": lambda: RestorationModel.load("small", device="cpu", precision="fp32").way("scratch"),
        "released": lambda: released_size(options.blocks),
    }
    cases = []
    for photo, megapixels, image, mask in pictures(options):
        for model in options.models:
            with torch.inference_mode():
                task = prepare(ways[model](), image, mask, device=CPU, dtype=torch.float32)
                expected = in_one_piece(task)
                rows = max(BAND_POSITIONS // (task.padded[1] // 4), 4)
                pieces_of = (
                    {f"stream of {rows} rows": streamed(task, LATENT_PX * rows)}
                    if task.way.is_local
                    else {
                        f"bands of {rows} rows, {keep}": banded(task, Shelf(keep=keep, home=CPU, device=CPU), rows)
                        for keep in options.keep
                    }
                )
                results = {name: compare(expected, pieces) for name, pieces in pieces_of.items()}
            for pieces, figures in results.items():
                case = {"photo": photo, "megapixels": megapixels, "model": model, "pieces": pieces}
                case |= {key: round(value, 5) for key, value in figures.items()}
                case["spread_255"] = round(float(expected.std()) * GREY_LEVELS, 1)
                cases.append(case)
                print(case, file=sys.stderr, flush=True)
    print(json.dumps({"blocks": options.blocks, "cases": cases}, indent=1))


if __name__ == "__main__":
    main()
