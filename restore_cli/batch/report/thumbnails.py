"""Small pictures of a photo before, after, and where it was damaged."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from restore_cli.batch.result import Pictures
from restore_cli.imaging.photo import Pixels

QUALITY = 72
"""JPEG quality: thumbnails of 1,000 photos have to fit into one page."""


def thumbnail_px(photos: int | None) -> int:
    """Long side of the pictures for a run of so many photos (None: nobody knows), to keep the page to some 50 MB."""
    if photos is None:
        return 360
    return 720 if photos <= 100 else 480 if photos <= 400 else 360 if photos <= 2000 else 240


def take_pictures(before: Pixels, after: Pixels, mask: NDArray[np.bool_] | None, *, long_side_px: int) -> Pictures:
    """before, after: (H, W, 1 or 3) uint8 or uint16; mask: (H, W), True where damaged."""
    return Pictures(
        before=_jpeg(_small(before, long_side_px)),
        after=_jpeg(_small(after, long_side_px)),
        mask=None if mask is None or not mask.any() else _jpeg(_small_mask(mask, long_side_px)),
    )


def _small(pixels: Pixels, long_side_px: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = min(1.0, long_side_px / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)
    as_bytes: NDArray[np.uint8] = (small // 257 if small.dtype == np.uint16 else small).astype(np.uint8)
    return as_bytes


def _small_mask(mask: NDArray[np.bool_], long_side_px: int) -> NDArray[np.uint8]:
    """Red on black, to be screened over the photo. A scratch of one pixel still shows: any damage counts."""
    shares = _small(mask.astype(np.uint8)[:, :, None] * 255, long_side_px)
    red = np.where(shares > 0, np.maximum(shares, 220), 0).astype(np.uint8)
    return np.concatenate([red, np.zeros_like(red), np.zeros_like(red)], axis=2)


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """pixels: (H, W, 1 or 3) RGB."""
    ordered = pixels[:, :, ::-1] if pixels.shape[2] == 3 else pixels
    ok, data = cv2.imencode(".jpg", np.ascontiguousarray(ordered), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert ok
    return data.tobytes()
