from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests_training_photos import write_photos
from torch.utils.data import DataLoader

from restore_cli.errors import NoPhotosFound, TrainingStopped
from restore_cli.training.config import DataConfig
from restore_cli.training.crops import random_crop
from restore_cli.training.data import (
    AgedCrops,
    RealCrops,
    Together,
    as_detected,
    photo_or_next,
    to_tensor,
    unreadable_photos,
)
from restore_cli.training.feed import StepSampler
from restore_cli.training.photo_folder import PhotoFolder
from restore_cli.training.recipes import MIXED
from restore_cli.training.synthesis import age

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


def test_workers_share_what_they_find_unreadable(photos: Path) -> None:
    """Each process has a cache of its own; the main one, which reads none, must know all the same."""
    (photos / "broken.jpg").write_bytes(b"\xff\xd8nothing")
    crops = AgedCrops(PhotoFolder.find(photos).training, CONFIG, seed=0)
    list(DataLoader(crops, batch_sampler=StepSampler(micro_batch=2, first=0, count=6), num_workers=2))
    assert crops.cache.unreadable == set()
    assert unreadable_photos(crops) == 1
    assert unreadable_photos(Together(crops, RealCrops(crops.paths, CONFIG, seed=0))) == 1


def test_the_number_of_workers_does_not_show_in_the_samples(photos: Path) -> None:
    crops = AgedCrops(PhotoFolder.find(photos).training, CONFIG, seed=0)
    sampler = StepSampler(micro_batch=2, first=0, count=3)
    alone, shared = (list(DataLoader(crops, batch_sampler=sampler, num_workers=n)) for n in (0, 2))
    for one, other in zip(alone, shared, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_sample_is_what_degrade_makes_of_the_crop(photos: Path) -> None:
    """`oldphoto degrade` shows what training sees because both call `age` and nothing else."""
    crops = AgedCrops(PhotoFolder.find(photos).training, replace(CONFIG, context=0, grey_share=0.0), seed=5)
    rng = np.random.default_rng([5, 3])
    clean = random_crop(photo_or_next(crops.paths, crops.cache, 3, 5), 32, (1.0, 1.0), rng)
    rng.random()  # whether it is made grey
    aged = age(clean, rng, crops.recipe)
    assert torch.equal(crops[3]["aged"], to_tensor(aged.image))
    assert torch.equal(crops[3]["mask"][0], torch.from_numpy(aged.mask).float())


def test_turned_photos_come_in_three_ways(photos: Path) -> None:
    """Upside down and on either side."""
    sound = replace(CONFIG, context=0, grey_share=0.0, recipe={"name": "published"})
    paths = PhotoFolder.find(photos).training[:1]
    upright = AgedCrops(paths, sound, seed=5)
    crops = AgedCrops(paths, replace(sound, turned_share=1.0), seed=5)
    ways = set[int]()
    for number in range(12):
        before, after = (np.asarray(part[number]["clean"]) for part in (upright, crops))
        ways |= {way for way in range(4) if np.array_equal(np.rot90(before, way, (1, 2)), after)}
    assert ways == {1, 2, 3}


def test_a_mosaic_is_four_photos_at_the_scale_of_one(tmp_path: Path) -> None:
    """Each of them a photo of one colour here."""
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250), (250, 0, 250)]
    for number, colour in enumerate(colours):
        Image.new("RGB", (40, 40), colour).save(tmp_path / f"{number}.png")
    mosaics = replace(CONFIG, context=0, grey_share=0.0, mosaic_share=1.0, recipe={"name": "published"})
    clean = AgedCrops(PhotoFolder.find(tmp_path).training, mosaics, seed=1)[0]["clean"]
    half = CONFIG.crop // 2
    seen = [quarter[:, 0, 0] for rows in clean.split(half, dim=1) for quarter in rows.split(half, dim=2)]
    expected = torch.stack(seen, dim=1).view(3, 2, 2).repeat_interleave(half, 1).repeat_interleave(half, 2)
    assert torch.equal(clean, expected)
    assert len({tuple(colour.tolist()) for colour in seen}) > 1


def test_the_surroundings_are_the_photo_its_filling_and_its_damage(photos: Path) -> None:
    """What the tone network is shown: where nothing is marked as damage, nothing was filled."""
    paths = PhotoFolder.find(photos).training
    for number in range(4):
        shown = AgedCrops(paths, CONFIG, seed=0, surroundings_px=48)[number]["surroundings"]  # 48: crop and context
        photo, filled, damage = shown.split((3, 3, 1))
        sound = (damage == -1).expand(3, -1, -1)
        assert shown.shape == (7, 48, 48)
        assert torch.equal(photo[sound], filled[sound])


