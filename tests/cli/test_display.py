"""What a run draws on a terminal: the command runs on a pseudo-terminal, with a processor that needs no torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pty = pytest.importorskip("pty", reason="pseudo-terminals are a thing of POSIX")
SCRIPT = Path(__file__).parents[1] / "batch" / "inverter.py"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(4):
        Image.fromarray(np.full((16, 24, 3), 9 * number + 5, np.uint8)).save(tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / "broken [red].jpg").touch()
    return tmp_path / "in"


def on_a_terminal(*arguments: str | Path, **environment: str) -> str:
    """Everything the command draws on stderr, escape sequences included."""
    leader, follower = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    running = subprocess.Popen(
        [sys.executable, str(SCRIPT), "restore", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=follower,
        env={**kept, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", **environment},
    )
    os.close(follower)
    blocks = []
    try:
        while block := os.read(leader, 1 << 16):
            blocks.append(block)
    except OSError:  # Linux says EIO where the last writer is gone
        pass
    os.close(leader)
    running.wait()
    return b"".join(blocks).decode()


def test_a_bar_with_count_rate_and_current_photo(photos: Path, tmp_path: Path) -> None:
    drawn = on_a_terminal(photos, tmp_path / "out", INVERTER_SECONDS="0.15", COLUMNS="120")
    for part in ("━", "/5", "photos/s", "MP/s", "3.png", "\x1b["):
        assert part in drawn
    assert "broken [red].jpg is empty" in drawn


def test_no_color_means_no_colour_and_no_bar(photos: Path, tmp_path: Path) -> None:
    drawn = on_a_terminal(photos, tmp_path / "out", NO_COLOR="1")
    assert "\x1b" not in drawn
    assert "━" not in drawn
    assert "[4/5] done" in drawn


def test_quiet_leaves_only_failures(photos: Path, tmp_path: Path) -> None:
    drawn = on_a_terminal("--quiet", photos, tmp_path / "out").splitlines()
    assert len(drawn) == 1
    assert drawn[0].startswith("failed: ")
