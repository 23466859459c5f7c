"""Local damage of the realistic recipe, painted onto a print.

Each kind draws an opacity canvas and a paint; the print then moves towards the paint by that opacity. Pictures are uint8
(H, W, 3) RGB; `scale` enlarges all lengths.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from restore_cli.training import strokes
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.pasting import paste_outline
from restore_cli.training.recipes import CELL_PX, Range, Recipe

Picture = NDArray[np.uint8]
Canvas = NDArray[np.uint8]


class DamagedPrint:
    """A picture that takes damage, and the mask of where it did.

    The mask has a pixel where damage changed it by at least `recipe.visible_step` grey levels in some channel, and the
    pixels beside those that the same damage touched.
    """

    def __init__(self, picture: Picture, rng: np.random.Generator, recipe: Recipe, scale: float) -> None:
        self.picture = picture.copy()
        self.mask: NDArray[np.bool_] = np.zeros(picture.shape[:2], bool)
        self.rng = rng
        self.recipe = recipe
        self.scale = scale
        self.size = (picture.shape[0], picture.shape[1])
        self.cells = picture.shape[0] * picture.shape[1] / (CELL_PX * scale) ** 2
        # Bare paper is lighter and a little warmer than the lightest tone; the dark paint is dirt, ink or a shadow.
        self.paper = rng.uniform(195, 255) * np.array((1.0, rng.uniform(0.95, 1), rng.uniform(0.85, 1)))

    def count(self, rate: Range, at_least: int = 1) -> int:
        """How many pieces of damage at an expected number per cell drawn (log-uniform) from `rate`."""
        return max(at_least, int(self.rng.poisson(self.cells * np.exp(self.rng.uniform(*np.log(rate))))))

    def canvas(self) -> Canvas:
        return np.zeros(self.size, np.uint8)

    def light_or_dark(self) -> NDArray[np.float64]:
        """A paint: bare paper, or dirt."""
        if self.rng.random() < self.recipe.light_share:
            return np.minimum(255, self.paper + self.rng.normal(0, 4))
        return self.rng.uniform(5, 70) * np.array((1.0, 0.95, 0.88))

    def apply(
        self,
        canvas: Canvas,
        paint: NDArray[np.float64] | None = None,
        *,
        tint: NDArray[np.float64] | None = None,
        soft_px: float = 0.0,
        uneven: float = 0.0,
        opacity: float | None = None,
    ) -> None:
        """Move the picture towards `paint` (R, G, B of 255), or towards itself times `tint`, by the canvas's opacity.

        `soft_px` blurs the edges; `uneven` in [0, 1] lets the opacity fall to 1 - uneven in places; `opacity` is drawn from
        the recipe unless given.
        """
        reach = round(3 * soft_px + 1)
        left, top, width, height = cv2.boundingRect(canvas)
        if width == 0:
            return
        rows = slice(max(0, top - reach), min(self.size[0], top + height + reach))
        columns = slice(max(0, left - reach), min(self.size[1], left + width + reach))
        alpha = canvas[rows, columns].astype(np.float32)
        if soft_px > 0:
            alpha = cv2.GaussianBlur(alpha, (0, 0), soft_px)
        if opacity is None:
            opacity = self.rng.uniform(*self.recipe.opacity)
        alpha *= np.float32(opacity / 255)
        if uneven > 0:
            field = strokes.smooth_field(
                self.rng, (alpha.shape[0], alpha.shape[1]), self.scale * self.rng.uniform(4, 40)
            )
            alpha *= 1 - np.float32(uneven) * field
        self._blend(rows, columns, alpha, paint, tint)

    def _blend(
        self,
        rows: slice,
        columns: slice,
        alpha: NDArray[np.float32],
        paint: NDArray[np.float64] | None,
        tint: NDArray[np.float64] | None,
    ) -> None:
        before = self.picture[rows, columns]
        weight = cv2.merge([alpha] * 3)
        if tint is not None:
            change = before * (weight * np.float32(tint - 1))
        else:
            change = weight * (np.float32(paint) - before)
        after = cv2.add(before, change, dtype=cv2.CV_8U)
        step = cv2.absdiff(after, before).max(axis=2)
        visible = (step >= self.recipe.visible_step).astype(np.uint8)
        beside = cv2.dilate(visible, np.ones((3, 3), np.uint8)) > 0
        self.mask[rows, columns] |= beside & (alpha > self.recipe.visible_step / 255 / 2) | (visible > 0)
        self.picture[rows, columns] = after


def damage(
    picture: Picture, rng: np.random.Generator, recipe: Recipe, scale: float, outlines: DamageOutlines | None = None
) -> tuple[Picture, NDArray[np.bool_]]:
    """Each kind of damage with its own chance. Returns the damaged picture and the (H, W) mask, 1 where damaged."""
    print_ = DamagedPrint(picture, rng, recipe, scale)
    kinds: tuple[tuple[float, Callable[[DamagedPrint], None]], ...] = (
        (recipe.stain_chance, add_stains),
        (recipe.fold_chance, add_fold),
        (recipe.crack_chance, add_cracks),
        (recipe.loss_chance, add_losses),
        (recipe.scratch_chance, add_scratches),
        (recipe.dust_chance, add_dust),
        (recipe.hair_chance, add_hairs),
        (recipe.torn_chance, add_torn_corner),
    )
    for chance, add in kinds:
        if rng.random() < chance:
            add(print_)
    if outlines is not None and rng.random() < recipe.outline_chance:
        add_outlines(print_, outlines)
    return print_.picture, print_.mask


def add_scratches(print_: DamagedPrint) -> None:
    """Long thin lines, each group of its own paint, width and softness."""
    rng = print_.rng
    left = print_.count(print_.recipe.scratch_rate)
    while left > 0:
        together = min(left, int(rng.integers(1, 6)))
        canvas = print_.canvas()
        width = print_.scale * rng.choice((0.5, 1, 1, 1.5, 2, 3))
        for _ in range(together):
            strokes.draw_line(
                canvas, strokes.scratch(rng, print_.size, print_.scale), width, int(rng.integers(120, 256))
            )
        print_.apply(canvas, print_.light_or_dark(), soft_px=_softness(print_), uneven=rng.uniform(0, 1))
        left -= max(together, left // 4)


def add_cracks(print_: DamagedPrint) -> None:
    """Branching cracks in the emulsion, light with now and then a dark rim."""
    rng = print_.rng
    canvas = print_.canvas()
    for _ in range(min(40, print_.count(print_.recipe.crack_rate))):
        width = print_.scale * rng.uniform(0.6, 2.2)
        for path, thickness in strokes.crack(rng, print_.size, print_.scale):
            strokes.draw_line(canvas, path, width * thickness)
    if rng.random() < 0.3:
        rim = cv2.dilate(canvas, np.ones((3, 3), np.uint8))
        print_.apply(rim, np.full(3, rng.uniform(10, 80)), soft_px=0.7 * print_.scale, opacity=rng.uniform(0.2, 0.6))
    print_.apply(canvas, print_.light_or_dark(), soft_px=_softness(print_), uneven=rng.uniform(0, 0.7))


def add_fold(print_: DamagedPrint) -> None:
    """A crease right across: a shaded band, and a core where the emulsion broke off in pieces."""
    rng, (height, width) = print_.rng, print_.size
    for _ in range(int(rng.integers(1, 3))):
        along = rng.random() < 0.5
        near, far = np.clip(rng.normal(0.5, 0.2) + rng.normal(0, 0.06, 2), -0.2, 1.2)
        start, end = (
            ((near * width, -2), (far * width, height + 2))
            if along
            else ((-2, near * height), (width + 2, far * height))
        )
        path = strokes.edge_walk(rng, np.array(start, float), np.array(end, float), 3 * print_.scale, 0.06)
        band = print_.canvas()
        strokes.draw_line(band, path, print_.scale * rng.uniform(3, 10))
        print_.apply(
            band,
            np.full(3, rng.choice((10, 245))),
            soft_px=print_.scale * rng.uniform(1.5, 4),
            opacity=rng.uniform(0.05, 0.3),
        )
        core = print_.canvas()
        strokes.draw_line(core, path, print_.scale * rng.uniform(0.6, 2.5))
        broken = rng.uniform(0, 1.6)
        for at in rng.integers(len(path), size=int(broken * len(path) / 4)):
            strokes.fill(core, strokes.blob(rng, path[at], print_.scale * np.exp(rng.uniform(-0.3, 1.6)), 0.5))
        print_.apply(core, print_.paper, soft_px=_softness(print_), uneven=rng.uniform(0, 0.8))


def add_dust(print_: DamagedPrint) -> None:
    """Specks of one to a few pixels."""
    rng, (height, width) = print_.rng, print_.size
    for _ in range(int(rng.integers(1, 3))):
        canvas = print_.canvas()
        for _ in range(min(3000, print_.count(print_.recipe.dust_rate))):
            x, y, radius = rng.uniform(0, width), rng.uniform(0, height), print_.scale * np.exp(rng.uniform(-0.9, 0.9))
            cv2.circle(
                canvas, (int(16 * x), int(16 * y)), int(16 * radius), 255, -1, cv2.LINE_AA, strokes.SUBPIXEL_BITS
            )
        print_.apply(canvas, print_.light_or_dark(), soft_px=_softness(print_), uneven=rng.uniform(0, 1))


def add_hairs(print_: DamagedPrint) -> None:
    """Curled hairs and fibres that lay on the film or the scanner."""
    rng = print_.rng
    canvas = print_.canvas()
    for _ in range(min(300, print_.count(print_.recipe.hair_rate))):
        strokes.draw_line(canvas, strokes.hair(rng, print_.size, print_.scale), print_.scale * rng.uniform(0.5, 1.6))
    print_.apply(canvas, print_.light_or_dark(), soft_px=_softness(print_), uneven=rng.uniform(0, 0.6))


def add_losses(print_: DamagedPrint) -> None:
    """Patches where the emulsion is gone down to the paper."""
    rng, (height, width) = print_.rng, print_.size
    canvas = print_.canvas()
    for _ in range(min(100, print_.count(print_.recipe.loss_rate))):
        radius = print_.scale * np.exp(rng.uniform(np.log(1.5), np.log(14)))
        centre = rng.uniform((0, 0), (width, height))
        strokes.fill(canvas, strokes.blob(rng, centre, radius, rng.uniform(0.2, 0.8)))
    print_.apply(
        canvas,
        print_.light_or_dark(),
        soft_px=_softness(print_),
        uneven=rng.uniform(0, 0.3),
        opacity=rng.uniform(0.7, 1),
    )


def add_stains(print_: DamagedPrint) -> None:
    """Half transparent spots of liquid or foxing, often with a darker rim."""
    rng, (height, width) = print_.rng, print_.size
    tint = np.array((1.0, rng.uniform(0.8, 0.97), rng.uniform(0.5, 0.9))) * rng.uniform(0.45, 0.95)
    canvas = print_.canvas()
    rim = print_.canvas()
    for _ in range(int(rng.integers(1, 4))):
        radius = print_.scale * np.exp(rng.uniform(np.log(4), np.log(60)))
        outline = strokes.blob(rng, rng.uniform((0, 0), (width, height)), radius, rng.uniform(0.1, 0.5))
        strokes.fill(canvas, outline)
        strokes.draw_line(rim, np.vstack((outline, outline[:1])), print_.scale * rng.uniform(1, 4))
    print_.apply(canvas, tint=tint, soft_px=print_.scale * rng.uniform(0.6, 5), uneven=rng.uniform(0.2, 0.9))
    if rng.random() < 0.5:
        print_.apply(
            rim,
            tint=tint,
            soft_px=print_.scale * rng.uniform(0.7, 2),
            uneven=rng.uniform(0, 0.8),
            opacity=rng.uniform(0.2, 0.7),
        )


def add_torn_corner(print_: DamagedPrint) -> None:
    """A corner or a strip of an edge is missing; what lies behind shows, with white torn fibres along the tear."""
    rng, (height, width) = print_.rng, print_.size
    corners = np.array(((0, 0), (width, 0), (width, height), (0, height)), float)
    corner = corners[rng.integers(4)]
    inwards = np.where(corner > 0, -1.0, 1.0)
    first, second = min(height, width) * rng.uniform(0.04, 0.32, 2)
    start, end = corner + (inwards[0] * first, 0), corner + (0, inwards[1] * second)
    outwards = -3 * print_.scale * inwards
    tear = strokes.edge_walk(rng, start, end, 3 * print_.scale, 0.35)
    piece = np.vstack((start + (0, outwards[1]), tear, end + (outwards[0], 0), corner + outwards))
    canvas = print_.canvas()
    strokes.draw_line(canvas, tear, print_.scale * rng.uniform(2, 6))
    print_.apply(canvas, print_.paper, soft_px=0.4 * print_.scale, opacity=rng.uniform(0.5, 1))
    canvas = print_.canvas()
    strokes.fill(canvas, piece)
    behind = np.full(3, rng.choice((rng.uniform(0, 40), rng.uniform(200, 255))))
    print_.apply(canvas, behind, soft_px=0.4 * print_.scale, opacity=1.0)


def add_outlines(print_: DamagedPrint, outlines: DamageOutlines) -> None:
    """Real outlines, light or dark, half transparent."""
    rng = print_.rng
    for _ in range(int(rng.integers(1, 3))):
        canvas = print_.canvas()
        for _ in range(min(60, print_.count(print_.recipe.outline_rate))):
            paste_outline(canvas, rng, outlines, print_.scale)
        print_.apply(canvas, print_.light_or_dark(), soft_px=_softness(print_), uneven=rng.uniform(0, 0.7))


def _softness(print_: DamagedPrint) -> float:
    return print_.scale * print_.rng.choice((0.0, 0.4, 0.6, 0.9))
