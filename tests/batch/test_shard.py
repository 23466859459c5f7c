from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restore_cli.batch.journal import NAME as JOURNAL
from restore_cli.batch.shard import Shard, parse_shard
from restore_cli.errors import UsageProblem


def test_form() -> None:
    assert parse_shard("2/8") == Shard(index=2, count=8)
    for wrong in ("0/8", "9/8", "2", "a/b", "1/0", "-1/2", ""):
        with pytest.raises(UsageProblem):
            parse_shard(wrong)


def test_each_key_has_one_shard_and_always_the_same() -> None:
    """The split is written down: jobs of one array may run different versions of Python."""
    owners = [[index for index in (1, 2, 3) if Shard(index=index, count=3).holds(f"{n}.jpg")] for n in range(6)]
    assert owners == [[1], [2], [1], [2], [2], [1]]


def test_shards_at_the_same_time_share_one_journal(tmp_path: Path, make_photo: Callable[..., Path]) -> None:
    """Three processes, one output folder: each photo done once, each line of the journal whole."""
    for number in range(24):
        make_photo(tmp_path / "in" / f"{number}.png", level=number)
    script = str(Path(__file__).parent / "inverter.py")
    command = [sys.executable, script, "restore", "--json", str(tmp_path / "in"), str(tmp_path / "out"), "--shard"]
    shards = [subprocess.Popen([*command, f"{index}/3"], stdout=subprocess.PIPE) for index in (1, 2, 3)]
    rows = [json.loads(line) for shard in shards for line in shard.communicate()[0].splitlines()]
    assert [shard.returncode for shard in shards] == [0, 0, 0]
    assert sorted(int(Path(row["input"]).stem) for row in rows) == list(range(24))
    lines = (tmp_path / "out" / JOURNAL).read_bytes().splitlines()
    assert len({json.loads(line)["output"] for line in lines}) == len(lines) == 24
    again = subprocess.run(command[:-1], capture_output=True, check=True)
    assert {json.loads(line)["status"] for line in again.stdout.splitlines()} == {"skipped"}


def test_a_killed_shard_is_run_again_beside_the_other(tmp_path: Path, make_photo: Callable[..., Path]) -> None:
    """One of two is killed in the middle and run again while the other one goes on: each photo is done once."""
    names = [f"{number:02}.png" for number in range(32)]
    for level, name in enumerate(names, 1):
        make_photo(tmp_path / "in" / name, level=level)
    mine = [name for name in names if Shard(index=1, count=2).holds(name)]
    out, here = tmp_path / "out", Path(__file__).parent
    arguments = ["restore", "--json", str(tmp_path / "in"), str(out), "--shard"]
    once_deadly = {"CLUMSY_NOTES": str(tmp_path), "CLUMSY_DEADLY_LEVEL": str(1 + names.index(mine[8]))}
    first_shard = [sys.executable, str(here / "clumsy.py"), *arguments, "1/2"]
    other_shard = [sys.executable, str(here / "inverter.py"), *arguments, "2/2"]
    with subprocess.Popen(other_shard, stdout=subprocess.PIPE, env={**os.environ, "INVERTER_SECONDS": "0.1"}) as other:
        killed = subprocess.run(first_shard, stdout=subprocess.PIPE, env={**os.environ, **once_deadly}, check=False)
        before = {name: (out / name).stat() for name in mine if (out / name).exists()}
        again = subprocess.run(first_shard, stdout=subprocess.PIPE, env={**os.environ, **once_deadly}, check=True)
        theirs = {row["input"]: row["status"] for row in map(json.loads, other.communicate()[0].splitlines())}
    rows = {Path(row["input"]).name: row["status"] for row in map(json.loads, again.stdout.splitlines())}
    assert killed.returncode == -signal.SIGKILL
    assert 0 < len(before) < len(mine)
    assert rows == {name: "skipped" if name in before else "done" for name in mine}
    assert (other.returncode, set(theirs.values())) == (0, {"done"})
    assert sorted([*mine, *(Path(photo).name for photo in theirs)]) == names
    assert {path.name for path in out.iterdir()} == {JOURNAL, *names}  # and nothing half written beside them
    for name, facts in before.items():  # not even written again with the same bytes
        assert ((out / name).stat().st_ino, (out / name).stat().st_mtime_ns) == (facts.st_ino, facts.st_mtime_ns)
    for name in names:
        photo, after = (np.asarray(Image.open(folder / name)) for folder in (tmp_path / "in", out))
        assert np.array_equal(after, 255 - photo)
