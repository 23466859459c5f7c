"""Octaves of a restored photo become one, whatever the pieces: no seam can show because none exists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from restore_cli import Restorer, weights
from restore_cli.imaging import read
from restore_cli.networks import Fusion, FusionConfig
from restore_cli.networks.half_size import SHRINK, shrunk
from restore_cli.networks.unet import fold_batch_norms
from restore_cli.restoration.box import Box
from restore_cli.restoration.fusing import fused, octave_tasks
from restore_cli.restoration.model import RestorationModel
from restore_cli.restoration.passes import Task, prepare

SAMPLES = Path(__file__).parents[2] / "samples"


def lively(config: FusionConfig) -> Fusion:
    """Random weights that say something else for every place."""
    torch.manual_seed(3)
    network = Fusion(config).eval()
    torch.nn.init.normal_(network.last.weight, std=1.0)
    return fold_batch_norms(network)


def task(folder: Path, height: int, width: int) -> Task:
    model = RestorationModel.load(folder, device="cpu", precision="fp32")
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = rng.random((height, width)) > 0.95
    return prepare(model.way("scratch"), image, mask, device=model.device, dtype=model.dtype)


def cut_up(restored: Tensor, rows: int) -> Iterator[tuple[Box, Tensor]]:
    height, width = restored.shape[2:]
    for top in range(0, height, rows):
        box = Box(top, 0, top + rows, width).clipped(height, width)
        yield box, restored[:, :, box.top : box.bottom]


def put_together(work: Task, network: Fusion, restored: Tensor, farther: Tensor, rows: int) -> Tensor:
    together, done = torch.full_like(restored, torch.nan), 0
    for box, piece in fused(work, network, cut_up(restored, rows), farther):
        assert (box.top, box.left, box.right) == (done, 0, restored.shape[3])
        together[:, :, box.top : box.bottom] = piece
        done = box.bottom
    return together


@torch.inference_mode()
@pytest.mark.parametrize("rows", [4, 16, 64, 160])
def test_fused_in_pieces_is_fused_in_one_piece(tiny_model: Path, rows: int) -> None:
    work, network = task(tiny_model, 160, 192), lively(FusionConfig(base=4, levels=2))
    restored, farther = torch.rand(1, 3, 160, 192) * 2 - 1, torch.rand(1, 3, 80, 96) * 2 - 1
    shown, mask = work.shown(Box(0, 0, 160, 192))
    expected = network(restored, farther, shown, mask)
    assert (expected - restored).abs().mean() > 0.05
    torch.testing.assert_close(put_together(work, network, restored, farther, rows), expected, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_a_photo_of_any_size_is_fused_to_its_last_pixel(tiny_model: Path) -> None:
    work, network = task(tiny_model, 151, 187), lively(FusionConfig(base=4, levels=2))
    restored, farther = torch.rand(1, 3, 151, 187), torch.rand(1, 3, 75, 93)
    by_bands, whole = (put_together(work, network, restored, farther, rows) for rows in (20, 151))
    assert not whole.isnan().any()
    torch.testing.assert_close(by_bands, whole, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_what_is_fused_lies_between_the_octaves() -> None:
    """Where they agree nothing changes; where weights are one, the coarse structure is that of the farther one."""
    torch.manual_seed(6)
    network = Fusion(FusionConfig(base=4, levels=1)).eval()
    restored, mask = torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    torch.testing.assert_close(network(restored, shrunk(restored), restored, mask), restored)
    farther = shrunk(restored) + 0.25
    torch.testing.assert_close(network(restored, farther, restored, mask), restored + 0.125)
    torch.nn.init.constant_(network.last.bias, 30.0)
    taken = F.interpolate(farther - shrunk(restored), scale_factor=SHRINK, mode="bilinear")
    torch.testing.assert_close(network(restored, farther, restored, mask), restored + taken)


def test_octaves_halve_photo_and_damage_down_to_a_small_one(tiny_model: Path) -> None:
    work = task(tiny_model, 850, 1001)
    assert len(octave_tasks(work)) == 1  # the model has no fusion
    work.mask[:] = False
    work.mask[100:102, 200:300] = True
    with_fusion = replace(work, way=replace(work.way, fusion=lively(FusionConfig(base=4))))
    tasks = octave_tasks(with_fusion)
    assert [t.mask.shape for t in tasks] == [(850, 1001), (425, 500), (212, 250)]
    assert tasks[1].mask.sum() == 50
    assert tasks[1].mask[50, 100:150].all()
    means = work.image[:850, :1000].reshape(425, 2, 500, 2, 3).mean(axis=(1, 3))
    assert np.abs(tasks[1].image - means).max() <= 1
    assert len(octave_tasks(replace(with_fusion, image=work.image[:399], mask=work.mask[:399]))) == 1


def test_a_model_with_fusion_restores_the_same_in_little_memory(tiny_model: Path, tmp_path: Path) -> None:
    manifest, folder = weights.manifest.read_manifest(tiny_model), tmp_path / "fusing"
    folder.mkdir()
    for file in manifest.roles.values():
        (folder / file).write_bytes((tiny_model / file).read_bytes())
    torch.manual_seed(4)
    network = Fusion(FusionConfig(base=4)).eval()
    torch.nn.init.normal_(network.last.weight, std=0.3)
    weights.save_network(network, folder / "fusion.safetensors")
    roles = {**manifest.roles, "fusion": "fusion.safetensors"}
    weights.write_manifest(folder, name="fusing", roles=roles)
    photo = np.random.default_rng(5).integers(0, 256, (410, 431, 3), dtype=np.uint8)
    mask = np.zeros((410, 431), bool)
    mask[50:60] = True
    plenty, little, without = (
        Restorer.load(model, device="cpu", precision="fp32", max_memory_bytes=limit).restore(photo, mask).image
        for model, limit in ((folder, 2**40), (folder, 1), (tiny_model, 2**40))
    )
    assert np.abs(plenty.astype(int) - little).max() <= 1
    assert np.abs(plenty.astype(int) - without).mean() > 1


def test_the_bundled_model_takes_away_grain_that_is_many_pixels_broad(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a scan of high resolution; from near by alone it would be turned into blotches."""
    scene = read(SAMPLES / "coffee.jpg").pixels[100:240, 200:340]
    scan = cv2.GaussianBlur(cv2.resize(scene, (420, 420), interpolation=cv2.INTER_CUBIC), (0, 0), 4)
    grain = cv2.GaussianBlur(np.random.default_rng(0).standard_normal(scan.shape[:2]), (0, 0), 2)
    grainy = np.clip(np.rint(scan + 18 / grain.std() * grain[:, :, None]), 0, 255).astype(np.uint8)
    restorer = Restorer.load("small", device="cpu", precision="fp32")

    def left() -> float:
        """Grey levels, on average: what is not as smooth as the scan was."""
        made = restorer.restore(grainy, np.zeros(scan.shape[:2], bool)).image.astype(np.float32)
        return float(np.abs(made - cv2.GaussianBlur(made, (0, 0), 4)).mean())

    fused = left()
    monkeypatch.setattr("restore_cli.networks.fusion.FARTHEST_PX", 10**6)
    assert fused < 0.65 * left()
