"""`oldphoto train tone --init MODEL`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests_training_photos import write_photos

from restore_cli.cli.main import main
from restore_cli.networks import ToneConfig, ToneNet
from restore_cli.training.config import DataConfig, LoopConfig
from restore_cli.training.model_folder import declare_roles
from restore_cli.training.stage_tone import ToneStage, ToneStageConfig
from restore_cli.weights.network_file import load_network, save_network

WORDS = ["--steps", "1", "--batch-size", "2", "--workers", "0", "--device", "cpu"]


def test_the_seed_decides_the_first_weights(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "clean", 4)

    def first_weights(seed: int) -> torch.Tensor:
        torch.rand(seed + 3)  # whatever was drawn before
        stage = ToneStage(
            config=ToneStageConfig(network=ToneConfig(thumbnail=16, width=4)),
            loop=LoopConfig(seed=seed),
            data=DataConfig(crop=64),
            clean=photos,
            damage=None,
        )
        return torch.cat([tensor.flatten().float() for tensor in stage.networks.state_dict().values()])

    assert torch.equal(first_weights(1), first_weights(1))
    assert not torch.equal(first_weights(1), first_weights(2))


def test_the_tone_network_of_a_model_goes_on(tmp_path: Path) -> None:
    model, out = tmp_path / "model", tmp_path / "out"
    start = ToneNet(ToneConfig(thumbnail=16, width=6))
    torch.nn.init.constant_(start.answer.bias, 0.25)
    model.mkdir()
    save_network(start, model / "tone.safetensors")
    declare_roles(model, {"tone": "tone.safetensors"})
    photos = write_photos(tmp_path / "clean", 4)
    settings = tmp_path / "tone.toml"
    settings.write_text(
        "[loop]\nlr = 1e-6\nema = 0.0\n[stage.network]\nthumbnail = 16\nwidth = 4\n"
        "[data]\ncrop = 64\nvalidation_photos = 1\nvalidation_crop = 32\n"
    )
    words = ["--config", str(settings), *WORDS]
    assert main(["train", "tone", "--clean", str(photos), "--init", str(model), "--output", str(out), *words]) == 0
    made = load_network(out / "tone.safetensors")
    assert isinstance(made, ToneNet)
    assert made.config.width == 6
    assert bool((made.answer.bias > 0.2).all())
    assert "realistic_psnr_db" in json.loads((out / "tone.run.json").read_text())["result"]["figures"]


def test_a_model_without_a_tone_network_cannot_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model"
    model.mkdir()
    declare_roles(model, {})
    photos = write_photos(tmp_path / "clean", 4)
    words = ["--clean", str(photos), "--init", str(model), "--output", str(tmp_path / "out"), *WORDS]
    assert main(["train", "tone", *words]) == 3
    assert "has no tone" in capsys.readouterr().err
