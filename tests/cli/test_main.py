"""The command as the shell sees it: messages, exit codes, and how long --help takes."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest
from PIL import Image

import restore_cli
from restore_cli.cli import main as module
from restore_cli.cli.main import main
from restore_cli.errors import (
    DownloadFailed,
    NoPhotosFound,
    OldPhotoError,
    PhotoUnreadable,
    UsageProblem,
    WeightsDamaged,
    WeightsMissing,
)

HEAVY = ("torch", "numpy", "cv2", "PIL", "rich.console", "huggingface_hub", "safetensors", "tifffile")


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let any command end in `error`."""

    def app(arguments: list[str], prog_name: str) -> None:
        raise error

    monkeypatch.setattr(module, "app", app)


@pytest.mark.parametrize("arguments", [["--help"], ["restore", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """Which is what keeps it below 0.3 seconds; a clock in a test would only measure the machine."""
    code = (
        "import sys, json\nfrom restore_cli.cli.main import main\n"
        f"code = main({arguments!r})\nprint(json.dumps([code, [m for m in {HEAVY!r} if m in sys.modules]]))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout.splitlines()[-1]) == [0, []]


def test_version_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"oldphoto {restore_cli.__version__}\n"


def test_every_command_of_the_contract_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for command in ("restore", "detect-scratches", "weights", "train", "degrade", "evaluate", "doctor"):
        assert f"\n  {command} " in shown
        assert main([command, "--help"]) == 0


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (OldPhotoError, 1),
        (PhotoUnreadable, 1),
        (UsageProblem, 2),
        (WeightsMissing, 3),
        (WeightsDamaged, 3),
        (DownloadFailed, 3),
        (NoPhotosFound, 4),
    ],
)
def test_expected_errors_are_a_message_a_hint_and_a_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: type[OldPhotoError], code: int
) -> None:
    raising(monkeypatch, kind("it broke in [a].png\n", hint="mend it"))
    assert main(["restore"]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "error: it broke in [a].png\\n\nmend it\n"


def test_an_unknown_error_is_called_a_bug(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(monkeypatch, ZeroDivisionError("oops"))
    assert main(["restore"]) == 1
    told = capsys.readouterr().err
    assert "bug" in told
    assert "--debug" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("arguments", [["--debug", "restore"], ["restore", "--debug"]])
def test_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    raising(monkeypatch, WeightsMissing("gone"))
    assert main(arguments) == 3
    assert "Traceback" in capsys.readouterr().err


def test_an_interruption_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    assert main(["restore"]) == 130


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["restore"],
        ["restore", "only-one"],
        ["restore", "--no-such-option", "a", "b"],
        ["restore", "--tone", "loud", "a", "b"],
        ["restore", "--threshold", "2", "a", "b"],
        ["restore", "--max-memory", "lots", "a", "b"],
        ["restore", "--jobs", "0", "a", "b"],
        ["restore", "--device", "cuda:x", "a", "b"],
        ["detect-scratches", "--device", "gpu", "a", "b"],
        ["restore", "--shard", "3/2", "a", "b"],
        ["restore", "--engine", "ray", "a", "b"],
        ["restore", "--quality", "0", "a", "b"],
        ["restore", "--suffix", "/x", "a", "b"],
        ["restore", "--mask", "no.png", "a", "b"],
        ["restore", "does-not-exist.png", "b"],
        ["restore", "", "b"],
        ["restore", "a", "b", "--model", ""],
        ["restore", "a", "b", "--mask-dir="],
        ["evaluate", "", "b"],
        ["weights", "import", ""],
        ["restore", "--max-memory", "9" * 400, "a", "b"],
        ["restore", "--shard", "1/" + "9" * 5000, "a", "b"],
        ["degrade", "a.jpg", "-"],
        ["degrade", "a.jpg", "b.png"],
        ["restore", "--watch", "-", "b"],
        ["detect-scratches", "--resolution", "half", "a", "b"],
    ],
)
def test_usage_errors_are_2_and_say_something(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "error" in told.err.lower()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_suffix_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(module, "app", lambda arguments, prog_name: seen.append(arguments))
    for words in (["--suffix", ""], ["--suffix="]):
        assert main(["restore", "a", "b", *words]) == 0
    assert len(seen) == 2


def test_what_the_system_refuses_is_told_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, PermissionError(errno.EACCES, "Permission denied", "sec/a.png"))
    assert main(["evaluate", "sec/a.png", "in"]) == 2
    assert "error: sec/a.png: Permission denied" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk_behind_stdout_is_no_bug() -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "restore_cli", "weights", "path"], stdout=full, stderr=PIPE, text=True
        )
    assert ran.returncode == 1
    assert "error: the output cannot be written: No space left on device" in ran.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs a shell that closes streams")
@pytest.mark.parametrize(("closing", "code"), [("<&-", 0), ("2>&-", 0), (">&-", 2)])
def test_closed_streams_are_missed_only_where_they_are_needed(tmp_path: Path, closing: str, code: int) -> None:
    """Daemons and some schedulers start programs so."""
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    command = f'"{sys.executable}" -m restore_cli restore a.png out --strength 0 --json {closing}'
    ran = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == code, ran.stderr
    assert (tmp_path / "out" / "a.png").exists() == (code == 0)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_sigterm_before_a_run_has_begun_is_130() -> None:
    code = (
        "import os, signal\nfrom restore_cli.cli import main\n"
        "main.app = lambda *arguments, **facts: os.kill(os.getpid(), signal.SIGTERM)\nmain.entry()"
    )
    assert subprocess.run([sys.executable, "-c", code, "doctor"]).returncode == 130


def test_a_file_may_be_called_like_a_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(module, "app", lambda arguments, prog_name: seen.append(arguments))
    main(["restore", "--quiet", "--", "--debug", "out"])
    assert seen == [["restore", "--", "--debug", "out"]]


def test_the_module_runs_as_the_command() -> None:
    ran = subprocess.run([sys.executable, "-m", "restore_cli", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("oldphoto ")
