"""A tiny real processor and photos: the batch room is tested without any network."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from restore_cli.batch.worker import Order

sys.path.insert(0, str(Path(__file__).parent))
from inverter import Inverter  # a script beside this file, not a module of the package

FORMATS = {".png": "PNG", ".tif": "TIFF", ".webp": "WEBP"}


@pytest.fixture
def order_for() -> Callable[..., Order]:
    """An order with a fresh Inverter: order_for(existing="skip", slow_seconds=0.1, ...)."""

    def build(**changes: Any) -> Order:
        ours = {name: changes.pop(name) for name in list(changes) if hasattr(Inverter, name)}
        return Order(processor=Inverter(**ours), **changes)

    return build


@pytest.fixture
def make_photo() -> Callable[..., Path]:
    """make_photo(path, level=..., size=(width, height)): a small photo with a gradient."""

    def build(path: Path, *, level: int = 40, size: tuple[int, int] = (24, 16)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        width, height = size
        ramp = np.linspace(0, 60 if level else 0, width)[None, :, None] + level
        pixels = np.broadcast_to(ramp, (height, width, 3)).astype(np.uint8)
        with path.open("wb") as stream:
            Image.fromarray(pixels).save(stream, FORMATS.get(path.suffix.lower(), "JPEG"))
        return path

    return build
