"""The script of docs/batch.md does what the page says: it is cut out and run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "batch.md"
COMMAND = Path(__file__).with_name("inverter.py")
MakePhoto = Callable[..., Path]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a shell script")


@pytest.fixture
def nightly(tmp_path: Path) -> Callable[[], subprocess.CompletedProcess[str]]:
    """The script on an archive of its own, with `oldphoto` standing for the command without its networks."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (script,) = [block for block in blocks if block.startswith("#!/bin/sh")]
    (tmp_path / "bin").mkdir()
    for name, content in {
        "oldphoto": f'#!/bin/sh\nexec "{sys.executable}" "{COMMAND}" "$@"\n',
        "restore-inbox.sh": script,
    }.items():
        (tmp_path / "bin" / name).write_text(content, encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "archive" / "inbox").mkdir(parents=True)
    environment = {**os.environ, "ARCHIVE": str(tmp_path / "archive"), "PYTHONPATH": os.pathsep.join(sys.path)}
    environment["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tmp_path / "bin" / "restore-inbox.sh"], env=environment, capture_output=True, text=True, timeout=60
        )

    return run


def test_it_speaks_only_when_somebody_has_to_look(
    nightly: Callable[[], subprocess.CompletedProcess[str]], tmp_path: Path, make_photo: MakePhoto
) -> None:
    archive = tmp_path / "archive"
    nothing = nightly()
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (0, "", "")
    make_photo(archive / "inbox" / "box 1" / "a.png")
    done = nightly()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {path.name for path in (archive / "restored" / "box 1").glob("[!.]*")} == {"a.png", "a.json"}
    assert "a.png" in (archive / "logs" / "last.html").read_text()
    (archive / "inbox" / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    make_photo(archive / "inbox" / "b.png")
    some = nightly()
    assert some.returncode == 0
    assert some.stdout.splitlines()[0] == "These photos could not be restored, the others are done:"
    assert "torn.jpg" in some.stdout.splitlines()[1]
    assert (archive / "restored" / "b.png").exists()
    (archive / "restored").rename(archive / "elsewhere")
    (archive / "restored").symlink_to("inbox")
    stopped = nightly()
    assert (stopped.returncode, stopped.stderr) == (1, "")
    assert stopped.stdout.startswith("Restoring stopped. error: ")
    assert "inside the input folder" in stopped.stdout


def test_its_exit_codes_are_all_in_the_table() -> None:
    rows = re.findall(r"^\| (\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == re.findall(r"^\| (\d+) \|", (PAGE.parent / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
