"""Resample a face from the photo into its square, and from the square onto a part of the photo's grid.

Bilinear on the way in, bicubic on the way out, as released. Departs from the released code: where a step makes the face
smaller it averages instead of sampling points, so that no grain turns into moire; and beyond the photo's edge the face
is mirrored, where the released code shows the generator black.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from restore_cli.restoration.box import Box
from restore_cli.restoration.faces.alignment import Alignment, Matrix
from restore_cli.restoration.pixels import Pixels

Floats = npt.NDArray[np.float32]


def cut_out(image: Pixels, alignment: Alignment) -> Floats:
    """The aligned face. image: (H, W, 3), uint8 or uint16. Returns (s, s, 3) float32 in [0, 1]."""
    face_px, scale = alignment.face_px, alignment.photo_px_per_face_px
    shrink = max(1, math.floor(scale))
    box = alignment.box(image.shape).grown(2 * shrink, *image.shape[:2])
    crop = image[box.slices]
    if shrink > 1:
        crop = _average(crop, shrink)
    samples = 1 if scale <= 1 else 2  # per face pixel and axis; dense enough for what the averaging left
    to_crop = _after(
        _scaling(1 / shrink, offset=-(shrink - 1) / 2 / shrink),
        _after(_moving(-box.left, -box.top), alignment.to_photo),
    )
    square = cv2.warpAffine(
        crop.astype(np.float32),
        _after(to_crop, _scaling(1 / samples, offset=-(samples - 1) / 2 / samples)),
        (face_px * samples, face_px * samples),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    if samples > 1:
        square = cv2.resize(square, (face_px, face_px), interpolation=cv2.INTER_AREA)
    return np.asarray(square / np.float32(np.iinfo(image.dtype).max), np.float32)


def lay_over(square: Floats, alignment: Alignment, box: Box, *, bicubic: bool) -> Floats:
    """What the square looks like on the photo pixels of `box`; zero where the square does not reach.

    square: (s, s) or (s, s, 3). bicubic: sharp, for colours, and continued beyond the edge by its last pixels instead
    of zero; otherwise bilinear, which stays within the square's values, for opacity.
    Returns (h, w) or (h, w, 3) float32, h and w the box's.
    """
    height, width = box.size
    samples = _odd_at_least(1 / alignment.photo_px_per_face_px)
    margin = 2 if samples > 1 else 0  # photo pixels that the averaging reaches
    to_square = _inverse(alignment.to_photo)
    fine_to_photo = _scaling(1 / samples, offset=-(samples - 1) / 2 / samples)
    fine_to_photo[:, 2] += (box.left - margin, box.top - margin)
    fine = cv2.warpAffine(
        square,
        _after(to_square, fine_to_photo),
        ((width + 2 * margin) * samples, (height + 2 * margin) * samples),
        flags=(cv2.INTER_CUBIC if bicubic else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE if bicubic else cv2.BORDER_CONSTANT,
    )
    if samples > 1:
        kernel = _cubic_kernel(samples) if bicubic else _box_kernel(samples)
        fine = cv2.sepFilter2D(fine, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
        first = margin * samples + samples // 2
        fine = fine[first::samples, first::samples][:height, :width]
    return np.asarray(fine, np.float32)


def _average(crop: Pixels, factor: int) -> Pixels:
    """Means of factor x factor pixels; a last incomplete row or column is continued by its own edge."""
    down, right = (-side % factor for side in crop.shape[:2])
    padded = cv2.copyMakeBorder(crop, 0, down, 0, right, cv2.BORDER_REPLICATE)
    size = padded.shape[1] // factor, padded.shape[0] // factor
    averaged: Any = cv2.resize(padded, size, interpolation=cv2.INTER_AREA)  # of the crop's dtype
    return averaged  # type: ignore[no-any-return]


def _odd_at_least(value: float) -> int:
    """Odd, so that the middle sample of a photo pixel is its centre. The allowance is for rounding in a scale of 1."""
    return 2 * math.ceil((max(1.0, value) - 1e-6 - 1) / 2) + 1


def _cubic_kernel(samples: int) -> Floats:
    """Catmull-Rom over `samples` samples a pixel: the bicubic filter for making a picture smaller."""
    t = np.abs(np.arange(-2 * samples + 1, 2 * samples)) / samples
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    kernel = np.where(t < 1, near, far)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _box_kernel(samples: int) -> Floats:
    return np.full(samples, 1 / samples, np.float32)


def _scaling(factor: float, *, offset: float) -> Matrix:
    return np.array([[factor, 0, offset], [0, factor, offset]], np.float64)


def _moving(x: float, y: float) -> Matrix:
    return np.array([[1, 0, x], [0, 1, y]], np.float64)


def _after(second: Matrix, first: Matrix) -> Matrix:
    """The affine map that applies `first`, then `second`."""
    return np.hstack([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2:] + second[:, 2:]])


def _inverse(matrix: Matrix) -> Matrix:
    linear = np.linalg.inv(matrix[:, :2])
    return np.hstack([linear, -linear @ matrix[:, 2:]])
