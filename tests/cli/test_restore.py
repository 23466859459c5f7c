"""`oldphoto restore` on a real, tiny model: the contract as the shell sees it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restore_cli.batch.journal import NAME as JOURNAL
from restore_cli.cli.main import main

Restore = Callable[..., int]
JSON_KEYS = {"input", "output", "status", "seconds", "size", "damaged_fraction", "faces", "error"}


def noise(path: Path, *, size: tuple[int, int] = (40, 24), seed: int = 0) -> Path:
    """A photo of (width, height) that no lossless format keeps small and no model finds nothing wrong with."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    noise(tmp_path / "in" / "a.png", seed=1)
    noise(tmp_path / "in" / "b.jpg", seed=2)
    noise(tmp_path / "in" / "sub" / "c.webp", seed=3)
    return tmp_path / "in"


@pytest.fixture
def restore(tiny_model: Path) -> Restore:
    def run(*arguments: str | Path) -> int:
        return main(["restore", "--model", str(tiny_model), "--device", "cpu", *map(str, arguments)])

    return run


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_folder(photos: Path, tmp_path: Path, restore: Restore) -> None:
    out = tmp_path / "out"
    assert restore(photos, out) == 0
    assert sorted(path.name for path in out.iterdir()) == [JOURNAL, "a.png", "b.jpg"]
    assert restore("-r", photos, out) == 0
    for name in ("a.png", "b.jpg", "sub/c.webp"):
        with Image.open(photos / name) as before, Image.open(out / name) as after:
            assert (before.size, before.format) == (after.size, after.format)


def test_one_file_to_another_format(photos: Path, tmp_path: Path, restore: Restore) -> None:
    assert restore(photos / "b.jpg", tmp_path / "b.tif") == 0
    assert Image.open(tmp_path / "b.tif").format == "TIFF"


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (64, 16)])
def test_the_output_has_the_inputs_size(tmp_path: Path, restore: Restore, size: tuple[int, int]) -> None:
    assert restore(noise(tmp_path / "a.png", size=size), tmp_path / "b.png") == 0
    assert Image.open(tmp_path / "b.png").size == size


def test_json_has_one_object_a_photo_and_nothing_else(
    photos: Path, tmp_path: Path, restore: Restore, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "bad.jpg").write_bytes(b"no photo")
    assert restore("--json", photos, tmp_path / "out") == 1
    told = {Path(str(row["input"])).name: row for row in rows(capsys)}
    assert {name: row["status"] for name, row in told.items()} == {
        "a.png": "done",
        "b.jpg": "done",
        "bad.jpg": "failed",
    }
    assert all(set(row) == JSON_KEYS for row in told.values())
    assert told["a.png"]["size"] == [40, 24]
    assert told["a.png"]["output"] == str(tmp_path / "out" / "a.png")
    assert told["a.png"]["error"] is None
    assert told["bad.jpg"]["output"] is None
    assert "bad.jpg" in str(told["bad.jpg"]["error"])


def test_a_rerun_skips_and_other_settings_do_not(
    photos: Path, tmp_path: Path, restore: Restore, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, status in (
        ([], "done"),
        ([], "skipped"),
        (["--strength", "0.5"], "done"),
        (["--strength", "0.5", "--existing", "fail"], "failed"),
        (["--strength", "0.5", "--existing", "overwrite"], "done"),
    ):
        assert restore("--json", *options, photos, tmp_path / "out") == (status == "failed")
        assert {row["status"] for row in rows(capsys)} == {status}


@pytest.mark.parametrize("name", ["a.png", "b.jpg", "sub/c.webp"])
def test_strength_0_gives_back_the_pixels(photos: Path, tmp_path: Path, restore: Restore, name: str) -> None:
    """Also of a JPEG, which encoding again would change."""
    target = tmp_path / "out" / Path(name).name
    assert restore("--strength", "0", photos / name, target.parent) == 0
    assert np.array_equal(np.asarray(Image.open(photos / name)), np.asarray(Image.open(target)))


def test_no_scratches_finds_none(
    photos: Path, tmp_path: Path, restore: Restore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restore("--json", "--no-scratches", photos, tmp_path / "out") == 0
    assert {row["damaged_fraction"] for row in rows(capsys)} == {0.0}


def test_a_mask_given_by_hand_overrides_detection(
    photos: Path, tmp_path: Path, restore: Restore, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "masks").mkdir()
    mask = np.zeros((24, 40), np.uint8)
    mask[:6] = 255
    Image.fromarray(mask).save(tmp_path / "masks" / "a_mask.png")
    arguments = ("--json", "--save-mask", photos / "a.png")
    assert restore("--mask-dir", tmp_path / "masks", *arguments, tmp_path / "one") == 0
    assert restore("--mask", tmp_path / "masks" / "a_mask.png", *arguments, tmp_path / "other") == 0
    assert [row["damaged_fraction"] for row in rows(capsys)] == [0.25, 0.25]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "one" / "a_mask.png")), mask)


