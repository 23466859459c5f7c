from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from restore_cli.batch.location import UrlPath
from restore_cli.batch.plan import Job
from restore_cli.batch.ray_storage import set_landmarks
from restore_cli.errors import UsageProblem
from restore_cli.imaging.atomic import sweep


def jobs(folder: Path, count: int = 10) -> list[Job]:
    names = [f"{number}.png" for number in range(count)]
    for name in names:
        (folder / name).touch()
    return [Job(source=folder / name, target=folder / "out" / "sub" / name, key=name) for name in names]


def test_what_is_seen_while_the_run_lasts(tmp_path: Path) -> None:
    with set_landmarks(jobs(tmp_path)) as landmarks:
        assert len(landmarks.photos) == 3
        landmarks.look()
        sweep(tmp_path / "out" / "sub")  # as another run on the same folder does when it begins
        landmarks.look()
    assert list((tmp_path / "out" / "sub").iterdir()) == []
    with pytest.raises(UsageProblem, match=r"sub is not the folder"):
        landmarks.look()


def test_photos_taken_away_are_failed_rows_and_no_reason_to_stop(tmp_path: Path) -> None:
    with set_landmarks(jobs(tmp_path)) as landmarks:
        for photo in landmarks.photos[1:]:
            photo.unlink()
        landmarks.look()
        landmarks.photos[0].unlink()
        with pytest.raises(UsageProblem, match=r"0\.png is not there"):
            landmarks.look()


def test_stores_need_their_plugin_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    address = UrlPath("memory://scans/a.png")
    with set_landmarks([Job(source=address, target=UrlPath("memory://done/a.png"), key="a.png")]) as landmarks:
        assert (landmarks.photos, landmarks.mark, len(landmarks.addresses)) == ((), None, 1)
        landmarks.look()
        monkeypatch.setitem(sys.modules, "gcsfs", None)
        with pytest.raises(UsageProblem, match="gcsfs") as missing:
            replace(landmarks, addresses=("gs://scans/a.png",)).look()
        assert "pip install gcsfs" in missing.value.hint


def test_an_output_folder_that_cannot_be_made_is_each_photos_own_failure(tmp_path: Path) -> None:
    made = jobs(tmp_path)
    (tmp_path / "out").touch()
    with set_landmarks(made) as landmarks:
        assert landmarks.mark is None
        landmarks.look()
