"""A tiny real processor and photos: the batch room is tested without any network."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from restore_cli.batch.processor import Model, Processed
from restore_cli.batch.worker import Order
from restore_cli.errors import OldPhotoError
from restore_cli.imaging import Photo


@dataclass
class Inverter:
    """Inverts each photo; a black photo has nothing wrong with it. Bright pixels count as damaged."""

    settings_value: int = 0
    model_sha256: str = "0" * 64
    slow_seconds: float = 0.0
    fails_with: OldPhotoError | Exception | None = None
    load_fails_with: OldPhotoError | None = None
    processed: int = 0

    def model(self) -> Model:
        return Model(name="inverter", sha256=self.model_sha256)

    def settings(self) -> Mapping[str, Any]:
        return {"value": self.settings_value}

    def load(self) -> None:
        if self.load_fails_with is not None:
            raise self.load_fails_with

    def process(self, photo: Photo, mask: NDArray[np.bool_] | None) -> Processed:
        if self.fails_with is not None:
            raise self.fails_with
        time.sleep(self.slow_seconds)
        self.processed += 1
        most = np.iinfo(photo.pixels.dtype).max
        if mask is None:
            mask = photo.pixels.max(axis=2) > 0.9 * most
        unchanged = not photo.pixels.any()
        return Processed(
            pixels=photo.pixels if unchanged else most - photo.pixels,
            mask=mask,
            damaged_fraction=float(mask.mean()),
            unchanged=unchanged,
        )


@pytest.fixture
def inverter() -> Inverter:
    return Inverter()


@pytest.fixture
def order_for() -> Callable[..., Order]:
    """An order with a fresh Inverter: order_for(root, existing="skip", slow_seconds=0.1, ...)."""

    def build(root: Path | None, **changes: Any) -> Order:
        ours = {name: changes.pop(name) for name in list(changes) if name in Inverter.__dataclass_fields__}
        return Order(processor=Inverter(**ours), root=root, **changes)

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
            Image.fromarray(pixels).save(stream, {".png": "PNG", ".tif": "TIFF"}.get(path.suffix.lower(), "JPEG"))
        return path

    return build
