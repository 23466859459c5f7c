"""Photos for tests of training, drawn and small."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]


def scene(height: int, width: int, seed: int = 0) -> Picture:
    """Soft clouds of colour with some sharp rectangles, values 20 to 230."""
    rng = np.random.default_rng(seed)
    clouds = cv2.resize(rng.uniform(60, 190, (5, 6, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(6):
        top, left = rng.integers(height), rng.integers(width)
        clouds[top : top + height // 4, left : left + width // 5] += rng.uniform(-60, 60, 3)
    return clouds.clip(20, 230).astype(np.uint8)


def write_pairs(folder: Path, count: int) -> Path:
    """As `write_photos`, each with a bright scratch and NAME_mask.png that marks it."""
    write_photos(folder, count)
    for path in sorted(folder.glob("*.jpg")):
        photo = np.array(Image.open(path))
        photo[:, 50:53] = 250
        Image.fromarray(photo).save(path, quality=95)
        mask = np.zeros(photo.shape[:2], np.uint8)
        mask[:, 50:53] = 255
        Image.fromarray(mask).save(folder / f"{path.stem}_mask.png")
    return folder


def write_photos(folder: Path, count: int) -> Path:
    """`count` JPEGs of 60 x 80 pixels with soft colours and an edge."""
    folder.mkdir(parents=True)
    for number in range(count):
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(30, 220, (4, 5, 3), dtype=np.uint8))
        photo = np.array(coarse.resize((80, 60), Image.Resampling.BICUBIC))
        photo[20:40, 10 + 5 * number : 40] = rng.integers(0, 256, 3)
        Image.fromarray(photo).save(folder / f"photo{number}.jpg", quality=95)
    return folder