def test_damage_as_a_detector_tells_it_is_partly_missed_and_partly_none() -> None:
    mask = np.zeros((64, 64), bool)
    mask[:, 20:40] = True
    found = [as_detected(mask, np.random.default_rng(number), MIXED) for number in range(60)]
    missed = np.array([1 - each[mask].mean() for each in found])
    invented = np.array([each[~mask].mean() for each in found])
    assert 0.15 < missed.mean() < 0.4
    assert missed.max() < 0.9
    assert 0.2 < (invented > 0).mean() < 0.6
    assert invented.max() < 0.2


def test_nested_photos_of_any_known_format_are_found(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    names = ("x.PNG", "a/y.jfif", "a/b/z.jp2", "a/b/w.webp", "a/.hidden.png", "a/notes.txt")
    for name in names:
        (tmp_path / name).touch()
    assert {path.name for path in PhotoFolder.find(tmp_path).training} == {"x.PNG", "y.jfif", "z.jp2", "w.webp"}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_folder_of_unreadable_photos_stops_training(tmp_path: Path, workers: int) -> None:
    """In one sentence, also where a worker process says it."""
    (tmp_path / "broken.jpg").write_bytes(b"")
    crops = AgedCrops(PhotoFolder.find(tmp_path).training, CONFIG, seed=0)
    sampler = StepSampler(micro_batch=1, first=0, count=1)
    with pytest.raises(TrainingStopped) as caught:
        next(iter(DataLoader(crops, batch_sampler=sampler, num_workers=workers)))
    assert caught.value.message == "none of the training photos can be read"


def test_a_folder_without_photos_stops_training(tmp_path: Path) -> None:
    with pytest.raises(NoPhotosFound, match="no photos"):
        PhotoFolder.find(tmp_path)


def test_validation_photos_are_chosen_by_name_and_not_trained_on(photos: Path) -> None:
    for number in range(8):
        Image.new("RGB", (40, 40)).save(photos / f"more{number}.png")
    split = PhotoFolder.find(photos, validation=2)
    Image.new("RGB", (40, 40)).save(photos / "zzz.png")
    again = PhotoFolder.find(photos, validation=2)
    assert len(split.validation) == 2
    assert not set(split.validation) & set(split.training)
    assert len(set(split.validation) & set(again.validation)) >= 1


def test_of_few_photos_most_are_trained_on(photos: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = sorted(photos.glob("*.*"))
    for count in (2, 3, 4):
        split = PhotoFolder.split(paths[:count], photos, validation=16)
        assert (len(split.training), len(split.validation)) == (count - 1, 1)
    assert "1 of 4 photos are kept for validation, not 16" in caplog.text


def test_one_photo_is_trained_on_only_if_none_is_to_be_kept_apart(photos: Path) -> None:
    (one, *_) = sorted(photos.glob("*.*"))
    with pytest.raises(TrainingStopped, match="one more is needed"):
        PhotoFolder.split([one], photos, validation=16)
    assert PhotoFolder.split([one], photos, validation=0).training == (one,)


def test_two_parts_have_no_photo_in_common_and_a_new_photo_moves_few(photos: Path) -> None:
    def parts() -> tuple[set[Path], set[Path]]:
        near, far = (PhotoFolder.find(photos, validation=1, part=part) for part in ((0.0, 0.7), (0.7, 1.0)))
        assert near.validation == far.validation
        return set(near.training), set(far.training)

    first, second = parts()
    everything = PhotoFolder.find(photos, validation=1)
    assert first
    assert second
    assert not first & second
    assert first | second == set(everything.training)
    Image.new("RGB", (40, 40)).save(photos / "zzz.png")
    assert len(first & parts()[1]) + len(second & parts()[0]) <= 1


def test_a_part_without_photos_stops_training(photos: Path) -> None:
    with pytest.raises(TrainingStopped, match="is none"):
        PhotoFolder.find(photos, part=(0.0, 0.01))


def test_a_small_photo_is_enlarged() -> None:
    photo = np.zeros((10, 20, 3), np.uint8)
    assert random_crop(photo, 32, (1.0, 1.0), np.random.default_rng(0)).shape == (32, 32, 3)
