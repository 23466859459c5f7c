"""Thumbnails for the tone network, with the damage that a detector tells."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests_training_photos import write_photos

from restore_cli.cli.main import main
from restore_cli.networks import ScratchUNet, ToneConfig, ToneNet, UNetConfig
from restore_cli.training.config import DataConfig
from restore_cli.training.data import AgedCrops
from restore_cli.training.model_folder import declare_roles
from restore_cli.training.photo_folder import PhotoFolder
from restore_cli.training.thumbnails import DetectedThumbnails
from restore_cli.weights.network_file import load_network, save_network

CONFIG = DataConfig(crop=64, context=0, validation_photos=1, validation_crop=32, recipe={"name": "realistic"})
SETTINGS = {"side": 16, "threshold": (0.3, 0.6), "true_share": 0.0}


@pytest.fixture
def crops(tmp_path: Path) -> AgedCrops:
    return AgedCrops(PhotoFolder.find(write_photos(tmp_path / "clean", 4)).training, CONFIG, seed=0)


def detector(logit: float) -> ScratchUNet:
    """One that gives every pixel this logit."""
    network = ScratchUNet(UNetConfig(base=2, levels=2, colours=3))
    torch.nn.init.zeros_(network.last.weight)
    torch.nn.init.constant_(network.last.bias, logit)
    return network


@pytest.mark.parametrize(("logit", "called"), [(-3.0, -1.0), (3.0, 1.0)])
def test_the_damage_shown_is_what_the_detector_calls(crops: AgedCrops, logit: float, called: float) -> None:
    sample = DetectedThumbnails(crops, detector(logit), **SETTINGS)[0]
    assert (sample["surroundings"][6] == called).all()
    assert torch.equal(sample["mask"], crops[0]["mask"])  # what is compared leaves out the true damage all the same


def test_some_samples_get_the_true_mask(crops: AgedCrops) -> None:
    thumbnails = DetectedThumbnails(crops, detector(3.0), **SETTINGS | {"true_share": 0.5})
    whole = [bool((thumbnails[number]["surroundings"][6] == 1).all()) for number in range(20)]
    assert 3 < sum(whole) < 17


def test_a_sample_is_the_same_whoever_makes_it(crops: AgedCrops) -> None:
    """So that a resumed run goes on as if it had not been stopped."""
    torch.manual_seed(0)
    network = ScratchUNet(UNetConfig(base=2, levels=2, colours=3))
    one, other = (DetectedThumbnails(crops, network, **SETTINGS) for _ in range(2))
    one[0]
    for key in ("aged", "clean", "mask", "surroundings"):
        assert torch.equal(one[1][key], other[1][key])
        assert not torch.equal(one[1][key], one[2][key])


@pytest.mark.parametrize("parts", [("detector", "tone"), ("detector",), ("tone",)])
def test_train_tone_from_a_model(tmp_path: Path, parts: tuple[str, ...]) -> None:
    """Its detector, where there is one, tells the damage, or it is imitated; its tone network goes on."""
    goes_on = "tone" in parts
    model, out = tmp_path / "model", tmp_path / "out"
    model.mkdir()
    if "detector" in parts:
        save_network(detector(-3.0), model / "detector.safetensors")
        declare_roles(model, {"detector": "detector.safetensors"})
    start = ToneNet(replace(ToneConfig(), thumbnail=16, width=6))
    torch.nn.init.constant_(start.answer.bias, 0.25)
    if goes_on:
        save_network(start, model / "tone.safetensors")
        declare_roles(model, {"tone": "tone.safetensors"})
    photos = write_photos(tmp_path / "clean", 4)
    settings = tmp_path / "tone.toml"
    settings.write_text(
        'base = "finetune"\n[loop]\nlr = 1e-6\nema = 0.0\n[stage.network]\nthumbnail = 16\nwidth = 4\n'
        "[data]\ncrop = 64\nvalidation_photos = 1\nvalidation_crop = 32\n"
    )
    words = ["--config", str(settings), "--steps", "1", "--batch-size", "2", "--workers", "0", "--device", "cpu"]
    assert main(["train", "tone", "--clean", str(photos), "--init", str(model), "--output", str(out), *words]) == 0
    made = load_network(out / "tone.safetensors")
    assert isinstance(made, ToneNet)
    assert made.config.width == (6 if goes_on else 4)
    assert bool((made.answer.bias > 0.2).all()) == goes_on
    assert "realistic_psnr_db" in json.loads((out / "tone.run.json").read_text())["result"]["figures"]
