from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

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
