from __future__ import annotations

import pytest

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
