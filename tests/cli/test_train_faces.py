"""`oldphoto train faces` as the shell sees it, on two photos and a generator of a few kilobytes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restore_cli import imaging
from restore_cli.cli.main import main
from restore_cli.weights.manifest import add_to_manifest
from restore_cli.weights.places import model_folder

DATA = Path(__file__).parents[1] / "data" / "faces"
SETTINGS = """
[loop]
steps = 1
batch_size = 2
warmup_steps = 0
[data]
validation_photos = 1
[stage]
network = { face_px = 256, width = 1, hidden_width = 2 }
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """A folder of two portraits, enlarged so that their faces are worth training on."""
    portrait = imaging.read(DATA / "astronaut.jpg").pixels[:200, 40:240].repeat(2, axis=0).repeat(2, axis=1)
    (tmp_path / "photos").mkdir()
    for name, pixels in {"one.png": portrait, "two.png": portrait[:, ::-1]}.items():
        photo = imaging.Photo(np.ascontiguousarray(pixels), None, imaging.Carried())
        imaging.write(photo, tmp_path / "photos" / name)
    (tmp_path / "tiny.toml").write_text(SETTINGS, encoding="utf-8")
    options = {"--clean": "photos", "--output": "run", "--config": "tiny.toml"}
    paths = [part for option, name in options.items() for part in (option, str(tmp_path / name))]
    return ["train", "faces", *paths, "--device", "cpu", "--precision", "fp32", "--workers", "0"]


def install_detector() -> None:
    folder = model_folder("face-detector")
    folder.mkdir(parents=True)
    shutil.copy(DATA / "yunet_n_320_320.onnx", folder / "yunet.onnx")
    add_to_manifest(folder, name="face-detector", roles=("face_detector",), file="yunet.onnx", origin="test")


def test_an_output_among_the_photos_is_refused_before_faces_are_cut_out(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install_detector()
    assert main([*arguments, "--output", str(tmp_path / "photos" / "run")]) == 2
    assert "which is trained on" in capsys.readouterr().err
    assert not (tmp_path / "photos" / "run").exists()


def test_a_run_makes_a_generator_that_restores_faces(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the folder of the run as --model: what it does not hold comes from the bundled model.

    The photo has grain: one that is sound otherwise would come back untouched, but where its faces are refined.
    """
    install_detector()
    assert main(arguments) == 0
    photo = imaging.read(DATA / "astronaut.jpg").pixels
    grainy = (photo + np.random.default_rng(0).normal(0, 12, photo.shape)).clip(0, 255).astype(np.uint8)
    Image.fromarray(grainy).save(tmp_path / "grainy.png")
    assert len(list((tmp_path / "run" / "faces").glob("*.png"))) == 2
    capsys.readouterr()
    restore = ["restore", "--json", "--model", str(tmp_path / "run"), "--no-scratches", "--device", "cpu"]
    results = []
    for faces in ("on", "off"):
        target = tmp_path / f"{faces}.png"
        assert main([*restore, "--faces", faces, str(tmp_path / "grainy.png"), str(target)]) == 0
        results.append((json.loads(capsys.readouterr().out)["faces"], imaging.read(target).pixels.astype(int)))
    (found, refined), (none, plain) = results
    assert [face["action"] for face in found] == ["refined"]
    assert none == []
    changed = np.argwhere((refined != plain).any(axis=2))
    x, y, width, height = found[0]["box"]
    assert changed.min(axis=0) == pytest.approx([y, x], abs=0.6 * height)
    assert changed.max(axis=0) == pytest.approx([y + height, x + width], abs=0.6 * height)


def test_without_the_detector_it_says_how_to_get_it(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 3
    assert "oldphoto weights download face-detector" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
