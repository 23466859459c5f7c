"""`oldphoto detect-scratches` on a real, tiny model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restore_cli.cli.detect import parse_resolution
from restore_cli.cli.main import main
from restore_cli.errors import UsageProblem

Detect = Callable[..., int]


@pytest.fixture
def detect(tiny_model: Path) -> Detect:
    def run(*arguments: str | Path) -> int:
        return main(["detect-scratches", "--model", str(tiny_model), "--device", "cpu", *map(str, arguments)])

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in" / "a.jpg")
    return tmp_path / "in" / "a.jpg"


def test_the_mask_is_grey_and_white_where_damaged(
    photo: Path, tmp_path: Path, detect: Detect, capsys: pytest.CaptureFixture[str]
) -> None:
    assert detect("--json", "--threshold", "0.5", photo.parent, tmp_path / "out") == 0
    with Image.open(tmp_path / "out" / "a_mask.png") as mask:
        assert (mask.mode, mask.size) == ("L", (90, 70))
        white = np.asarray(mask) == 255
        assert np.array_equal(white, np.asarray(mask) > 0)
    row = json.loads(capsys.readouterr().out)
    assert (row["status"], row["output"]) == ("done", str(tmp_path / "out" / "a_mask.png"))
    assert row["damaged_fraction"] == pytest.approx(white.mean())


def test_probability_and_threshold_agree(photo: Path, tmp_path: Path, detect: Detect) -> None:
    """Up to rounding: the map has steps of 1/255."""
    assert detect("--probability", photo, tmp_path / "map.png") == 0
    scaled = np.asarray(Image.open(tmp_path / "map.png")).astype(float)
    assert len(np.unique(scaled)) > 2
    middle = float(np.median(scaled)) / 255
    assert detect("--threshold", middle, photo, tmp_path / "mask.png") == 0
    white = np.asarray(Image.open(tmp_path / "mask.png")) == 255
    assert scaled[white].min() >= 255 * middle - 0.5
    assert scaled[~white].max() <= 255 * middle + 0.5


def test_the_overlay_is_red_where_damaged_and_the_photo_elsewhere(photo: Path, tmp_path: Path, detect: Detect) -> None:
    assert detect("--probability", photo, tmp_path / "map.png") == 0
    middle = float(np.median(np.asarray(Image.open(tmp_path / "map.png")))) / 255
    assert detect("--overlay", "--threshold", middle, photo, tmp_path / "out") == 0
    white = np.asarray(Image.open(tmp_path / "out" / "a_mask.png")) == 255
    before = np.asarray(Image.open(photo))
    after = np.asarray(Image.open(tmp_path / "out" / "a_overlay.png"))
    assert 0 < white.mean() < 1
    assert np.array_equal(after[~white], before[~white])
    assert (after[white][:, 0] >= 178).all()
    assert (after[white][:, 1:] < 77).all()


def test_a_rerun_skips(photo: Path, tmp_path: Path, detect: Detect, capsys: pytest.CaptureFixture[str]) -> None:
    for status in ("done", "skipped"):
        assert detect("--json", photo, tmp_path / "out") == 0
        assert json.loads(capsys.readouterr().out)["status"] == status
    assert detect("--json", "--resolution", "256", photo, tmp_path / "out") == 0
    assert json.loads(capsys.readouterr().out)["status"] == "done"


def test_exit_codes(photo: Path, tmp_path: Path, detect: Detect) -> None:
    assert detect(photo, tmp_path / "mask.jpg") == 2
    assert detect(photo.parent, photo.parent / "masks") == 2
    photo.write_bytes(b"")
    assert detect(photo, tmp_path / "mask.png") == 1
    photo.unlink()
    assert detect(photo.parent, tmp_path / "out") == 4


def test_resolution() -> None:
    assert parse_resolution("full") == "full"
    assert parse_resolution("256") == 256
    for text in ("0", "-5", "big", "256px", "999999"):
        with pytest.raises(UsageProblem):
            parse_resolution(text)
