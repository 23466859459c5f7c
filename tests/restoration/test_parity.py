"""The whole way through a photo against the released code, with weights made from names: see tests/networks."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from restore_cli.networks import (
    MAPPING_PATCH,
    MAPPING_QUALITY,
    MAPPING_SCRATCH,
    UNET_RELEASED,
    VAE,
    VAE_RELEASED,
    Mapping,
    ScratchUNet,
)
from restore_cli.restoration.detector import ScratchDetector
from restore_cli.restoration.model import Way
from restore_cli.restoration.passes import Task, whole
from restore_cli.restoration.pixels import to_unit

TESTS = Path(__file__).parents[1]
PARITY = np.load(TESTS / "data" / "parity" / "released.npz")
CPU = torch.device("cpu")
GREY_LEVEL = 1 / 255
MAPPINGS = {"quality": MAPPING_QUALITY, "scratch": MAPPING_SCRATCH, "patch": MAPPING_PATCH}


@pytest.fixture(scope="module")
def networks() -> ModuleType:
    return _module(TESTS / "networks" / "test_parity.py")


@pytest.fixture(scope="module")
def numbers() -> Any:
    return _module(TESTS / "networks" / "conftest.py").NamedNumbers()


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@torch.inference_mode()
def test_detection_at_the_released_resolution(networks: ModuleType, numbers: Any) -> None:
    """The released code rounds the grey photo to 8 bits first; ours does not, hence a grey level."""
    unet = networks.with_released_weights(ScratchUNet, UNET_RELEASED, numbers)
    found = ScratchDetector(unet, device=CPU).probability(PARITY["e2e0.input"], 256)
    np.testing.assert_allclose(found[::4, ::4], PARITY["e2e0.scratch_probability"], atol=GREY_LEVEL)


@pytest.mark.slow
@pytest.mark.parametrize("branch", ["quality", "scratch", "patch"])
@torch.inference_mode()
def test_restoration(branch: str, networks: ModuleType, numbers: Any) -> None:
    encoder = networks.with_released_weights(VAE, VAE_RELEASED, numbers, "v1:A").encoder
    decoder = networks.with_released_weights(VAE, VAE_RELEASED, numbers, "v1:B").decoder
    mapping = networks.with_released_weights(Mapping, MAPPINGS[branch], numbers)
    image = PARITY["e2e0.input"]
    networks.HEIGHT, networks.WIDTH = image.shape[:2]
    mask = networks.scratches()[0, 0].numpy() > 0
    if branch == "quality":
        mask[:] = False
    elif branch == "patch":
        mask = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=3) > 0
    unit = to_unit(whole(Task(Way(encoder, mapping, decoder), image, mask, CPU, torch.float32)))
    np.testing.assert_allclose(unit[::4, ::4], PARITY[f"e2e0.{branch}.unit"], atol=GREY_LEVEL)
