"""A print that takes local damage and remembers where."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from restore_cli.training import strokes
from restore_cli.training.recipes import CELL_PX, Range, Recipe

Picture = NDArray[np.uint8]
Canvas = NDArray[np.uint8]
Colour = NDArray[np.float64]

PATCH_3X3 = np.ones((3, 3), np.uint8)
MEAN_OF_CHANNELS = np.full((1, 3), 1 / 3, np.float32)


class DamagedPrint:
    """A picture, uint8 (H, W, 3) RGB, that takes damage, with the (H, W) `mask`, 1 where it did.

    The mask has a pixel where damage changed it, mean of the channels, by at least `recipe.visible_step` grey levels
    and more than the grain around it hides, and those beside it that the same damage touched. `scale` enlarges all
    lengths.
    """

    def __init__(self, picture: Picture, rng: np.random.Generator, recipe: Recipe, scale: float) -> None:
        height, width = picture.shape[:2]
        self.picture = picture.copy()
        self.mask: NDArray[np.bool_] = np.zeros((height, width), bool)
        self._visible_step = recipe.visible_step + recipe.hidden_by_grain * _graininess(picture)
        self.rng, self.recipe, self.scale = rng, recipe, scale
        self.height, self.width, self.size = height, width, (height, width)
        self.most_pieces: int | None = None
        """Of each kind of damage; None: what the recipe's rates give."""
        self.cells = height * width / (CELL_PX * scale) ** 2
        # Bare paper is about as light as the lightest tone, and warmer.
        self.paper = rng.uniform(195, 255) * np.array((1.0, rng.uniform(0.95, 1), rng.uniform(0.85, 1)))

    def count(self, rate: Range, most: int) -> int:
        """Pieces of damage, 1 to `most`, at an expected number per cell drawn log-uniformly from `rate`."""
        if self.most_pieces is not None:
            return int(self.rng.integers(1, self.most_pieces + 1))
        expected = self.cells * log_uniform(self.rng, *rate)
        return int(np.clip(self.rng.poisson(expected), 1, most))

    def canvas(self) -> Canvas:
        """A blank opacity canvas, uint8 (H, W)."""
        return np.zeros(self.size, np.uint8)

    def anywhere(self, count: int = 1) -> NDArray[np.float64]:
        """(count, 2) points x, y in the picture."""
        return self.rng.uniform((0, 0), (self.width, self.height), (count, 2))

    def light_or_dark(self) -> Colour:
        """Bare paper, or dirt: (3,) R, G, B of 255."""
        if self.rng.random() < self.recipe.light_share:
            return np.minimum(255, self.paper + self.rng.normal(0, 4))
        return self.rng.uniform(5, 70) * np.array((1.0, 0.95, 0.88))

    def line_width(self, low_px: float, high_px: float) -> float:
        """Width in pixels of a line of low to high reference pixels; large scans have some that are no wider."""
        return float(self.scale ** self.rng.random() * self.rng.uniform(low_px, high_px))

    def softness(self) -> float:
        """Sigma in pixels of the soft edge of thin damage; often none."""
        return float(self.scale * self.rng.choice((0.0, 0.4, 0.6, 0.9)))

    def cover(
        self, canvas: Canvas, colour: Colour, *, soft_px: float, uneven: float = 0.0, opacity: float | None = None
    ) -> None:
        """Paint `colour` at the canvas's opacity times `opacity`, which is drawn from the recipe unless given.

        `soft_px` blurs the edges. More often than not the paint thins in places, to 1 - `uneven` at the thinnest.
        """
        place = self._place(canvas, soft_px)
        if place is not None:
            paint = np.empty_like(self.picture[place])
            paint[:] = np.rint(colour).astype(np.uint8)
            self._blend(place, paint, self._alpha(canvas[place], soft_px, uneven, opacity))

    def tint(
        self, canvas: Canvas, tint: Colour, *, soft_px: float, uneven: float, opacity: float | None = None
    ) -> None:
        """Multiply by `tint`, (3,) of white = 1, at the canvas's opacity; options as for `cover`."""
        place = self._place(canvas, soft_px)
        if place is not None:
            tinted = np.rint(self.picture[place] * tint.astype(np.float32)).astype(np.uint8)
            self._blend(place, tinted, self._alpha(canvas[place], soft_px, uneven, opacity))

    def _place(self, canvas: Canvas, soft_px: float) -> tuple[slice, slice] | None:
        """The rows and columns that a canvas can touch; None for a blank one."""
        left, top, width, height = cv2.boundingRect(canvas)
        if width == 0:
            return None
        reach = round(3 * soft_px + 1)
        rows = slice(max(0, top - reach), min(self.height, top + height + reach))
        return rows, slice(max(0, left - reach), min(self.width, left + width + reach))

    def _alpha(self, canvas: Canvas, soft_px: float, uneven: float, opacity: float | None) -> NDArray[np.float32]:
        if opacity is None:
            opacity = self.rng.uniform(*self.recipe.opacity)
        if soft_px > 0:
            canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), soft_px), np.uint8)
        alpha = canvas * np.float32(opacity / 255)
        if self.rng.random() < 0.6:
            cell_px = self.scale * self.rng.uniform(4, 40)
            alpha *= 1 - np.float32(uneven) * strokes.smooth_field(self.rng, (alpha.shape[0], alpha.shape[1]), cell_px)
        return np.asarray(alpha, np.float32)

    def _blend(self, place: tuple[slice, slice], paint: Picture, alpha: NDArray[np.float32]) -> None:
        before = np.ascontiguousarray(self.picture[place])
        after = cv2.blendLinear(before, paint, 1 - alpha, alpha)
        step = cv2.transform(cv2.absdiff(after, before), MEAN_OF_CHANNELS)
        visible = (step >= self._visible_step[place]).astype(np.uint8)
        beside = np.asarray(cv2.dilate(visible, PATCH_3X3), np.uint8)
        touched = alpha > 0.5 * self.recipe.visible_step / 255
        self.mask[place] |= (beside & touched) | visible > 0
        self.picture[place] = after


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Every factor between low and high is as likely: small things are many, large ones few."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _graininess(picture: Picture) -> NDArray[np.float32]:
    """(H, W): mean distance of the pixels around from their smoothed neighbours, in grey levels."""
    grey = cv2.transform(picture, MEAN_OF_CHANNELS)
    fine = cv2.absdiff(grey, cv2.blur(grey, (3, 3)))
    return np.asarray(cv2.boxFilter(fine, cv2.CV_32F, (15, 15)), np.float32)
