"""Released checkpoints are read without executing anything in them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from restore_cli.errors import WeightsDamaged
from restore_cli.weights.checkpoint import read_checkpoint

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


class Hostile:
    """Creates a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.trace,)


def save(path: Path, content: object, *, legacy: bool) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrapper", [None, "model_state", "state_dict"])
def test_tensors_are_found_beside_or_without_training_state(tmp_path: Path, wrapper: str | None, legacy: bool) -> None:
    content = STATE if wrapper is None else {wrapper: STATE, "optimizer_state": {"step": 3}, "best": np.float64(0.5)}
    found = read_checkpoint(save(tmp_path / "net.pth", content, legacy=legacy))
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_would_run_code_is_refused_and_runs_none(tmp_path: Path, legacy: bool) -> None:
    path = save(tmp_path / "hostile.pth", {"model_state": Hostile(tmp_path / "trace")}, legacy=legacy)
    with pytest.raises(WeightsDamaged, match=r"hostile\.pth .* nothing in it was executed") as caught:
        read_checkpoint(path)
    assert "oldphoto weights download" in caught.value.hint
    assert not (tmp_path / "trace").exists()


def test_a_plain_hostile_pickle_is_refused(tmp_path: Path) -> None:
    """torch warns about pickle protocols it does not write; the refusal matters here, not the warning."""
    path = tmp_path / "hostile.pt"
    path.write_bytes(pickle.dumps(Hostile(tmp_path / "trace"), protocol=2))
    with pytest.raises(WeightsDamaged, match="nothing in it was executed"):
        read_checkpoint(path)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, legacy: bool) -> None:
    whole = save(tmp_path / "net.pth", STATE, legacy=legacy).read_bytes()
    for kept in range(0, len(whole) - 40, 61):
        (tmp_path / "cut.pth").write_bytes(whole[:kept])
        with pytest.raises(WeightsDamaged, match=r"cut\.pth"):
            read_checkpoint(tmp_path / "cut.pth")


@pytest.mark.parametrize(
    ("content", "reason"),
    [([1, 2], "holds a list"), ({}, "not a table"), ({"a": 3}, "int under 'a'"), ({3: torch.ones(1)}, "under 3")],
)
def test_what_is_no_table_of_tensors_is_refused(tmp_path: Path, content: object, reason: str) -> None:
    with pytest.raises(WeightsDamaged, match=reason):
        read_checkpoint(save(tmp_path / "other.pth", content, legacy=False))
