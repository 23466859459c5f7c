"""Curves of a run folder as one PNG: each stage's losses, as shares of where they began, and its validation figures.

Run: python benchmarks/plot_training.py RUN OUT.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, LEFT, TOP, LEGEND = 330, 210, 46, 26, 190
COLOURS = (
    (31, 119, 180),
    (214, 39, 40),
    (44, 160, 44),
    (148, 103, 189),
    (255, 127, 14),
    (23, 190, 207),
    (120, 120, 120),
)
TIMES = ("step", "seconds", "waited_seconds")
HIGHEST_SHARE = 1.5  # a KL divergence that begins at nothing would flatten all others
SMOOTHED = 0.15  # share of its points over which a loss is averaged

Curves = dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


def read_curves(log: Path) -> tuple[Curves, Curves]:
    """Losses and validation figures by name, each as steps and values."""
    kinds: tuple[dict[str, list[tuple[int, float]]], ...] = ({}, {})
    for line in log.read_text(encoding="utf-8").splitlines():
        figures = json.loads(line)
        for name in figures.keys() - set(TIMES):
            kinds["seconds" not in figures].setdefault(name, []).append((figures["step"], figures[name]))
    losses, scores = ({n: tuple(np.array(p, float).T) for n, p in sorted(kind.items())} for kind in kinds)
    return {name: _as_share(*curve) for name, curve in losses.items()}, scores


def _as_share(
    steps: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    window = max(1, round(SMOOTHED * len(values)))
    smooth = np.convolve(values, np.ones(window) / window, mode="valid")
    return steps[window - 1 :], (smooth / max(1e-9, abs(smooth[0]))).clip(max=HIGHEST_SHARE)


def draw(title: str, curves: Curves) -> NDArray[np.uint8]:
    """One panel with its legend."""
    panel = np.full((HEIGHT + 2 * TOP, LEFT + WIDTH + LEGEND, 3), 255, np.uint8)
    values = np.concatenate([values for _, values in curves.values()])
    low, high = float(values.min()), float(values.max())
    last = max(float(steps[-1]) for steps, _ in curves.values())
    cv2.rectangle(panel, (LEFT, TOP), (LEFT + WIDTH, TOP + HEIGHT), (170, 170, 170), 1)
    _write(panel, title, (LEFT, TOP - 8))
    _write(panel, f"{high:.3g}", (2, TOP + 10))
    _write(panel, f"{low:.3g}", (2, TOP + HEIGHT))
    _write(panel, f"{last:.0f} steps", (LEFT + WIDTH - 70, TOP + HEIGHT + 16))
    for number, (name, (steps, heights)) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        across = LEFT + WIDTH * steps / last
        up = TOP + HEIGHT * (1 - (heights - low) / max(1e-9, high - low))
        points = np.rint(np.stack([across, up], 1)).astype(np.int32)
        cv2.polylines(panel, [points.reshape(-1, 1, 2)], False, colour, 1 + (number < len(COLOURS)), cv2.LINE_AA)
        _write(panel, name, (LEFT + WIDTH + 8, TOP + 12 + 17 * number), colour)
    return panel


def _write(panel: NDArray[np.uint8], text: str, at: tuple[int, int], colour: tuple[int, int, int] = (0, 0, 0)) -> None:
    cv2.putText(panel, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    rows = []
    for log in sorted(options.run.glob("*.log.jsonl")):
        stage = log.name.split(".")[0]
        losses, scores = read_curves(log)
        # Sound photos come back so much better than aged ones that the curves of these would be flat lines.
        decibels = {n: curve for n, curve in scores.items() if n.endswith("_db") and not n.startswith("sound")}
        shown = decibels or {name: curve for name, curve in scores.items() if not name.endswith("damaged")}
        panels = (draw(f"{stage}: losses, as shares of the first", losses), draw(f"{stage}: validation", shown))
        rows.append(np.concatenate(panels, axis=1))
    cv2.imwrite(str(options.out), cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
