"""Photos with hand-made masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from tests_training_photos import write_pairs, write_photos

from restore_cli.errors import NoPhotosFound
from restore_cli.networks import ScratchUNet, UNetConfig
from restore_cli.training.config import DataConfig, LoopConfig
from restore_cli.training.labelled import LabelledCrops, find_pairs, labelled_samples
from restore_cli.training.stage_detector import DetectorStage, DetectorStageConfig
from restore_cli.training.trainer import Trainer

DATA = DataConfig(crop=32, context=0, validation_photos=16, validation_crop=64, scale=(0.5, 1.0))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "pairs", 6)


def test_a_fifth_of_the_labels_at_most_is_kept_apart(pairs: Path, caplog: pytest.LogCaptureFixture) -> None:
    (pairs / "photo5_mask.png").unlink()
    with caplog.at_level("WARNING", logger="restore_cli"):
        found = find_pairs(pairs, validation=16)
    assert (len(found.training), len(found.validation)) == (4, 1)
    assert "1 of 6" in caplog.text


def test_photos_without_any_mask_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NoPhotosFound, match="has a mask"):
        find_pairs(write_photos(tmp_path / "photos", 2), validation=0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoPhotosFound, match="no photos"):
        find_pairs(tmp_path / "empty", validation=0)


def test_mask_and_photo_are_cut_and_flipped_together(pairs: Path) -> None:
    """The scratch is the brightest thing in the photo, so wherever the mask is, the crop is bright."""
    crops = LabelledCrops(find_pairs(pairs, validation=0).training, DATA, seed=0)
    bright, marked = [], 0
    for number in range(30):
        sample = crops[number]
        assert sample["aged"].shape == (3, 32, 32)
        assert sample["mask"].shape == (1, 32, 32)
        marked += int(sample["mask"].sum())
        if sample["mask"].any():
            inside = sample["aged"].mean(dim=0)[sample["mask"][0] > 0]
            bright.append(float((inside > 0.5).float().mean()))
    assert marked > 0
    assert np.mean(bright) > 0.6  # where a photo shrinks, the mask takes in a pixel beside the scratch
    for key, value in crops[4].items():
        assert torch.equal(value, LabelledCrops(crops.paths, DATA, seed=0)[4][key])


def test_a_mask_of_another_size_or_none_that_can_be_read_is_a_counted_skip(pairs: Path) -> None:
    Image.new("L", (10, 10)).save(pairs / "photo0_mask.png")
    (pairs / "photo1_mask.png").write_bytes(b"no picture")
    crops = LabelledCrops(find_pairs(pairs, validation=0).training, DATA, seed=0)
    for number in range(12):
        crops[number]
    assert crops.cache.unreadable_count == 2


def test_validation_takes_the_middle_of_whole_photos(pairs: Path) -> None:
    (sample,) = labelled_samples(find_pairs(pairs, validation=1).validation, DATA)
    assert sample["aged"].shape == (3, 32, 64)
    assert sample["mask"].mean() == pytest.approx(3 / 64, abs=1e-6)


def test_fine_tuning_starts_from_the_given_detector_and_reports_on_labels(pairs: Path, tmp_path: Path) -> None:
    start = ScratchUNet(UNetConfig(base=2, levels=2)).requires_grad_(False)
    before = {key: value.clone() for key, value in start.state_dict().items()}
    loop = LoopConfig(steps=3, batch_size=2, tensorboard=False)
    config = DetectorStageConfig(network=start.config, logit_shift=-5.0)
    stage = DetectorStage(config=config, loop=loop, data=DATA, clean=None, damage=None, pairs=pairs, start=start)
    assert all(torch.equal(value, before[key]) for key, value in stage.networks["detector"].state_dict().items())
    assert stage.logit_shift == 0, "the detector that was exported holds its shift already"
    (tmp_path / "run").mkdir()
    figures = Trainer(stage, tmp_path / "run", accelerator=Accelerator(cpu=True), workers=0).run()
    assert set(figures) == {"labelled_f1", "labelled_auc"}
    assert any(not torch.equal(v, before[k]) for k, v in stage.networks["detector"].state_dict().items())
    assert (tmp_path / "run" / "detector.sheets" / "000003.png").is_file()
