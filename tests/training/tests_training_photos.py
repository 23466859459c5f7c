"""Photos for tests of training, drawn and small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


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
