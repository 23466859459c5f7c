from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from restore_cli.batch import discover
from restore_cli.batch.discover import find_photos, natural_key
from restore_cli.errors import UsageProblem


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def below(inputs: list[Path | None], **options: object) -> list[str]:
    return [photo.below.as_posix() for photo in find_photos(inputs, **{"recursive": False, **options})]  # type: ignore[arg-type]


def test_a_folder_gives_its_photos_in_natural_order(tmp_path: Path) -> None:
    for name in ("img10.jpg", "img2.JPG", "notes.txt", "img1.png", ".hidden.jpg", "._img1.png", "sub/deep.png"):
        touch(tmp_path / name)
    assert below([tmp_path]) == ["img1.png", "img2.JPG", "img10.jpg"]


def test_recursive_keeps_the_tree(tmp_path: Path) -> None:
    for name in ("b.jpg", "z/a.jpg", "z/y/c.tif", ".git/d.jpg"):
        touch(tmp_path / name)
    assert below([tmp_path], recursive=True) == ["b.jpg", "z/a.jpg", "z/y/c.tif"]


def test_a_file_given_by_name_counts_whatever_its_suffix(tmp_path: Path) -> None:
    assert below([touch(tmp_path / "photo.dat"), None]) == ["photo.dat", "stdin"]


def test_symlink_loops_end(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "photo.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to("self")
    assert below([tmp_path], recursive=True) == ["a/photo.jpg"]


def test_a_linked_folder_is_followed(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "photo.jpg")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "album").symlink_to(tmp_path / "elsewhere")
    assert below([tmp_path / "in"], recursive=True) == ["album/photo.jpg"]


def test_a_broken_link_is_kept_to_end_as_a_failed_row(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    assert below([tmp_path]) == ["gone.jpg"]


def test_pipes_in_a_folder_are_left_alone(tmp_path: Path) -> None:
    """Opening one would block the whole run."""
    os.mkfifo(tmp_path / "pipe.jpg")
    assert below([tmp_path]) == []


def test_a_missing_input_is_a_usage_problem(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="does not exist"):
        find_photos([tmp_path / "nope.jpg"], recursive=False)


@pytest.mark.parametrize("output", ["", "out", "sub/out"])
def test_an_output_inside_an_input_folder_is_refused(tmp_path: Path, output: str) -> None:
    touch(tmp_path / "a.jpg")
    with pytest.raises(UsageProblem, match="inside the input"):
        find_photos([tmp_path], recursive=False, output=tmp_path / output)


def test_an_output_behind_a_link_in_an_input_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "results").symlink_to(tmp_path / "out")
    with pytest.raises(UsageProblem, match="inside the input"):
        find_photos([tmp_path / "in"], recursive=True, output=tmp_path / "out")


def test_natural_order_is_total() -> None:
    """Whatever order the file system lists names in, the run's order is the same."""
    order = ["", "007", "7", "10", "A7", "a7", "a9b", "a10b"]
    for start in range(len(order)):
        assert sorted(order[start:] + order[:start], key=natural_key) == order


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Makes a folder that cannot be listed. Nothing is forbidden to root, so there the system's answer is made up."""
    made: list[Path] = []
    really_scan = os.scandir

    def lock(folder: Path) -> None:
        made.append(folder)
        folder.chmod(0)

    def scan(folder: Path) -> object:
        if folder in made:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return really_scan(folder)

    if os.geteuid() == 0:
        monkeypatch.setattr(os, "scandir", scan)
    yield lock
    for folder in made:
        folder.chmod(0o700)


def test_a_subfolder_that_cannot_be_listed_is_one_row_and_the_others_go_on(
    tmp_path: Path, locked: Callable[[Path], None]
) -> None:
    touch(tmp_path / "a.jpg")
    touch(tmp_path / "sub" / "b.jpg")
    locked(tmp_path / "sub")
    good, bad = find_photos([tmp_path], recursive=True)
    assert (good.below, good.problem) == (Path("a.jpg"), "")
    assert bad.problem == f"{tmp_path / 'sub'} cannot be read: Permission denied"


def test_a_given_folder_that_cannot_be_listed_is_a_usage_problem(
    tmp_path: Path, locked: Callable[[Path], None]
) -> None:
    touch(tmp_path / "in" / "a.jpg")
    locked(tmp_path / "in")
    with pytest.raises(UsageProblem, match="cannot be read: Permission denied"):
        find_photos([tmp_path / "in"], recursive=False)


def test_a_subfolder_that_goes_while_it_is_looked_into_is_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "a.jpg")
    (tmp_path / "brief").mkdir()
    really_identify = discover._identity

    def identify(folder: Path) -> tuple[int, int]:
        if folder.name == "brief":
            folder.rmdir()  # at the worst moment
        return really_identify(folder)

    monkeypatch.setattr(discover, "_identity", identify)
    assert [(photo.below.name, photo.problem) for photo in find_photos([tmp_path], recursive=True)] == [("a.jpg", "")]
