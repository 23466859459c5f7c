from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests_training_photos import write_photos

from restore_cli.errors import NoPhotosFound, TrainingStopped
from restore_cli.training.config import DataConfig
from restore_cli.training.data import AgedCrops, PhotoFolder, RealCrops, StepSampler, Together, random_crop

CONFIG = DataConfig(crop=32, context=8, validation_photos=0, recipe={"name": "mixed"})


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "clean", 5)


def test_a_sample_depends_on_seed_and_number_alone(photos: Path) -> None:
    """Workers and processes ask for numbers in any order and share nothing."""
    paths = PhotoFolder.find(photos).training
    one, other = AgedCrops(paths, CONFIG, seed=3), AgedCrops(paths, CONFIG, seed=3)
    for number in (7, 2):
        other[number]
    for key, value in one[2].items():
        assert torch.equal(value, other[2][key])
    assert not torch.equal(one[2]["aged"], AgedCrops(paths, CONFIG, seed=4)[2]["aged"])


def test_shapes_and_ranges(photos: Path) -> None:
    paths = PhotoFolder.find(photos).training
    sample = Together(AgedCrops(paths, CONFIG, seed=0), RealCrops(paths, CONFIG, seed=0))[0]
    assert {key: tuple(value.shape) for key, value in sample.items()} == {
        "clean": (3, 32, 32),
        "aged": (3, 32, 32),
        "mask": (1, 32, 32),
        "old": (3, 32, 32),
        "number": (),
    }
    assert all(value.min() >= -1 and value.max() <= 1 for key, value in sample.items() if key != "number")
    assert set(sample["mask"].unique().tolist()) <= {0.0, 1.0}


def test_each_photo_comes_once_a_pass(photos: Path) -> None:
    paths = PhotoFolder.find(photos).training
    crops = AgedCrops(paths, CONFIG, seed=0)
    for number in range(len(paths)):
        crops[number]
    assert len(crops.cache._photos) == len(paths)


def test_an_unreadable_photo_is_counted_and_passed_over(photos: Path, caplog: pytest.LogCaptureFixture) -> None:
    (photos / "broken.jpg").write_bytes(b"\xff\xd8nothing")
    crops = AgedCrops(PhotoFolder.find(photos).training, CONFIG, seed=0)
    for number in range(12):
        crops[number]
    assert {path.name for path in crops.cache.unreadable} == {"broken.jpg"}
    assert caplog.text.count("broken.jpg") == 1


def test_a_folder_of_unreadable_photos_stops_training(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"")
    with pytest.raises(TrainingStopped, match="none of the training photos"):
        AgedCrops(PhotoFolder.find(tmp_path).training, CONFIG, seed=0)[0]


def test_a_folder_without_photos_stops_training(tmp_path: Path) -> None:
    with pytest.raises(NoPhotosFound, match="no photos"):
        PhotoFolder.find(tmp_path)


def test_validation_photos_are_chosen_by_name_and_not_trained_on(photos: Path) -> None:
    split = PhotoFolder.find(photos, validation=2)
    Image.new("RGB", (40, 40)).save(photos / "zzz.png")
    again = PhotoFolder.find(photos, validation=2)
    assert len(split.validation) == 2
    assert not set(split.validation) & set(split.training)
    assert len(set(split.validation) & set(again.validation)) >= 1


@pytest.mark.parametrize("world", [1, 2, 4])
def test_processes_share_a_batch_without_gap_or_overlap(world: int) -> None:
    shares = [list(StepSampler(micro_batch=4, first=3, count=5, rank=r, world=world)) for r in range(world)]
    for step in range(2):
        assert sorted(n for share in shares for n in share[step]) == list(range(4 * (3 + step), 4 * (4 + step)))


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(TrainingStopped, match="3 samples"):
        StepSampler(micro_batch=3, first=0, count=1, world=2)


def test_a_small_photo_is_enlarged() -> None:
    photo = np.zeros((10, 20, 3), np.uint8)
    assert random_crop(photo, 32, (1.0, 1.0), np.random.default_rng(0)).shape == (32, 32, 3)
