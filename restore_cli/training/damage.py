"""The kinds of local damage in the realistic recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from restore_cli.training import strokes
from restore_cli.training.outlines import DamageOutlines
from restore_cli.training.pasting import paste_outline, turned
from restore_cli.training.prints import PATCH_3X3, DamagedPrint, Picture, log_uniform
from restore_cli.training.recipes import Recipe

SPARSE_PIECES = (1.5, 25.0)
"""Range of the most that an otherwise sound print may have, log-uniform."""


def damage(
    picture: Picture, rng: np.random.Generator, recipe: Recipe, scale: float, outlines: DamageOutlines | None = None
) -> tuple[Picture, NDArray[np.bool_]]:
    """Each kind of damage with its own chance, on uint8 (H, W, 3) RGB.

    Returns the damaged picture and the (H, W) mask, 1 where damaged.
    """
    photo = DamagedPrint(picture, rng, recipe, scale)
    if recipe.sparse_chance and rng.random() < recipe.sparse_chance:
        _add_a_little(photo, outlines)
        return photo.picture, photo.mask
    kinds: tuple[tuple[float, Callable[[DamagedPrint], None]], ...] = (
        (recipe.stain_chance, add_stains),
        (recipe.fold_chance, add_folds),
        (recipe.crack_chance, add_cracks),
        (recipe.loss_chance, add_losses),
        (recipe.scratch_chance, add_scratches),
        (recipe.dust_chance, add_dust),
        (recipe.hair_chance, add_hairs),
        (recipe.torn_chance, add_torn_corner),
    )
    for chance, add in kinds:
        if rng.random() < chance:
            add(photo)
    # A chance of zero draws nothing: recipes without torn edges age a photo as they did before there were any.
    if recipe.torn_edge_chance and rng.random() < recipe.torn_edge_chance:
        add_torn_edge(photo)
    if outlines is not None and rng.random() < recipe.outline_chance:
        add_outlines(photo, outlines)
    if recipe.film_chance and rng.random() < recipe.film_chance:
        add_film(photo, outlines)
    return photo.picture, photo.mask


def _add_a_little(photo: DamagedPrint, outlines: DamageOutlines | None) -> None:
    """Some specks, a hair, a scratch on an otherwise sound print, as on most: a detector that only ever saw many takes
    a print with few for a sound one.
    """
    photo.most_pieces = int(log_uniform(photo.rng, *SPARSE_PIECES))
    kinds: list[Callable[[DamagedPrint], None]] = [add_dust, add_dust, add_hairs, add_scratches]
    if outlines is not None:
        kinds += 4 * [lambda print_: add_outlines(print_, outlines)]
    kinds[int(photo.rng.integers(len(kinds)))](photo)


def add_scratches(photo: DamagedPrint) -> None:
    """Long thin lines in up to four groups, each with its own paint, width and softness."""
    rng, scale = photo.rng, photo.scale
    count = photo.count(photo.recipe.scratch_rate, most=200)
    for group in range(min(4, count)):
        canvas = photo.canvas()
        width = photo.line_width(0.4, rng.choice((1.5, 3)))
        for _ in range(group, count, 4):
            strokes.draw_line(canvas, strokes.scratch(rng, photo.size, scale), width, int(rng.integers(120, 256)))
        photo.cover(canvas, photo.light_or_dark(), soft_px=photo.softness(), uneven=rng.uniform(0, 1))


def add_cracks(photo: DamagedPrint) -> None:
    """Branching cracks in the emulsion, some with a dark rim."""
    rng = photo.rng
    canvas = photo.canvas()
    for _ in range(photo.count(photo.recipe.crack_rate, most=40)):
        width = photo.line_width(0.6, 2.2)
        for path, thickness in strokes.crack(rng, photo.size, photo.scale):
            strokes.draw_line(canvas, path, width * thickness)
    if rng.random() < 0.3:
        rim = np.asarray(cv2.dilate(canvas, PATCH_3X3), np.uint8)
        shade = np.full(3, rng.uniform(10, 80))
        photo.cover(rim, shade, soft_px=0.7 * photo.scale, opacity=rng.uniform(0.2, 0.6))
    photo.cover(canvas, photo.light_or_dark(), soft_px=photo.softness(), uneven=rng.uniform(0, 0.7))


def add_folds(photo: DamagedPrint) -> None:
    """One or two creases right across: a shaded band, and a core where the emulsion broke off in pieces."""
    for _ in range(int(photo.rng.integers(1, 3))):
        path = _crease(photo)
        _shade_crease(photo, path)
        _break_crease(photo, path)


def _crease(photo: DamagedPrint) -> strokes.Points:
    """From edge to edge, upright or level; some straight, some wandering."""
    rng, height, width = photo.rng, photo.height, photo.width
    near, far = rng.normal(0.5, 0.25) + rng.normal(0, 0.08, 2)
    if rng.random() < 0.5:
        start, end = (near * width, -2.0), (far * width, height + 2.0)
    else:
        start, end = (-2.0, near * height), (width + 2.0, far * height)
    jitter = rng.choice((0.03, 0.1, 0.3))
    return strokes.edge_walk(rng, np.array(start), np.array(end), 4 * photo.scale, jitter)


def _shade_crease(photo: DamagedPrint, path: strokes.Points) -> None:
    """The paper bends: a faint light or dark band."""
    rng, scale = photo.rng, photo.scale
    band = photo.canvas()
    strokes.draw_line(band, path, scale * rng.uniform(2, 8))
    shade = np.full(3, rng.choice((10.0, 245.0)))
    photo.cover(band, shade, soft_px=scale * rng.uniform(1.5, 4), opacity=rng.uniform(0.03, 0.2))


def _break_crease(photo: DamagedPrint, path: strokes.Points) -> None:
    """Emulsion lost along the crease: a line that swells and thins, with chips beside it."""
    rng, scale = photo.rng, photo.scale
    core = photo.canvas()
    width = photo.line_width(0.5, 2)
    pieces = np.array_split(np.arange(len(path)), max(1, len(path) // 4))
    for piece, swell in zip(pieces, rng.uniform(0.4, 1.8, len(pieces)), strict=True):
        strokes.draw_line(core, path[max(0, piece[0] - 1) : piece[-1] + 1], width * swell)
    chips = path[rng.integers(len(path), size=int(rng.uniform(0, 0.4) * len(path)))]
    chips = chips + rng.normal(0, 1.5 * scale, chips.shape)
    for chip in strokes.blobs(rng, chips, scale * np.exp(rng.uniform(-0.7, 1.4, len(chips))), 0.9):
        strokes.fill(core, chip)
    photo.cover(core, photo.paper, soft_px=photo.softness(), uneven=rng.uniform(0, 0.8))


def add_dust(photo: DamagedPrint) -> None:
    """Specks of one to a few pixels."""
    rng = photo.rng
    canvas = photo.canvas()
    count = photo.count(photo.recipe.dust_rate, most=3000)
    radii = photo.scale * np.exp(rng.uniform(-0.9, 0.9, count))
    values = rng.integers(100, 256, count).tolist()
    for centre, radius, value in zip(photo.anywhere(count), radii, values, strict=True):
        strokes.dot(canvas, centre, radius, value)
    photo.cover(canvas, photo.light_or_dark(), soft_px=photo.softness(), uneven=rng.uniform(0, 0.8))


def add_hairs(photo: DamagedPrint) -> None:
    """Curled hairs and fibres that lay on the film or in the scanner."""
    rng = photo.rng
    canvas = photo.canvas()
    for _ in range(photo.count(photo.recipe.hair_rate, most=300)):
        strokes.draw_line(canvas, strokes.hair(rng, photo.size, photo.scale), photo.line_width(0.5, 1.6))
    photo.cover(canvas, photo.light_or_dark(), soft_px=photo.softness(), uneven=rng.uniform(0, 0.6))


def add_losses(photo: DamagedPrint) -> None:
    """Patches where the emulsion is gone down to the paper."""
    rng = photo.rng
    canvas = photo.canvas()
    count = photo.count(photo.recipe.loss_rate, most=100)
    radii = photo.scale * np.exp(rng.uniform(np.log(1.5), np.log(14), count))
    for outline in strokes.blobs(rng, photo.anywhere(count), radii, rng.uniform(0.2, 0.8)):
        strokes.fill(canvas, outline)
    opacity = rng.uniform(0.7, 1)
    photo.cover(canvas, photo.light_or_dark(), soft_px=photo.softness(), uneven=rng.uniform(0, 0.3), opacity=opacity)


def add_stains(photo: DamagedPrint) -> None:
    """Half transparent spots of liquid or foxing, often with a darker rim."""
    rng, scale = photo.rng, photo.scale
    tint = np.array((1.0, rng.uniform(0.8, 0.97), rng.uniform(0.5, 0.9))) * rng.uniform(0.45, 0.95)
    spots, rims = photo.canvas(), photo.canvas()
    count = int(rng.integers(1, 4))
    radii = np.array([scale * log_uniform(rng, 4, 60) for _ in range(count)])
    rim_width = scale * rng.uniform(1, 4)
    for outline in strokes.blobs(rng, photo.anywhere(count), radii, rng.uniform(0.1, 0.5)):
        strokes.fill(spots, outline)
        strokes.draw_line(rims, np.vstack((outline, outline[:1])), rim_width)
    photo.tint(spots, tint, soft_px=scale * rng.uniform(0.6, 5), uneven=rng.uniform(0.2, 0.9))
    if rng.random() < 0.5:
        opacity = rng.uniform(0.2, 0.7)
        photo.tint(rims, tint, soft_px=scale * rng.uniform(0.7, 2), uneven=rng.uniform(0, 0.8), opacity=opacity)


def add_torn_corner(photo: DamagedPrint) -> None:
    """A corner is missing: what lies behind shows, and bare fibres along the tear."""
    rng, scale = photo.rng, photo.scale
    corner = np.array((photo.width, photo.height)) * rng.integers(0, 2, 2).astype(float)
    inwards = np.where(corner > 0, -1.0, 1.0)
    reach = min(photo.size) * rng.uniform(0.04, 0.32, 2)
    start = corner + np.array((inwards[0] * reach[0], 0))
    end = corner + np.array((0, inwards[1] * reach[1]))
    tear = strokes.edge_walk(rng, start, end, 3 * scale, 0.35)
    outside = corner - 4 * scale * inwards
    _tear_off(photo, tear, ((start[0], outside[1]), *tear, (outside[0], end[1]), outside))


def add_torn_edge(photo: DamagedPrint) -> None:
    """A strip along one side is missing, deeper at one end than at the other."""
    rng, scale = photo.rng, photo.scale
    far = np.array((photo.width, photo.height), float)
    upright, at_far_side = rng.random(2) < 0.5
    along, across = (1, 0) if upright else (0, 1)  # axes of the side and of the depth
    depths = far[across] * rng.uniform(0.01, 0.12, 2)
    ends = np.zeros((2, 2))
    ends[:, along] = (-2, far[along] + 2)
    ends[:, across] = far[across] - depths if at_far_side else depths
    tear = strokes.edge_walk(rng, ends[0], ends[1], 3 * scale, 0.3)
    outside = ends[::-1].copy()
    outside[:, across] = far[across] + 4 * scale if at_far_side else -4 * scale
    _tear_off(photo, tear, (*tear, *outside))


def _tear_off(
    photo: DamagedPrint, tear: strokes.Points, around: Sequence[strokes.Points | tuple[float, float]]
) -> None:
    """What is inside `around` is gone: what lies behind shows, and bare fibres along the tear."""
    rng, scale = photo.rng, photo.scale
    fibres, piece = photo.canvas(), photo.canvas()
    strokes.draw_line(fibres, tear, scale * rng.uniform(2, 6))
    photo.cover(fibres, photo.paper, soft_px=0.4 * scale, opacity=rng.uniform(0.5, 1))
    strokes.fill(piece, np.array(around))
    behind = rng.uniform(0, 40) if rng.random() < 0.5 else rng.uniform(200, 255)
    photo.cover(piece, np.full(3, behind), soft_px=0.4 * scale, opacity=1.0)


def add_outlines(photo: DamagedPrint, outlines: DamageOutlines) -> None:
    """Real outlines, light or dark, half transparent."""
    rng = photo.rng
    for _ in range(int(rng.integers(1, 3))):
        canvas = photo.canvas()
        for _ in range(photo.count(photo.recipe.outline_rate, most=60)):
            paste_outline(canvas, rng, outlines, photo.scale, largest_px=photo.recipe.outline_px)
        photo.cover(canvas, photo.light_or_dark(), soft_px=photo.softness(), uneven=rng.uniform(0, 0.7))


def add_film(photo: DamagedPrint, outlines: DamageOutlines | None) -> None:
    """Regions of film frames' maps laid over the whole print, each light or dark, half transparent.

    One that was turned upright is stretched to a print that is not. Without maps each layer is dust, hairs or scratches
    of our own drawing, so that a folder of photos is enough to learn from.
    """
    rng, (low, high) = photo.rng, photo.recipe.film_layers
    for _ in range(int(rng.integers(int(low), int(high) + 1))):
        zoom = photo.scale * log_uniform(rng, *photo.recipe.film_zoom)
        limit = max(1, round(photo.height / zoom)), max(1, round(photo.width / zoom))
        region = None if outlines is None else outlines.region(rng, limit)
        if region is None:
            (add_dust, add_hairs, add_scratches)[int(rng.integers(3))](photo)
            continue
        shrinking = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
        canvas = np.asarray(cv2.resize(turned(region, rng), photo.size[::-1], interpolation=shrinking), np.uint8)
        photo.cover(canvas, photo.light_or_dark(), soft_px=photo.softness(), uneven=rng.uniform(0, 0.7))
