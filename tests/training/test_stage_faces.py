from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from restore_cli import imaging
from restore_cli.errors import NoPhotosFound
from restore_cli.networks import SpadeConfig
from restore_cli.training.config import DataConfig, LoopConfig
from restore_cli.training.recipes import from_table
from restore_cli.training.stage_faces import AgedFaces, FaceStage, FaceStageConfig, aged_face
from restore_cli.weights import load_network
from restore_cli.weights.manifest import read_manifest

PORTRAIT = Path(__file__).parents[1] / "data" / "faces" / "astronaut.jpg"
NETWORK = SpadeConfig(face_px=256, width=2, hidden_width=4)
DATA = DataConfig(validation_photos=1, recipe={"name": "realistic", "border_chance": 0.0, "grey_chance": 0.5})


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return cv2.resize(imaging.read(PORTRAIT).pixels[20:180, 65:225], (256, 256), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory, face: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("crops")
    for number in range(3):
        pixels = np.ascontiguousarray(np.roll(face, 3 * number, axis=1))
        imaging.write(imaging.Photo(pixels, None, imaging.Carried()), folder / f"{number}.png")
    return folder


def stage(crops: Path) -> FaceStage:
    return FaceStage(config=FaceStageConfig(network=NETWORK), loop=LoopConfig(steps=2), data=DATA, crops=crops)


def test_samples_follow_from_their_number(crops: Path) -> None:
    paths = sorted(crops.glob("*.png"))
    one, two = (AgedFaces(paths, DATA, face_px=256, smallest_face_px=24, seed=1) for _ in range(2))
    for key in ("clean", "aged"):
        assert one[5][key].shape == (3, 256, 256)
        assert torch.equal(one[5][key], two[5][key])
        assert not torch.equal(one[5][key], one[6][key])


def test_an_aged_face_is_as_coarse_as_a_small_photo_of_it(face: np.ndarray) -> None:
    """Shown at 24 pixels and enlarged: nothing finer than ten pixels of the square is left."""
    recipe = from_table({"name": "realistic", "border_chance": 0.0, "grey_chance": 0.0, "damage_chance": 0.0})
    large = cv2.resize(face, (256, 256))
    sides = [aged_face(large, np.random.default_rng(seed), recipe, 24)[1] for seed in range(12)]
    fine = [float(np.abs(np.diff(side.astype(float), n=2, axis=1)).mean()) for side in sides]
    assert min(fine) < 0.3 * max(fine)
    with_itself, _ = aged_face(large, np.random.default_rng(0), recipe, 24)
    np.testing.assert_array_equal(with_itself, large)


def test_a_grey_old_face_has_a_grey_target(face: np.ndarray) -> None:
    recipe = from_table({"name": "realistic", "border_chance": 0.0, "grey_chance": 1.0})
    clean, _ = aged_face(face, np.random.default_rng(0), recipe, 200)
    assert np.ptp(clean, axis=2).max() == 0


def test_a_step_lowers_the_losses_on_its_own_batch(crops: Path) -> None:
    faces = stage(crops)
    sample = faces.dataset()[0]
    batch = {key: value[None] for key, value in sample.items()}
    optimizer = torch.optim.AdamW(faces.networks.parameters(), lr=5e-3)
    totals = []
    for _ in range(4):
        losses = faces.players()[0].objective(batch)
        assert set(losses) == {"l1", "gradient"}
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < totals[0]


def test_the_exported_generator_is_declared_and_loads(crops: Path, tmp_path: Path) -> None:
    faces = stage(crops)
    faces.networks.eval()
    figures = faces.validate(faces.networks)
    assert set(figures) == {"psnr_db", "aged_psnr_db"}
    assert figures["aged_psnr_db"] > 5
    faces.export(faces.networks, tmp_path)
    assert read_manifest(tmp_path).roles == {"faces.256": "faces_256.safetensors"}
    assert load_network(tmp_path / "faces_256.safetensors").config == NETWORK


@pytest.mark.parametrize(
    ("wrong", "word"), [({"network": SpadeConfig(face_px=128)}, "128"), ({"smallest_face_px": 300}, "300")]
)
def test_settings_that_restoring_could_not_use_are_refused(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        FaceStageConfig(**wrong)  # type: ignore[arg-type]


def test_a_folder_without_faces_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(NoPhotosFound):
        stage(tmp_path)
