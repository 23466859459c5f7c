from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from restore_cli.errors import PhotoUnwritable
from restore_cli.imaging.atomic import is_temporary, sweep, unwritable, whole_file


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if mounted.returncode:
        pytest.skip(f"mounting is not permitted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_the_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "photo.png"
    with whole_file(target) as file:
        file.write(b"new")
        assert not target.exists()
        assert [is_temporary(path.name) for path in tmp_path.iterdir()] == [True]
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def write_half_and_raise(target: Path, interruption: type[BaseException]) -> None:
    with whole_file(target) as file:
        file.write(b"half")
        raise interruption


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_an_interruption_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, interruption: type[BaseException]
) -> None:
    target = tmp_path / "photo.png"
    target.write_bytes(b"old")
    with pytest.raises(interruption):
        write_half_and_raise(target, interruption)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_permissions_of_a_replaced_file_stay(tmp_path: Path) -> None:
    target = tmp_path / "photo.png"
    target.write_bytes(b"old")
    target.chmod(0o640)
    with whole_file(target) as file:
        file.write(b"new")
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_link_is_replaced_and_what_it_points_to_stays(tmp_path: Path) -> None:
    """The link may point at the very original that must not be touched."""
    original, link = tmp_path / "original.png", tmp_path / "link.png"
    original.write_bytes(b"original")
    link.symlink_to(original)
    with whole_file(link) as file:
        file.write(b"restored")
    assert original.read_bytes() == b"original"
    assert not link.is_symlink()


@pytest.mark.parametrize("name", [b"n" * 251 + b".png", b"caf\xe9\n \xff.png"])
def test_long_and_odd_names_work(tmp_path: Path, name: bytes) -> None:
    target = tmp_path / os.fsdecode(name)
    with whole_file(target) as file:
        file.write(b"new")
    assert os.listdir(os.fsencode(tmp_path)) == [name]  # noqa: PTH208 - bytes in, bytes out


def test_a_full_disk_is_said_and_leaves_nothing(small_disk: Path) -> None:
    target = small_disk / "photo.tiff"
    target.write_bytes(b"old")
    with pytest.raises(PhotoUnwritable, match="the disk is full") as caught, whole_file(target) as file:
        file.write(bytes(2**20))
    assert "space" in caught.value.hint
    assert target.read_bytes() == b"old"
    assert list(small_disk.iterdir()) == [target]


def test_a_read_only_disk_is_said(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(PhotoUnwritable, match="read-only"), whole_file(small_disk / "photo.png"):
        pass


def test_a_forbidden_folder_is_said(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is forbidden to root")
    tmp_path.chmod(0o500)
    with pytest.raises(PhotoUnwritable, match="permission denied"), whole_file(tmp_path / "photo.png"):
        pass


def test_a_missing_folder_and_a_folder_in_the_way_are_said(tmp_path: Path) -> None:
    with pytest.raises(PhotoUnwritable, match="folder does not exist"), whole_file(tmp_path / "no" / "photo.png"):
        pass
    (tmp_path / "photo.png").mkdir()
    with pytest.raises(PhotoUnwritable, match="a folder of that name"), whole_file(tmp_path / "photo.png"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_streams_are_named_as_such() -> None:
    error = unwritable(BrokenPipeError(32, "Broken pipe"), None)
    assert error.message == "the output stream cannot be written: whoever reads the output has gone"


def test_a_sweep_takes_what_the_dead_left_and_nothing_from_the_living(tmp_path: Path) -> None:
    """A killed run must leave no litter behind after the next one, and two runs may share a folder."""
    script = (
        "import sys, time; from pathlib import Path; from restore_cli.imaging.atomic import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as file: print('ready', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "a.png")], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"ready\n"
        assert sweep(tmp_path) == 0
        run.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not (swept := sweep(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert swept == 1
    assert list(tmp_path.iterdir()) == []


def test_only_our_own_temporary_names_are_recognised() -> None:
    assert is_temporary(".photo.png.oldphoto-0123abcd.tmp")
    assert not is_temporary("photo.png")
    assert not is_temporary(".photo.tmp")


def test_the_file_given_is_seekable(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.tiff") as file:
        file.write(b"0000rest")
        file.seek(0, io.SEEK_SET)
        file.write(b"head")
    assert (tmp_path / "a.tiff").read_bytes() == b"headrest"
