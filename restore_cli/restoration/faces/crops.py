"""Aligned faces out of a folder of photos: what a face generator is trained on."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from restore_cli import imaging
from restore_cli.errors import PhotoUnreadable
from restore_cli.restoration.faces.alignment import LARGEST_MISFIT, align
from restore_cli.restoration.faces.detection import FaceDetector
from restore_cli.restoration.faces.warping import cut_out
from restore_cli.restoration.pixels import Pixels, quantise

log = logging.getLogger(__name__)
INDEX = "crops.json"
"""Written last: a folder that has it is complete."""


def cut_faces(
    photos: Sequence[Path],
    folder: Path,
    detector: FaceDetector,
    *,
    face_px: int,
    smallest_share: float = 0.6,
    report: Callable[[int, int], None] = lambda done, of: None,
) -> int:
    """Write the faces of `photos` to `folder` as PNG files of face_px x face_px, and return how many there are.

    smallest_share: the square's side in the photo as a part of face_px, below which a face is left out because
    enlarging it makes a blurred target; so are faces that look away. Photos that cannot be read are logged and left
    out. A folder that holds the faces of the same photos is left as it is.
    """
    settings = {"photos": [str(photo) for photo in photos], "face_px": face_px, "smallest_share": smallest_share}
    index = folder / INDEX
    if index.is_file() and (known := json.loads(index.read_text(encoding="utf-8")))["settings"] == settings:
        return int(known["faces"])
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for number, photo in enumerate(photos):
        try:
            pixels = imaging.read(photo).pixels
        except PhotoUnreadable as error:
            log.warning("left out of training: %s", error)
            continue
        colour: Pixels = pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)  # type: ignore[assignment]
        for face in _faces(colour, detector, face_px, smallest_share * face_px):
            imaging.write(imaging.Photo(face, None, imaging.Carried()), folder / f"{count:06d}.png")
            count += 1
        report(number + 1, len(photos))
    index.write_text(json.dumps({"settings": settings, "faces": count}), encoding="utf-8")
    return count


def _faces(pixels: Pixels, detector: FaceDetector, face_px: int, smallest_px: float) -> Iterator[Pixels]:
    for face in detector.find(pixels):
        alignment = align(face.points, face_px)
        if alignment.side_px >= smallest_px and alignment.misfit <= LARGEST_MISFIT:
            yield quantise(cut_out(pixels, alignment), np.dtype(np.uint8))
