"""Find faces and their five landmarks with YuNet, at any photo size and in any quarter turn.

Source: Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector", run through OpenCV's FaceDetectorYN. It sees
faces of about 10 to 320 pixels, so it looks at copies of the photo, each half as large as the one before; large copies
are cut into overlapping tiles, which bounds the memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from restore_cli.errors import WeightsDamaged, WeightsMissing
from restore_cli.restoration.pixels import Pixels

SILENT = 0
"""A log level of OpenCV."""
UPRIGHT_SCORE = 0.7
"""On 276 photos and prints, most of what scores 0.6 to 0.7 shows no face that anything could be made of."""
TURNED_SCORE = 0.8
"""Faces on their side or head score as upright ones do; at 0.5 to 0.8 turned copies show faces in texture."""
TURNED_HANDICAP = 0.05
"""A turned detection has to beat an upright one by this much: upright faces are also found, less well, upside down."""
SAME_FACE = 0.4
"""Boxes that share this much of the smaller one show the same face."""

TILE_PX = 1024
TILE_OVERLAP_PX = 192
LARGEST_FACE_PX = 320
"""In one copy; above it YuNet sees faces in parts of faces. A coarser copy finds the large ones."""
COARSEST_PX = 160
"""Copies are halved until their longer side is at most this."""
GLANCE_PX = 640
"""Longer side of the copies in which turned faces are looked for beside upright ones."""

DOWNLOAD_HINT = "run `oldphoto weights download face-detector`"

Bytes = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float32]
"""(N, 15) as YuNet gives them: x, y, w, h, five points (x, y), score."""


@dataclass(frozen=True, eq=False)
class Face:
    """One face in photo pixels."""

    box: tuple[float, float, float, float]
    """x, y, width, height; may reach beyond the photo."""
    points: npt.NDArray[np.float32]
    """(5, 2) as (x, y): the eye, which an upright face has on the picture's left, the other eye, nose, the mouth's
    corners in the same order."""
    score: float
    """YuNet's confidence in [0, 1]."""

    @property
    def side_px(self) -> float:
        """The longer side of the box."""
        return max(self.box[2], self.box[3])


class FaceDetector:
    """YuNet and how a photo is shown to it. One object serves one thread."""

    def __init__(self, model: Path) -> None:
        """Raises WeightsMissing if there is no such file, WeightsDamaged if OpenCV cannot read it."""
        if not model.is_file():
            raise WeightsMissing(f"the face detector is not installed: {model}", hint=DOWNLOAD_HINT, path=model)
        # OpenCV 5 warns on every start that it ignores the (default) target. Before 4.13 the function was elsewhere.
        logs: Any = getattr(cv2.utils, "logging", cv2)
        level = logs.setLogLevel(SILENT)
        try:
            self._net = cv2.FaceDetectorYN.create(str(model), "", (320, 320), UPRIGHT_SCORE, 0.3, 5000)
        except cv2.error as error:
            raise WeightsDamaged(f"not a face detector: {model}", hint=DOWNLOAD_HINT, path=model) from error
        finally:
            logs.setLogLevel(level)

    def find(self, image: Pixels) -> list[Face]:
        """All faces, best first. image: (H, W), (H, W, 1) or (H, W, 3) RGB, uint8 or uint16.

        Turned faces are looked for in a small copy, and in full where that or no upright face says it is worth it.
        """
        bgr = _as_bgr_bytes(image)
        copies = list(_halvings(bgr))
        is_small = max(bgr.shape[:2]) <= GLANCE_PX
        glances = copies if is_small else list(_halvings(_shrink_to(bgr, GLANCE_PX)))
        upright = self._scan(copies, UPRIGHT_SCORE)
        found = [upright]
        for quarter_turns in (1, 2, 3):
            rows = self._scan(_turned(glances, quarter_turns), TURNED_SCORE)
            if not is_small and (len(rows) or not len(upright)):
                rows = self._scan(_turned(copies, quarter_turns), TURNED_SCORE)
            found.append(_turn_back(rows, quarter_turns, bgr.shape[:2]))
        rank = np.concatenate([rows[:, 14] - (TURNED_HANDICAP if turns else 0) for turns, rows in enumerate(found)])
        return [_face(row) for row in _one_per_face(np.concatenate(found), rank)]

    def _scan(self, copies: Sequence[Bytes], score: float) -> Rows:
        """Detections of at least `score` in all copies of a picture, in the coordinates of the first."""
        height, width = copies[0].shape[:2]
        found: list[Rows] = []
        for copy in copies:
            scale = np.float32(width / copy.shape[1]), np.float32(height / copy.shape[0])
            for left, top, tile in _tiles(copy):
                rows = self._detect(tile)
                rows = rows[_whole(rows, left, top, tile.shape[:2], copy.shape[:2])]
                rows[:, [0, 4, 6, 8, 10, 12]] += left
                rows[:, [1, 5, 7, 9, 11, 13]] += top
                rows[:, [0, 2, 4, 6, 8, 10, 12]] *= scale[0]
                rows[:, [1, 3, 5, 7, 9, 11, 13]] *= scale[1]
                found.append(rows[rows[:, 14] >= score])
        return np.concatenate(found)

    def _detect(self, tile: Bytes) -> Rows:
        self._net.setInputSize((tile.shape[1], tile.shape[0]))
        _, rows = self._net.detect(tile)
        return np.zeros((0, 15), np.float32) if rows is None else np.asarray(rows, np.float32)


