from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restore_cli.cli.main import main
from restore_cli.training import evaluation


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Restored and clean photos that differ by 5 and by 10 grey levels."""
    for folder, levels in (("restored", (105, 110)), ("clean", (100, 100))):
        (tmp_path / folder).mkdir()
        for name, level in zip(("a", "b"), levels, strict=True):
            Image.new("RGB", (20, 16), (level,) * 3).save(tmp_path / folder / f"{name}.png")
    return tmp_path / "restored", tmp_path / "clean"


def test_scores_and_means_are_printed(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", *map(str, folders)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["a", "b", "mean"]
    assert "34.15 dB" in lines[0]  # 20 log10(255 / 5)
    assert "28.13 dB" in lines[1]
    assert "31.14 dB" in lines[2]


def test_json_has_a_line_a_photo_and_one_for_the_means(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *map(str, folders), "--json"]) == 0
    *rows, means = map(json.loads, capsys.readouterr().out.splitlines())
    assert [set(row) for row in rows] == [{"name", "psnr_db", "ssim", "error"}] * 2
    assert rows[0]["psnr_db"] == pytest.approx(34.1514, abs=1e-4)
    assert set(means) == {"compared", "failed", "mean_psnr_db", "mean_ssim"}
    assert (means["compared"], means["failed"]) == (2, 0)


def test_a_missing_photo_fails_and_the_others_are_compared(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (folders[0] / "b.png").unlink()
    assert main(["evaluate", *map(str, folders), "--json"]) == 1
    *rows, means = map(json.loads, capsys.readouterr().out.splitlines())
    assert rows[0]["error"] is None
    assert "no restored photo" in rows[1]["error"]
    assert rows[1]["psnr_db"] is None
    assert (means["compared"], means["failed"]) == (1, 1)


def test_two_files_of_different_names_are_compared(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    restored, clean = folders
    assert main(["evaluate", str(restored / "b.png"), str(clean / "a.png")]) == 0
    assert "28.13 dB" in capsys.readouterr().out


def test_memory_that_runs_out_costs_one_row(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    really_score = evaluation.ssim

    def score(restored: np.ndarray, clean: np.ndarray) -> float:
        monkeypatch.setattr(evaluation, "ssim", really_score)
        raise MemoryError("cannot allocate 9 GB")

    monkeypatch.setattr(evaluation, "ssim", score)
    assert main(["evaluate", *map(str, folders)]) == 1
    told = capsys.readouterr().out
    assert "out of memory: cannot allocate 9 GB" in told
    assert "mean of 1" in told


def test_an_empty_folder_is_no_comparison(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["evaluate", str(tmp_path / "empty"), str(folders[1])]) == 4
    told = capsys.readouterr()
    assert "empty" in told.err
    assert told.out == ""
