"""Procedural outlines of damage, drawn into an opacity canvas.

A canvas is uint8 (H, W), 0 sound and 255 opaque; `scale` enlarges all lengths. Drawing is antialiased with coordinates in
1/16 pixel.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.uint8]
Points = NDArray[np.float64]

SUBPIXEL_BITS = 4


def draw_line(canvas: Canvas, points: Points, width_px: float, value: int = 255) -> None:
    """A polyline through (N, 2) points x, y. Below one pixel it becomes fainter instead of thinner."""
    value = round(value * min(1.0, 0.35 + 0.65 * width_px))
    cv2.polylines(
        canvas, [_fixed(points)], False, value, max(1, round(width_px)), lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS
    )


def fill(canvas: Canvas, points: Points, value: int = 255) -> None:
    """A filled polygon of (N, 2) points x, y."""
    cv2.fillPoly(canvas, [_fixed(points)], value, lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS)


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.rint(points * (1 << SUBPIXEL_BITS)).astype(np.int32).reshape(-1, 1, 2)


def scratch(rng: np.random.Generator, size: tuple[int, int], scale: float) -> Points:
    """A nearly straight line, upright more often than not, of any length up to the whole height."""
    height, width = size
    upright = rng.random() < 0.6
    angle = rng.normal(np.pi / 2, 0.06) if upright else rng.uniform(0, np.pi)
    length = (
        rng.uniform(0.1, 1.6) ** 1.5 * max(height, width) if upright else rng.uniform(0.05, 0.8) * max(height, width)
    )
    steps = np.linspace(-0.5, 0.5, max(2, min(24, int(length / (8 * scale)))))
    bend = rng.normal(0, 0.02) * length * (4 * steps**2) + rng.normal(0, 0.35 * scale, steps.size)
    centre = rng.uniform((0, 0), (width, height))
    along, across = np.array((np.cos(angle), np.sin(angle))), np.array((-np.sin(angle), np.cos(angle)))
    return centre + np.outer(steps * length, along) + np.outer(bend, across)


def crack(rng: np.random.Generator, size: tuple[int, int], scale: float) -> list[tuple[Points, float]]:
    """Branching random walks with their relative widths, the trunk first."""
    height, width = size
    grown: list[tuple[Points, float]] = []
    waiting = [(rng.uniform((0, 0), (width, height)), rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.9), 1.0)]
    while waiting and len(grown) < 12:
        start, heading, reach, thickness = waiting.pop(0)
        step = 4 * scale
        count = max(3, min(80, int(reach * min(height, width) / step)))
        headings = heading + np.cumsum(rng.normal(0, 0.28, count))
        moves = step * rng.uniform(0.5, 1.5, count)[:, None] * np.stack((np.cos(headings), np.sin(headings)), 1)
        path = start + np.cumsum(moves, 0)
        grown.append((path, thickness))
        for _ in range(rng.poisson(1.5 * thickness)):
            at = int(rng.integers(count))
            turn = rng.choice((-1, 1)) * rng.uniform(0.4, 1.3)
            waiting.append((path[at], headings[at] + turn, reach * rng.uniform(0.2, 0.7), thickness * 0.7))
    return grown


def hair(rng: np.random.Generator, size: tuple[int, int], scale: float) -> Points:
    """A smooth curl of 10 to 90 pixels."""
    height, width = size
    count = 16
    step = scale * rng.uniform(10, 90) / count
    turn = np.cumsum(rng.normal(0, 0.10, count)) + rng.normal(0, 0.12)
    headings = rng.uniform(0, 2 * np.pi) + np.cumsum(turn)
    moves = step * np.stack((np.cos(headings), np.sin(headings)), 1)
    return rng.uniform((0, 0), (width, height)) + np.cumsum(moves, 0)


def blob(rng: np.random.Generator, centre: Points, radius_px: float, roughness: float) -> Points:
    """A closed curve around `centre`; roughness 0 is an ellipse, 1 is ragged."""
    corners = int(np.clip(4 * radius_px, 10, 96))
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    orders = np.arange(1, 7)
    waves = rng.normal(0, 0.5, 6) * roughness / orders**0.7
    radii = radius_px * np.exp(np.cos(np.outer(angles, orders) + rng.uniform(0, 2 * np.pi, 6)) @ waves)
    stretch = np.exp(rng.normal(0, 0.3))
    turned = angles + rng.uniform(0, 2 * np.pi)
    ellipse = np.stack((stretch * np.cos(turned), np.sin(turned) / stretch), 1)
    return centre + radii[:, None] * ellipse


def edge_walk(rng: np.random.Generator, start: Points, end: Points, step_px: float, jitter: float) -> Points:
    """From start to end with sideways steps: torn paper and folds."""
    way = end - start
    length = float(np.hypot(*way))
    count = max(3, min(200, int(length / step_px)))
    share = np.linspace(0, 1, count)
    sideways = np.cumsum(rng.normal(0, jitter * step_px, count))
    sideways -= share * sideways[-1]
    across = np.array((-way[1], way[0])) / max(length, 1e-6)
    return start + np.outer(share, way) + np.outer(sideways, across)


def smooth_field(rng: np.random.Generator, size: tuple[int, int], cell_px: float) -> NDArray[np.float32]:
    """(H, W) float32 in [0, 1] that varies over about `cell_px`."""
    height, width = size
    grid = (max(2, int(height / cell_px) + 2), max(2, int(width / cell_px) + 2))
    values = rng.random(grid, dtype=np.float32)
    field = cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(field, 0, 1, out=np.asarray(field, np.float32))