def test_a_mask_of_another_size_is_a_failed_row(photos: Path, tmp_path: Path, restore: Restore) -> None:
    noise(tmp_path / "mask.png", size=(5, 5))
    assert restore("--mask", tmp_path / "mask.png", photos / "a.png", tmp_path / "out.png") == 1
    assert not (tmp_path / "out.png").exists()


def test_side_files(photos: Path, tmp_path: Path, restore: Restore) -> None:
    report = tmp_path / "pages" / "run.html"
    assert restore("--save-mask", "--sidecar", "--report", report, photos / "a.png", tmp_path / "out") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {JOURNAL, "a.png", "a_mask.png", "a.json"}
    assert json.loads((tmp_path / "out" / "a.json").read_text())["model"]["name"] == "tiny"
    assert "a.png" in report.read_text()


def test_format_quality_and_suffix(photos: Path, tmp_path: Path, restore: Restore) -> None:
    assert restore("--format", "jpg", "--quality", "20", "--suffix", "_low", photos / "a.png", tmp_path / "out") == 0
    assert restore("--format", "jpg", "--quality", "98", "--suffix", "_high", photos / "a.png", tmp_path / "out") == 0
    low, high = ((tmp_path / "out" / f"a_{name}.jpg").stat().st_size for name in ("low", "high"))
    assert low < 0.9 * high


@pytest.mark.parametrize(("limit", "warned"), [("1MB", True), ("8GB", False)])
def test_a_limit_that_cannot_be_kept_is_said(
    photos: Path, tmp_path: Path, restore: Restore, capsys: pytest.CaptureFixture[str], limit: str, *, warned: bool
) -> None:
    assert restore("--max-memory", limit, photos, tmp_path / "out") == 0
    assert ("--max-memory cannot be kept" in capsys.readouterr().err) == warned


def test_faces_on_without_face_weights_is_3_and_says_how_to_get_them(
    photos: Path, tmp_path: Path, restore: Restore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restore("--faces", "on", photos, tmp_path / "out") == 3
    assert "face weights not installed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_missing_model_is_3_and_nothing_is_written(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["restore", "--model", str(tmp_path / "none"), str(photos), str(tmp_path / "out")]) == 3
    assert "no model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_without_photos_is_4(tmp_path: Path, restore: Restore) -> None:
    (tmp_path / "in").mkdir()
    assert restore(tmp_path / "in", tmp_path / "out") == 4


def test_what_is_refused_before_anything_runs(photos: Path, tmp_path: Path, restore: Restore) -> None:
    noise(tmp_path / "other" / "a.png")
    for arguments in (
        (photos, photos / "out"),
        (photos, photos),
        (photos, tmp_path / "other", tmp_path / "out"),
        (photos / "a.png", photos / "a.png"),
        ("--json", photos / "a.png", "-"),
        ("--report", photos / "b.jpg", photos, tmp_path / "out"),
    ):
        assert restore(*arguments) == 2
    assert not (tmp_path / "out").exists()
    assert not (photos / "out").exists()


def test_shards_together_do_everything_once(
    photos: Path, tmp_path: Path, restore: Restore, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):
        noise(photos / f"{number}.png", seed=number)
    for shard in ("1/3", "2/3", "3/3"):
        assert restore("--json", "-r", "--shard", shard, photos, tmp_path / "out") == 0
    done = [row["input"] for row in rows(capsys)]
    assert len(done) == len(set(done)) == 9
    assert restore("--json", "-r", photos, tmp_path / "out") == 0
    assert {row["status"] for row in rows(capsys)} == {"skipped"}


def test_quiet_says_only_what_failed(
    photos: Path, tmp_path: Path, restore: Restore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restore("--quiet", photos, tmp_path / "out") == 0
    assert capsys.readouterr() == ("", "")
    (photos / "empty.jpg").touch()
    assert restore("--quiet", photos, tmp_path / "out") == 1
    assert capsys.readouterr().err.startswith("failed")


def test_the_summary_counts_and_gives_reasons(
    photos: Path, tmp_path: Path, restore: Restore, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "empty.jpg").touch()
    assert restore(photos, tmp_path / "out") == 1
    told = capsys.readouterr().err
    header = next(line for line in told.splitlines() if line.startswith("done"))
    assert header.split() == ["done", "unchanged", "skipped", "failed", "seconds"]
    assert told.splitlines()[told.splitlines().index(header) + 1].split()[:4] == ["2", "0", "0", "1"]
    assert "empty" in told.splitlines()[-1]


def command(tiny_model: Path, *arguments: str | Path) -> list[str]:
    start = [sys.executable, "-m", "restore_cli", "restore", "--model", str(tiny_model), "--device", "cpu"]
    return [*start, *map(str, arguments)]


def test_pipes(photos: Path, tiny_model: Path) -> None:
    ran = subprocess.run(
        command(tiny_model, "-", "-"), input=(photos / "b.jpg").read_bytes(), capture_output=True, check=True
    )
    after = Image.open(io.BytesIO(ran.stdout))
    assert (after.format, after.size) == ("JPEG", (40, 24))
    after.load()
