"""Blend restored faces into the photo without a seam; every other pixel stays as it is.

Source: the released code's histogram match and blending. Departs from the released code:
- it lays the restored face over the photo; here the photo gets what the generator changed, restored minus aligned face.
  The two differ by what resampling takes from a photo on its way through the square: nothing of that is lost here,
  neither the detail of a face larger than the square nor the fine grain that a face shares with its surroundings;
- its blend ends 12 photo pixels inside the square, which leaves nothing of a face of 24 pixels and a hard seam around
  one of 2,000; here these pixels are counted in a square of 256, so that the edge grows and shrinks with the face;
- where squares overlap, each face owns the pixels near its own centre, in whatever order the faces are listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from restore_cli.restoration.box import Box
from restore_cli.restoration.faces.alignment import Alignment
from restore_cli.restoration.faces.boxes import around, is_empty, shared
from restore_cli.restoration.faces.warping import Floats, lay_over
from restore_cli.restoration.pixels import Pixels, quantise

EDGE_PER_SIDE = 12 / 256
"""Width of the border left out, and radius of the Gaussian after it: 9 x 9 ones eroding 3 times, and 25 x 25."""
OWNED_SIGMA_PER_SIDE = 0.2
"""How far from its centre a face claims pixels that another face's square also covers."""
BAND_PIXELS = 1 << 20
"""Photo pixels blended at once, which bounds the memory of a face as large as a scan."""


@dataclass(frozen=True, eq=False)
class FaceChange:
    """What a generator did to a face, and where the face lies."""

    alignment: Alignment
    change: Floats
    """(s, s, 3) float32: restored minus aligned face, in parts of white."""


def match_histogram(values: Floats, reference: Floats) -> Floats:
    """Each channel of `values` given the distribution of the same channel of `reference`. Both (s, s, 3)."""
    matched = np.empty_like(values)
    for channel in range(values.shape[2]):
        _, where, counts = np.unique(values[..., channel], return_inverse=True, return_counts=True)
        wanted, wanted_counts = np.unique(reference[..., channel], return_counts=True)
        share = np.cumsum(counts) / counts.sum()
        wanted_share = np.cumsum(wanted_counts) / wanted_counts.sum()
        matched[..., channel] = np.interp(share, wanted_share, wanted)[where].reshape(values.shape[:2])
    return matched


def blend(image: Pixels, faces: Sequence[FaceChange], *, strength: float = 1.0) -> Pixels:
    """The photo with its faces changed. image: (H, W, 3), uint8 or uint16; returns a new array of the same kind.

    strength: part of the change that is made, 0 to 1. Pixels that no face's square touches are bit for bit those of
    `image`.
    """
    result: Pixels = image.copy()
    white = np.float32(np.iinfo(image.dtype).max)
    for band, present in _bands(faces, image.shape):
        change = np.zeros((*band.size, 3), np.float32)
        claimed = np.zeros((*band.size, 1), np.float32)
        uncovered = np.ones_like(claimed)
        for face in present:
            here = shared(face.alignment.box(image.shape), band)
            inside = here.within(band).slices
            opacity = lay_over(_edge(face.alignment.face_px), face.alignment, here, bicubic=False)[..., None]
            claim = opacity * lay_over(_claim(face.alignment.face_px), face.alignment, here, bicubic=False)[..., None]
            change[inside] += claim * lay_over(face.change, face.alignment, here, bicubic=True)
            claimed[inside] += claim
            uncovered[inside] *= 1 - opacity
        touched = claimed[..., 0] > 0
        original = image[band.slices][touched].astype(np.float32) / white
        changed = original + strength * (1 - uncovered[touched]) * change[touched] / claimed[touched]
        result[band.slices][touched] = quantise(np.clip(changed, 0, 1), image.dtype)
    return result


@lru_cache(maxsize=4)
def _edge(side: int) -> Floats:
    """Opacity of the square: 1 inside, falling to 0 at the border. (s, s)."""
    edge = round(EDGE_PER_SIDE * side)
    opacity = np.zeros((side, side), np.float32)
    opacity[edge : side - edge, edge : side - edge] = 1
    return np.asarray(cv2.GaussianBlur(opacity, (2 * edge + 1, 2 * edge + 1), 0), np.float32)


@lru_cache(maxsize=4)
def _claim(side: int) -> Floats:
    """How strongly a face holds on to a pixel against its neighbours, falling from 1 at its centre. (s, s)."""
    distance = (np.arange(side) - (side - 1) / 2) / (OWNED_SIGMA_PER_SIDE * side)
    falling = np.exp(-(distance**2) / 2)
    return np.outer(falling, falling).astype(np.float32)


def _bands(faces: Sequence[FaceChange], size: tuple[int, ...]) -> Iterator[tuple[Box, list[FaceChange]]]:
    """Strips of rows that together hold all squares, each with the faces that reach into it."""
    boxes = {face: face.alignment.box(size) for face in faces}
    for group, members in _groups([(box, [face]) for face, box in boxes.items() if not is_empty(box)]):
        rows = max(1, BAND_PIXELS // group.size[1])
        for top in range(group.top, group.bottom, rows):
            band = replace(group, top=top, bottom=min(top + rows, group.bottom))
            yield band, [face for face in members if not is_empty(shared(boxes[face], band))]


def _groups(pending: list[tuple[Box, list[FaceChange]]]) -> list[tuple[Box, list[FaceChange]]]:
    """Boxes that overlap, directly or through others, as one box around them. Takes the list apart."""
    separate: list[tuple[Box, list[FaceChange]]] = []
    while pending:
        box, members = pending.pop()
        apart = [group for group in separate if is_empty(shared(group[0], box))]
        if len(apart) == len(separate):
            separate.append((box, members))
            continue
        for other, others in separate:
            if not is_empty(shared(other, box)):
                box, members = around(box, other), [*others, *members]
        separate = apart
        pending.append((box, members))
    return separate
