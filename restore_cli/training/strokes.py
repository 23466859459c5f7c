"""Procedural outlines of damage, drawn into an opacity canvas.

A canvas is uint8 (H, W), 0 sound and 255 opaque; `scale` enlarges all lengths. Points are (N, 2) float64, x before y.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.uint8]
Points = NDArray[np.float64]

SUBPIXEL_BITS = 4  # coordinates are drawn to 1/16 pixel


def draw_line(canvas: Canvas, points: Points, width_px: float, value: int = 255) -> None:
    """A polyline. Below one pixel it becomes fainter instead of thinner."""
    value = round(value * min(1.0, 0.35 + 0.65 * width_px))
    corners = _fixed(points).reshape(-1, 1, 2)
    cv2.polylines(canvas, [corners], False, value, max(1, round(width_px)), cv2.LINE_AA, SUBPIXEL_BITS)


def fill(canvas: Canvas, points: Points, value: int = 255) -> None:
    """A filled polygon."""
    cv2.fillPoly(canvas, [_fixed(points)], value, cv2.LINE_AA, SUBPIXEL_BITS)


def dot(canvas: Canvas, centre: Points, radius_px: float, value: int = 255) -> None:
    """A filled circle."""
    x, y = _fixed(centre).tolist()
    cv2.circle(canvas, (x, y), round(16 * radius_px), value, -1, cv2.LINE_AA, SUBPIXEL_BITS)


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.rint(points * (1 << SUBPIXEL_BITS)).astype(np.int32)


def scratch(rng: np.random.Generator, size: tuple[int, int], scale: float) -> Points:
    """A nearly straight line, upright more often than not, up to longer than the picture is high."""
    height, width = size
    upright = rng.random() < 0.6
    angle = rng.normal(np.pi / 2, 0.06) if upright else rng.uniform(0, np.pi)
    length = max(size) * (rng.uniform(0.1, 1.6) ** 1.5 if upright else rng.uniform(0.05, 0.8))
    steps = np.linspace(-0.5, 0.5, int(np.clip(length / (8 * scale), 2, 24)))
    bend = rng.normal(0, 0.02) * length * (4 * steps**2) + rng.normal(0, 0.35 * scale, steps.size)
    centre = rng.uniform((0, 0), (width, height))
    along, across = np.array((np.cos(angle), np.sin(angle))), np.array((-np.sin(angle), np.cos(angle)))
    return np.asarray(centre + np.outer(steps * length, along) + np.outer(bend, across))


def crack(rng: np.random.Generator, size: tuple[int, int], scale: float) -> list[tuple[Points, float]]:
    """Branching random walks, at most 12, each with its width relative to the trunk, which comes first."""
    height, width = size
    step = 4 * scale
    grown: list[tuple[Points, float]] = []
    waiting = [(rng.uniform((0, 0), (width, height)), rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1.2), 1.0)]
    while waiting and len(grown) < 12:
        start, heading, reach, thickness = waiting.pop(0)
        count = int(np.clip(reach * min(height, width) / step, 3, 80))
        headings = heading + np.cumsum(rng.normal(0, 0.28, count))
        moves = step * rng.uniform(0.5, 1.5, (count, 1)) * _directions(headings)
        path = start + np.cumsum(moves, 0)
        grown.append((path, thickness))
        for _ in range(rng.poisson(1.5 * thickness)):
            at = int(rng.integers(count))
            turn = rng.choice((-1, 1)) * rng.uniform(0.4, 1.3)
            waiting.append((path[at], headings[at] + turn, reach * rng.uniform(0.2, 0.7), thickness * 0.7))
    return grown


def hair(rng: np.random.Generator, size: tuple[int, int], scale: float) -> Points:
    """A smooth curl, 10 to 90 reference pixels long."""
    height, width = size
    count = 16
    turn = np.cumsum(rng.normal(0, 0.10, count)) + rng.normal(0, 0.12)
    headings = rng.uniform(0, 2 * np.pi) + np.cumsum(turn)
    moves = scale * rng.uniform(10, 90) / count * _directions(headings)
    return np.asarray(rng.uniform((0, 0), (width, height)) + np.cumsum(moves, 0))


def blobs(rng: np.random.Generator, centres: Points, radii_px: NDArray[np.float64], roughness: float) -> list[Points]:
    """Closed curves, one around each centre; roughness 0 gives ellipses, 1 ragged patches.

    Drawn together because one blob alone costs as much as twenty.
    """
    count = len(centres)
    corners = int(np.clip(4 * np.max(radii_px, initial=0), 10, 96))
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    orders = np.arange(1, 7)
    waves = rng.normal(0, 0.5 * roughness, (count, 1, 6)) / orders**0.7
    phases = rng.uniform(0, 2 * np.pi, (count, 1, 6))
    wobble = (waves * np.cos(angles[:, None] * orders + phases)).sum(2)
    stretch = np.exp(rng.normal(0, 0.3, (count, 1)))
    turned = angles + rng.uniform(0, 2 * np.pi, (count, 1))
    ellipses = np.stack((stretch * np.cos(turned), np.sin(turned) / stretch), 2)
    return list(centres[:, None] + (radii_px[:, None] * np.exp(wobble))[..., None] * ellipses)


def edge_walk(rng: np.random.Generator, start: Points, end: Points, step_px: float, jitter: float) -> Points:
    """From start to end with sideways steps of about `jitter` times the step: torn paper and folds."""
    way = end - start
    length = float(np.hypot(*way))
    count = int(np.clip(length / step_px, 3, 200))
    share = np.linspace(0, 1, count)
    sideways = np.cumsum(rng.normal(0, jitter * step_px, count))
    sideways -= share * sideways[-1]
    across = np.array((-way[1], way[0])) / max(length, 1e-6)
    return np.asarray(start + np.outer(share, way) + np.outer(sideways, across))


def smooth_field(rng: np.random.Generator, size: tuple[int, int], cell_px: float) -> NDArray[np.float32]:
    """(H, W) float32 in [0, 1] that varies over about `cell_px`."""
    height, width = size
    grid = (int(height / cell_px) + 2, int(width / cell_px) + 2)
    values = rng.random(grid, dtype=np.float32)
    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _directions(headings: NDArray[np.float64]) -> Points:
    return np.stack((np.cos(headings), np.sin(headings)), 1)
