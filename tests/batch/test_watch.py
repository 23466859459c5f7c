from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from restore_cli.batch.masks import MaskSource
from restore_cli.batch.names import Naming
from restore_cli.batch.plan import PlanOptions
from restore_cli.batch.shard import Shard
from restore_cli.batch.watch import Watcher
from restore_cli.errors import UsageProblem

MakePhoto = Callable[..., Path]


def ready(watcher: Watcher) -> list[str]:
    return [job.key for job in watcher.look()[0]]


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def watch(inbox: Path, **options: object) -> Watcher:
    return Watcher([str(inbox)], str(inbox.parent / "out"), PlanOptions(**options))  # type: ignore[arg-type]


def test_a_photo_is_given_out_once_it_rests(inbox: Path, make_photo: MakePhoto) -> None:
    watcher = watch(inbox)
    assert ready(watcher) == []
    photo = make_photo(inbox / "a.jpg")
    assert ready(watcher) == []
    with photo.open("ab") as growing:
        growing.write(b"more")
    assert ready(watcher) == []
    assert ready(watcher) == ["a.jpg"]
    assert ready(watcher) == []


def test_a_photo_that_changes_is_given_out_again(inbox: Path, make_photo: MakePhoto) -> None:
    watcher = watch(inbox)
    photo = make_photo(inbox / "a.jpg")
    watcher.look()
    assert ready(watcher) == ["a.jpg"]
    os.utime(photo, ns=(1, 1))
    assert ready(watcher) == []
    assert ready(watcher) == ["a.jpg"]


def test_an_output_that_belongs_to_another_photo_is_a_failed_row(inbox: Path, make_photo: MakePhoto) -> None:
    watcher = watch(inbox, naming=Naming(format="png"))
    make_photo(inbox / "a.jpg")
    watcher.look()
    assert ready(watcher) == ["a.png"]
    make_photo(inbox / "a.tif")
    watcher.look()
    jobs, refused = watcher.look()
    assert jobs == []
    assert refused[0].status == "failed"
    assert "a.jpg" in (refused[0].error or "")


def test_masks_and_shards_count_here_too(inbox: Path, make_photo: MakePhoto) -> None:
    for number in range(8):
        make_photo(inbox / f"{number}.png")
    make_photo(inbox / "3_mask.png")
    watchers = [watch(inbox, masks=MaskSource(folder=inbox), shard=Shard(index=index, count=2)) for index in (1, 2)]
    for watcher in watchers:
        watcher.look()
    jobs = [job for watcher in watchers for job in watcher.look()[0]]
    assert sorted(job.key for job in jobs) == [f"{number}.png" for number in range(8)]
    assert [job.key for job in jobs if job.given_mask] == ["3.png"]


def test_a_folder_that_is_gone_for_a_moment_is_waited_for(inbox: Path, make_photo: MakePhoto) -> None:
    watcher = watch(inbox)
    inbox.rename(inbox.with_name("unplugged"))
    assert ready(watcher) == []
    inbox.with_name("unplugged").rename(inbox)
    make_photo(inbox / "a.jpg")
    watcher.look()
    assert ready(watcher) == ["a.jpg"]


def test_what_cannot_be_watched(inbox: Path, make_photo: MakePhoto) -> None:
    photo = make_photo(inbox / "a.jpg")
    for inputs, output in (([str(photo)], "out"), (["-"], "out"), ([str(inbox)], "-"), ([str(inbox)], str(photo))):
        with pytest.raises(UsageProblem):
            Watcher(inputs, output, PlanOptions())


def test_a_mask_that_comes_or_changes_later_gives_its_photo_out_again(
    inbox: Path, tmp_path: Path, make_photo: MakePhoto
) -> None:
    (tmp_path / "masks").mkdir()
    watcher = watch(inbox, masks=MaskSource(folder=tmp_path / "masks"))
    make_photo(inbox / "a.jpg")
    watcher.look()
    assert ready(watcher) == ["a.jpg"]
    mask = make_photo(tmp_path / "masks" / "a.png")
    assert ready(watcher) == []
    (job,) = watcher.look()[0]
    assert job.given_mask == mask
    with mask.open("ab") as growing:
        growing.write(b"more")
    assert ready(watcher) == []
    assert ready(watcher) == ["a.jpg"]


def test_addresses_of_this_disk_are_its_folders(inbox: Path, make_photo: MakePhoto) -> None:
    watcher = Watcher([f"file://{inbox}"], f"file://{inbox.parent}/out", PlanOptions())
    make_photo(inbox / "a.jpg")
    watcher.look()
    (job,) = watcher.look()[0]
    assert (job.source, job.target) == (inbox / "a.jpg", inbox.parent / "out" / "a.jpg")
