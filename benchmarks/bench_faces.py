"""Do faces go back to where they came from? A generator that changes nothing shows what the way there and back does.

    python benchmarks/bench_faces.py PHOTO_OR_FOLDER... [--detector YUNET.onnx] [--sheet FILE.png]

For each face: by how many of 255 levels the photo differs afterwards, inside the square on average and outside at most;
and what a trip through the square alone costs (the face cut out and laid over the photo, as the released code does).
The sheet shows, for looking at, each face as it was; its aligned square with crosses where the template has eyes, nose
and mouth; and the photo after a generator that draws those crosses. Exits with 1 where the promise is broken.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restore_cli import imaging, weights
from restore_cli.errors import PhotoUnreadable
from restore_cli.restoration.faces.alignment import TEMPLATE, Alignment, align
from restore_cli.restoration.faces.detection import FaceDetector
from restore_cli.restoration.faces.restorer import FaceRestorer
from restore_cli.restoration.faces.warping import cut_out, lay_over

INSIDE_LEVELS = 2.0
"""Allowed mean difference inside faces; outside none is."""
TILE_PX = 192
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Figures:
    """One photo's differences, in levels of 255."""

    photo: str
    faces: int
    inside_mean: float
    outside_most: float
    trip_mean: float
    """Of a face cut out and laid over the photo; the larger a face, the more the square of 256 px loses of it."""

    @property
    def is_kept(self) -> bool:
        return self.inside_mean < INSIDE_LEVELS and self.outside_most == 0


def unchanged(faces: Tensor) -> Tensor:
    return faces


def with_crosses(faces: Tensor) -> Tensor:
    """Where the template has the five landmarks."""
    side = faces.shape[-1]
    marked = faces.clone()
    for x, y in (TEMPLATE * side).round().astype(int).tolist():
        marked[:, :, y - 1 : y + 2, x - 9 : x + 10] = 1
        marked[:, :, y - 9 : y + 10, x - 1 : x + 2] = 1
    return marked


def measure(name: str, image: Image, detector: FaceDetector) -> tuple[Figures, list[Alignment]]:
    refined, records = FaceRestorer(detector, {256: unchanged}).refine(image)
    difference = np.abs(refined.astype(int) - image)
    found = zip(detector.find(image), records, strict=True)
    squares = [align(face.points, 256) for face, record in found if record.action == "refined"]
    inside = np.zeros(image.shape[:2], bool)
    trips = []
    for square in squares:
        box = square.box(image.shape)
        covered = lay_over(np.ones((256, 256), np.float32), square, box, bicubic=False) > 0
        inside[box.slices] |= covered
        laid = lay_over(cut_out(image, square), square, box, bicubic=True) * 255
        trips.append(float(np.abs(laid - image[box.slices])[covered].mean()))
    return Figures(
        name,
        len(squares),
        float(difference[inside].mean()) if squares else 0.0,
        float(difference[~inside].max(initial=0)),
        float(np.mean(trips)) if trips else 0.0,
    ), squares


def tiles(image: Image, squares: Sequence[Alignment], detector: FaceDetector) -> Iterator[Image]:
    """A row for each face."""
    marked, _ = FaceRestorer(detector, {256: with_crosses}).refine(image)
    for square in squares:
        crop = square.box(image.shape).grown(8, *image.shape[:2]).slices
        aligned = torch.from_numpy(cut_out(image, square)).permute(2, 0, 1)[None] * 2 - 1
        seen = ((with_crosses(aligned)[0].permute(1, 2, 0).numpy() + 1) * 127.5).astype(np.uint8)
        row = [cv2.resize(part, (TILE_PX, TILE_PX)) for part in (image[crop], seen, marked[crop])]
        yield np.concatenate(row, axis=1).astype(np.uint8)


def photos_of(paths: Sequence[Path]) -> Iterator[tuple[str, Image]]:
    for path in paths:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            try:
                pixels = imaging.read(file).pixels
            except PhotoUnreadable:
                continue
            eight_bit = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
            yield file.name, np.ascontiguousarray(np.broadcast_to(eight_bit, (*pixels.shape[:2], 3)))


def write_sheet(path: Path, rows: Sequence[Image], columns: int = 3) -> None:
    empty = np.zeros_like(rows[0])
    padded = [*rows, *[empty] * (-len(rows) % columns)]
    lines = [np.concatenate(padded[n : n + columns], axis=1) for n in range(0, len(padded), columns)]
    imaging.write(imaging.Photo(np.concatenate(lines), None, imaging.Carried()), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--detector", type=Path, default=weights.face_detector_path())
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    if options.detector is None:
        sys.exit("no face detector: give --detector, or run `oldphoto weights download face-detector`")
    detector = FaceDetector(options.detector)
    figures, rows = [], []
    for name, image in photos_of(options.photos):
        measured, squares = measure(name, image, detector)
        figures.append(measured)
        if measured.faces or not measured.is_kept:
            print(
                f"{name:24} {measured.faces:2} faces  inside {measured.inside_mean:.4f}  outside "
                f"{measured.outside_most:.0f}  trip {measured.trip_mean:.2f}",
                flush=True,
            )
        if options.sheet:
            rows += tiles(image, squares, detector)
    if options.sheet and rows:
        write_sheet(options.sheet, rows)
    summary = {
        "photos": len(figures),
        "faces": sum(f.faces for f in figures),
        "inside_mean_worst": max((f.inside_mean for f in figures), default=0),
        "outside_most": max((f.outside_most for f in figures), default=0),
        "trip_mean_worst": max((f.trip_mean for f in figures), default=0),
        "opencv": cv2.__version__,
        "python": platform.python_version(),
    }
    print(json.dumps({"benchmark": "faces", **summary}))
    sys.exit(0 if all(f.is_kept for f in figures) else 1)


if __name__ == "__main__":
    main()
