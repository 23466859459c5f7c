"""Where a face lies in the photo: the similarity between it and the upright square that the generator knows.

Source: the released code's template and least-squares fit, with five landmarks picked from 68 there and given by YuNet
here. Pixel centres have whole coordinates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from restore_cli.restoration.box import Box
from restore_cli.restoration.faces.boxes import shared

Matrix = npt.NDArray[np.float64]
"""(2, 3): an affine map of (x, y)."""

_ON_512 = np.array([(196, 226), (316, 226), (256, 286), (220, 360.4), (292, 360.4)], np.float64)
TEMPLATE = ((_ON_512 / 256 - 1) * 1.3 + 1) / 2
"""(5, 2): eyes, nose and the mouth's corners, as parts of the square's side."""
LARGEST_MISFIT = 0.1
"""A face that fits the template less looks away from the camera. Old prints: faces 0.02 to 0.08, profiles 0.12."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """A face's square in the photo."""

    to_photo: Matrix
    """(x, y) in the square -> (x, y) in the photo."""
    face_px: int
    """Side of the square in its own pixels."""
    misfit: float
    """Root mean square distance of the landmarks from the template's, as a part of the square's side."""

    @property
    def photo_px_per_face_px(self) -> float:
        """Above 1 the photo shows the face in more detail than the square can hold."""
        return math.hypot(self.to_photo[0, 0], self.to_photo[1, 0])

    @property
    def side_px(self) -> float:
        """Side of the square in photo pixels."""
        return self.face_px * self.photo_px_per_face_px

    def box(self, size: tuple[int, ...]) -> Box:
        """The part of a photo of (height, width, ...) `size` that the square touches; empty if it lies outside."""
        low, high = -0.5, self.face_px - 0.5
        corners = np.array([(low, low), (high, low), (low, high), (high, high)]) @ self.to_photo[:, :2].T
        corners += self.to_photo[:, 2]
        left, top = (math.floor(value) for value in corners.min(axis=0))
        right, bottom = (math.ceil(value) + 1 for value in corners.max(axis=0))
        return shared(Box(top, left, bottom, right), Box(0, 0, size[0], size[1]))


def align(points: npt.NDArray[np.float32], face_px: int) -> Alignment:
    """The similarity that brings the template closest to a face's five points, by least squares in the photo.

    points: (5, 2) as (x, y) in the order of TEMPLATE. Raises ValueError where all points are one.
    """
    # As complex numbers a similarity without reflection is w = a z + b, and least squares give a as a fraction.
    z, w = (p[:, 0] + 1j * p[:, 1] for p in (TEMPLATE * face_px, points.astype(np.float64)))
    centred = z - z.mean()
    a = np.vdot(centred, w - w.mean()) / np.vdot(centred, centred).real
    b = w.mean() - a * z.mean()
    if abs(a) < 1e-9:
        raise ValueError("the five points of a face are all the same")
    misfit = float(np.sqrt(np.mean(np.abs(a * z + b - w) ** 2)) / (abs(a) * face_px))
    return Alignment(np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]]), face_px, misfit)