def _as_bgr_bytes(image: Pixels) -> Bytes:
    if image.ndim == 2:
        image = image[..., None]
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(image[..., ::-1], (*image.shape[:2], 3)), dtype=np.uint8)


def _shrink_to(bgr: Bytes, longer_side_px: int) -> Bytes:
    factor = longer_side_px / max(bgr.shape[:2])
    if factor >= 1:
        return bgr
    height, width = (max(1, round(side * factor)) for side in bgr.shape[:2])
    return np.asarray(cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _halvings(bgr: Bytes) -> Iterator[Bytes]:
    """The picture, then copies of half the size each."""
    yield bgr
    while max(bgr.shape[:2]) > COARSEST_PX:
        bgr = _shrink_to(bgr, max(bgr.shape[:2]) // 2)
        yield bgr


def _turned(copies: Sequence[Bytes], quarter_turns: int) -> list[Bytes]:
    """Views, which cost no memory: only their tiles are copied."""
    return [np.rot90(copy, quarter_turns) for copy in copies]


def _tiles(bgr: Bytes) -> Iterator[tuple[int, int, Bytes]]:
    """(left, top, tile): the picture itself, or overlapping tiles of it."""
    height, width = bgr.shape[:2]
    step = TILE_PX - TILE_OVERLAP_PX
    for top in range(0, max(1, height - TILE_OVERLAP_PX), step):
        for left in range(0, max(1, width - TILE_OVERLAP_PX), step):
            yield left, top, np.ascontiguousarray(bgr[top : top + TILE_PX, left : left + TILE_PX])


def _whole(rows: Rows, left: int, top: int, tile_size: tuple[int, ...], size: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """True for faces that the tile shows whole and that are not too large. The photo's own edge may cut a face."""
    x, y, width, height = rows[:, :4].T
    far_x, far_y = left + tile_size[1], top + tile_size[0]
    keep = np.maximum(width, height) <= LARGEST_FACE_PX
    keep &= (x > 0) | (left == 0)
    keep &= (y > 0) | (top == 0)
    keep &= (x + width < tile_size[1]) | (far_x >= size[1])
    keep &= (y + height < tile_size[0]) | (far_y >= size[0])
    return np.asarray(keep)


def _turn_back(rows: Rows, quarter_turns: int, size: tuple[int, ...]) -> Rows:
    """Detections in np.rot90(picture, quarter_turns), in the coordinates of the picture of (height, width) `size`."""
    height, width = size
    corners = np.stack([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)  # (N, 2, 2): two opposite corners
    points = np.concatenate([corners, rows[:, 4:14].reshape(-1, 5, 2)], axis=1)  # (N, 7, 2)
    x, y = points[..., 0], points[..., 1]
    if quarter_turns == 1:
        x, y = width - 1 - y, x
    elif quarter_turns == 2:
        x, y = width - 1 - x, height - 1 - y
    elif quarter_turns == 3:
        x, y = y, height - 1 - x
    turned = np.stack([x, y], axis=-1)
    near, far = turned[:, :2].min(axis=1), turned[:, :2].max(axis=1)
    return np.concatenate([near, far - near, turned[:, 2:].reshape(-1, 10), rows[:, 14:]], axis=1).astype(np.float32)


def _one_per_face(rows: Rows, rank: npt.NDArray[np.float32]) -> list[Rows]:
    """Detections in falling rank, without those that show a face already listed."""
    kept: list[Rows] = []
    for index in np.argsort(-rank, kind="stable"):
        if all(_overlap(rows[index], other) < SAME_FACE for other in kept):
            kept.append(rows[index])
    return kept


def _overlap(one: Rows, other: Rows) -> float:
    """The shared area as a part of the smaller box: also 1 where a whole face was found inside a face."""
    near = np.maximum(one[:2], other[:2])
    far = np.minimum(one[:2] + one[2:4], other[:2] + other[2:4])
    shared = float(np.prod(np.maximum(far - near, 0)))
    return shared / max(1e-6, min(float(one[2] * one[3]), float(other[2] * other[3])))


def _face(row: Rows) -> Face:
    x, y, width, height = (float(value) for value in row[:4])
    return Face(box=(x, y, width, height), points=row[4:14].reshape(5, 2).copy(), score=float(row[14]))
