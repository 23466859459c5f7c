from __future__ import annotations

import pytest

from restore_cli.cli.options import parse_jobs, parse_memory, split_paths
from restore_cli.errors import UsageProblem


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("auto", None),
        ("AUTO", None),
        ("4GB", 4_000_000_000),
        ("4 gb", 4_000_000_000),
        ("512MB", 512_000_000),
        ("1.5G", 1_500_000_000),
        ("2GiB", 2 << 30),
        ("1000000", 1_000_000),
        ("1000000B", 1_000_000),
    ],
)
def test_memory(text: str, size: int | None) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0", "4 bananas", "4iB", "1e9", "٤GB"])
def test_no_memory(text: str) -> None:
    with pytest.raises(UsageProblem, match="max-memory"):
        parse_memory(text)


def test_jobs() -> None:
    assert parse_jobs("auto") is None
    assert parse_jobs("4") == 4
    for text in ("0", "-1", "x", "1.5", "99999"):
        with pytest.raises(UsageProblem, match="jobs"):
            parse_jobs(text)


def test_the_last_path_is_the_destination() -> None:
    assert split_paths(["a", "b", "c"]) == (["a", "b"], "c")
    for paths in ([], ["a"]):
        with pytest.raises(UsageProblem):
            split_paths(paths)
