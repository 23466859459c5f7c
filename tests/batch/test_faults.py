"""Runs that are killed, run out of disk, or meet another run: in processes of their own, as it happens to users."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restore_cli.batch.journal import NAME as JOURNAL

MakePhoto = Callable[..., Path]
SCRIPT = Path(__file__).with_name("inverter.py")
PHOTOS = 12


@pytest.fixture
def photos(tmp_path: Path, make_photo: MakePhoto) -> Path:
    for number in range(PHOTOS):
        make_photo(tmp_path / "in" / f"{number}.png", level=10 * number + 1, size=(64, 48))
    return tmp_path / "in"


def start(*arguments: str | Path, seconds: float = 0.0, wrapper: Sequence[str] = ()) -> subprocess.Popen[str]:
    """The command with the Inverter, which takes so many seconds a photo. wrapper: a command to start it with."""
    return subprocess.Popen(
        [*wrapper, sys.executable, str(SCRIPT), "restore", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "INVERTER_SECONDS": str(seconds), "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def finish(*arguments: str | Path) -> tuple[int, list[dict[str, object]], str]:
    """Exit code, --json rows and messages of a whole run."""
    with start("--json", *arguments) as running:
        out, told = running.communicate(timeout=60)
    return running.returncode, [json.loads(line) for line in out.splitlines()], told


def assert_all_there(photos: Path, out: Path) -> None:
    """Every output is there, whole and right, and nothing else is."""
    assert {path.name for path in out.iterdir()} == {JOURNAL, *(path.name for path in photos.iterdir())}
    for path in photos.iterdir():
        before, after = (np.asarray(Image.open(folder / path.name)) for folder in (photos, out))
        assert np.array_equal(after, 255 - before)


def test_killed_at_random_moments_a_rerun_does_the_rest_and_only_the_rest(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    moments = random.Random(0)
    for _ in range(5):
        with start(photos, out, seconds=0.02) as running:
            while running.poll() is None and not out.exists():  # starting Python takes most of the time
                time.sleep(0.005)
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(timeout=0.15 * moments.random())
            running.kill()
        for path in out.glob("*.png"):
            with Image.open(path) as whole:
                whole.load()
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")} if out.exists() else {}
    code, rows, _ = finish(photos, out)
    assert code == 0
    assert_all_there(photos, out)
    # A photo whose name was given in the very moment of the kill is there, and its line too.
    redone = {Path(str(row["input"])).name for row in rows if row["status"] == "done"}
    assert redone.isdisjoint(before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 100 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "none", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_fails_what_does_not_fit_and_a_rerun_goes_on(
    tmp_path: Path, small_disk: Path, make_photo: MakePhoto
) -> None:
    noise = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for number in range(6):
        Image.fromarray(noise.integers(0, 256, (90, 90, 3), dtype=np.uint8)).save(tmp_path / "in" / f"{number}.png")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(40_000))
    code, rows, told = finish(tmp_path / "in", small_disk / "out")
    statuses = [row["status"] for row in rows]
    assert code == 1
    assert len(rows) == 6
    assert {"done", "failed"} == set(statuses)
    assert "disk is full" in told
    assert "bug" not in told
    done = {Path(str(row["output"])).name for row in rows if row["status"] == "done"}
    assert {path.name for path in (small_disk / "out").iterdir()} == {JOURNAL, *done}
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    code, rows, _ = finish(tmp_path / "in", small_disk / "out")
    assert code == 0
    assert {Path(str(row["output"])).name for row in rows if row["status"] == "skipped"} == done
    assert_all_there(tmp_path / "in", small_disk / "out")


def test_a_read_only_disk_is_one_row_a_photo_and_no_work(photos: Path, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    code, rows, _ = finish(photos, small_disk / "out")
    assert code == 1
    assert [row["status"] for row in rows] == ["failed"] * PHOTOS
    assert "read-only" in str(rows[0]["error"])


def test_what_may_not_be_read_is_one_row_each(photos: Path, tmp_path: Path) -> None:
    """A photo, and a whole folder: who passes over it in silence has lied about being done."""
    (photos / "shut").mkdir()
    (photos / "3.png").rename(photos / "shut" / "3.png")
    for closed in (photos / "5.png", photos / "shut"):
        closed.chmod(0)
    with start("--json", "-r", photos, tmp_path / "out", wrapper=without_roots_power()) as running:
        out, _ = running.communicate(timeout=60)
    (photos / "shut").chmod(0o700)
    rows = [json.loads(line) for line in out.splitlines()]
    assert running.returncode == 1
    failed = {Path(row["input"]).name: row["error"] for row in rows if row["status"] == "failed"}
    assert set(failed) == {"5.png", "shut"}
    assert all("Permission denied" in error for error in failed.values())
    assert len(rows) - len(failed) == PHOTOS - 2


def without_roots_power() -> list[str]:
    """The start of a command that obeys permissions, as everybody's does but root's."""
    if os.geteuid():
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may read everything")
    return ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"]


def test_two_runs_on_one_folder_leave_it_whole(photos: Path, tmp_path: Path) -> None:
    with start(photos, tmp_path / "out", seconds=0.02) as one, start(photos, tmp_path / "out", seconds=0.02) as other:
        assert one.wait(timeout=60) == other.wait(timeout=60) == 0
    assert_all_there(photos, tmp_path / "out")
    assert {row["status"] for row in finish(photos, tmp_path / "out")[1]} == {"skipped"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_130_and_finished_photos_stay(photos: Path, tmp_path: Path, number: signal.Signals) -> None:
    with start("--json", photos, tmp_path / "out", seconds=0.3) as running:
        assert running.stdout is not None
        first = json.loads(running.stdout.readline())
        running.send_signal(number)
        # Not communicate(): it would pass over rows that readline() has already buffered.
        assert running.stderr is not None
        rest, told = running.stdout.read(), running.stderr.read()
        running.wait(timeout=60)
    assert running.returncode == 130
    assert "interrupted" in told
    assert "Traceback" not in told
    finished = {row["input"] for row in [first, *map(json.loads, rest.splitlines())]}
    assert len(finished) < PHOTOS
    assert not list((tmp_path / "out").glob(".*.tmp"))
    _, rows, _ = finish(photos, tmp_path / "out")
    assert len(rows) == PHOTOS
    assert {row["input"] for row in rows if row["status"] == "skipped"} == finished


def test_a_reader_of_json_that_goes_away_ends_the_run_quietly(photos: Path, tmp_path: Path) -> None:
    """As in: oldphoto restore --json ... | head -1"""
    with start("--json", photos, tmp_path / "out", seconds=0.05) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        told = running.stderr.read()
        assert running.wait(timeout=60) == 1
    assert "Traceback" not in told
    assert "bug" not in told


@pytest.fixture
def full_device(tmp_path: Path) -> Iterator[Path]:
    """A stream that takes nothing: a full disk behind a redirection. One of our own, in case it is replaced."""
    device = tmp_path / "full"
    made = subprocess.run(["mknod", str(device), "c", "1", "7"], capture_output=True)
    if made.returncode:
        pytest.skip("making a device is not allowed here")
    try:
        device.write_bytes(b"x")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            pytest.skip("devices do not work on this disk")
    yield device
    device.unlink()


@pytest.mark.parametrize("arguments", [["--json", "in", "out"], ["in/0.png", "-"]])
def test_stdout_on_a_full_disk_is_said_and_no_bug(
    photos: Path, tmp_path: Path, full_device: Path, arguments: list[str]
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(SCRIPT), "restore", *arguments]
    with full_device.open("wb") as stdout:
        ran = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env=environment, cwd=tmp_path, text=True)
    assert ran.returncode == 1
    assert "the output stream cannot be written: the disk is full" in ran.stderr
    assert "bug" not in ran.stderr


def test_a_full_disk_costs_the_report_and_not_the_run(photos: Path, tmp_path: Path, small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(90_000))
    code, rows, told = finish("--report", small_disk / "run.html", photos, tmp_path / "out")
    assert code == 1
    assert [row["status"] for row in rows] == ["done"] * PHOTOS
    assert "run.html cannot be written: the disk is full" in told
    assert "failed  seconds" in told
    assert list(small_disk.iterdir()) == [ballast]


def test_a_device_is_not_replaced_by_a_file(photos: Path, tmp_path: Path, full_device: Path) -> None:
    """As root, --report /dev/null would take the null device away from everybody."""
    code, _, told = finish("--report", full_device, photos, tmp_path / "out")
    assert code == 1
    assert "is a device or a pipe" in told
    assert full_device.is_char_device()
    assert_all_there(photos, tmp_path / "out")


def test_watch_takes_up_what_is_fully_written(tmp_path: Path, make_photo: MakePhoto) -> None:
    inbox = tmp_path / "in"
    make_photo(inbox / "first.png")
    whole = make_photo(tmp_path / "late.png", level=7).read_bytes()
    with start("--json", "--watch", inbox, tmp_path / "out") as running:
        assert running.stdout is not None
        assert json.loads(running.stdout.readline())["status"] == "done"
        with (inbox / "late.png").open("wb") as slow:
            slow.write(whole[:60])
            slow.flush()
            time.sleep(0.7)
            slow.write(whole[60:])
        row = json.loads(running.stdout.readline())
        assert (Path(row["input"]).name, row["status"]) == ("late.png", "done")
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=30) == 130
