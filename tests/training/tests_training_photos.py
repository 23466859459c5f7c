"""Photos for tests of training, drawn and small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


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
