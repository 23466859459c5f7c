"""Contact sheets: a row for each validation photo, with what went in, the mask, what came out and what should have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from restore_cli import imaging
from restore_cli.imaging import Carried, Photo

Pixels = NDArray[np.uint8]
Row = Mapping[str, Tensor]
"""Column name to a picture: (3, H, W) in [-1, 1], or (1, H, W) in [0, 1] for a mask or a probability."""

ROWS = 6
"""Photos on a sheet."""
GAP_PX, TITLE_PX = 6, 22


def draw_sheet(rows: Sequence[Row]) -> Pixels:
    """(H, W, 3): the rows below one another, under the names of their columns. All have the same columns."""
    lines = [_line([_pixels(picture) for picture in row.values()]) for row in rows]
    width = max(line.shape[1] for line in lines)
    sheet = [_titles(list(rows[0]), [picture.shape[-1] for picture in rows[0].values()], width)]
    for line in lines:
        sheet.append(np.pad(line, ((0, GAP_PX), (0, width - line.shape[1]), (0, 0)), constant_values=255))
    return np.concatenate(sheet)


def write_sheet(rows: Sequence[Row], path: Path) -> None:
    """As PNG, whole or not at all. Raises PhotoUnwritable."""
    imaging.write(Photo(draw_sheet(rows), None, Carried(format="png")), path, format="png")


def _pixels(picture: Tensor) -> Pixels:
    values = picture.detach().float().cpu()
    levels = values.mul(255) if values.shape[0] == 1 else values.add(1).mul(127.5)
    pixels = levels.round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))  # type: ignore[return-value]


def _line(pictures: Sequence[Pixels]) -> Pixels:
    height = max(picture.shape[0] for picture in pictures)
    padded = [
        np.pad(picture, ((0, height - picture.shape[0]), (0, GAP_PX), (0, 0)), constant_values=255)
        for picture in pictures
    ]
    return np.concatenate(padded, axis=1)


def _titles(names: Sequence[str], widths: Sequence[int], width: int) -> Pixels:
    strip = np.full((TITLE_PX, width, 3), 255, np.uint8)
    left = 0
    for name, column in zip(names, widths, strict=True):
        cv2.putText(strip, name, (left + 2, TITLE_PX - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        left += column + GAP_PX
    return strip
