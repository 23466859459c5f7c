"""What decades do to the tones of a whole print: loss of contrast, casts, sepia, uneven fading.

Pictures are uint8 (H, W, 3) RGB.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from restore_cli.training.recipes import Recipe

Picture = NDArray[np.uint8]

# Relative response of R, G and B of the commonest aged tints, from yellowed paper to faded magenta colour prints.
CASTS = np.array(
    [
        (1.00, 0.93, 0.62),  # yellowed varnish or paper
        (1.00, 0.82, 0.58),  # brown
        (1.00, 0.78, 0.70),  # red: the cyan dye of chromogenic prints goes first
        (1.00, 0.74, 0.92),  # magenta
        (0.88, 0.95, 1.00),  # cold
        (0.90, 1.00, 0.82),  # green: badly fixed prints
    ]
)
CAST_ODDS = np.array([0.34, 0.28, 0.14, 0.08, 0.08, 0.08])
GREY_CAST_ODDS = np.array([0.5, 0.4, 0.0, 0.0, 0.1, 0.0])  # silver has no dyes to lose; its paper yellows
TONES = np.array([(1.06, 0.98, 0.80), (1.08, 0.96, 0.72), (1.04, 1.00, 0.92), (0.95, 1.00, 1.06)])

RAMP = np.linspace(0, 1, 256)[:, None]  # every grey level as a share of white


def to_grey(picture: Picture) -> Picture:
    """Luma (ITU-R 601) in all three channels."""
    return np.asarray(cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)


def is_grey(picture: Picture) -> bool:
    """Whether the three channels are the same everywhere."""
    red, green, blue = cv2.split(picture)
    return not (cv2.absdiff(red, green).any() or cv2.absdiff(green, blue).any())


def fade(picture: Picture, rng: np.random.Generator, recipe: Recipe, severity: float, *, grey: bool) -> Picture:
    """Raised blacks, lowered whites, another gamma; the three dyes of a colour print fade apart a little."""
    lift = severity * rng.uniform(*recipe.black_lift)
    drop = severity * rng.uniform(*recipe.white_drop)
    gamma = np.exp(severity * rng.uniform(*np.log(recipe.gamma)))
    spread = np.zeros((2, 3)) if grey else severity * rng.normal(0, 0.02, (2, 3))
    low, high = lift + spread[0], 1 - drop + spread[1]
    return apply_curves(picture, low + (high - low) * RAMP**gamma)


def cast(picture: Picture, rng: np.random.Generator, recipe: Recipe, severity: float, *, grey: bool) -> Picture:
    """Multiply by a tint, in all tones or mostly in the light ones (paper)."""
    tint = CASTS[rng.choice(len(CASTS), p=GREY_CAST_ODDS if grey else CAST_ODDS)]
    weight = severity * rng.uniform(*recipe.cast_strength) * RAMP ** rng.uniform(0, 0.8)
    return apply_curves(picture, RAMP * (1 - weight * (1 - tint)))


def tone_grey(picture: Picture, rng: np.random.Generator) -> Picture:
    """Sepia, brown, warm or cold toning of a grey print."""
    tone = TONES[rng.integers(len(TONES))] ** rng.uniform(0.3, 1.4)
    split = rng.uniform(0.0, 0.4)  # toned prints keep neutral whites to some degree
    return apply_curves(picture, RAMP * (1 + (tone - 1) * (1 - split * RAMP)))


def fade_unevenly(picture: Picture, rng: np.random.Generator, recipe: Recipe, severity: float) -> Picture:
    """Brightness that changes smoothly across the print: vignette, light from a side, clouds of fading."""
    height, width = picture.shape[:2]
    strength = severity * rng.uniform(*recipe.uneven_strength)
    if rng.random() < 0.4:
        field = _vignette(rng)
    else:
        field = rng.standard_normal((int(rng.integers(2, 5)), int(rng.integers(2, 5))), dtype=np.float32)
    field /= max(1e-6, float(np.abs(field).max()))
    field = cv2.resize(field * np.float32(strength), (width, height), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        gain = cv2.merge([1 + field] * 3)
        return np.asarray(cv2.multiply(picture, gain, dtype=cv2.CV_8U), np.uint8)
    # Fading towards a paper tone instead: the picture pales where the field is high.
    paper = np.empty_like(picture)
    paper[:] = np.rint(rng.uniform(150, 235) * np.array([1.0, 0.96, 0.86])).astype(np.uint8)
    pale = np.clip(field, 0, 1)
    return np.asarray(cv2.blendLinear(picture, paper, 1 - pale, pale), np.uint8)


def _vignette(rng: np.random.Generator) -> NDArray[np.float32]:
    """(17, 17) squared distance from a point near the middle, negative outwards, sometimes inverted."""
    axis = np.linspace(-1, 1, 17, dtype=np.float32)
    centre = rng.uniform(-0.4, 0.4, 2)
    distance = (axis[:, None] - centre[0]) ** 2 + (axis[None, :] - centre[1]) ** 2
    return np.asarray(distance if rng.random() < 0.25 else -distance, np.float32)


def apply_curves(picture: Picture, curves: NDArray[np.float64]) -> Picture:
    """Map each channel through its column of `curves`, (256, 3) with 1 for white."""
    table = np.clip(np.rint(255 * curves), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, table.reshape(256, 1, 3)), np.uint8)
