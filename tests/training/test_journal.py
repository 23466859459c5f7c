"""The logs of a run."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from restore_cli.errors import TrainingStopped
from restore_cli.training.checkpoint import load_checkpoint, save_checkpoint
from restore_cli.training.journal import Journal


@contextmanager
def full_disk(limit_bytes: int) -> Iterator[None]:
    """No file can grow beyond the limit: what a full disk does to a process, without one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def lines(journal: Journal) -> list[dict[str, float]]:
    return [json.loads(line) for line in journal.path.read_text().splitlines()]


def test_a_resumed_log_goes_on_where_the_checkpoint_was(tmp_path: Path) -> None:
    """A killed run has logged steps after its last checkpoint, the last one perhaps in half a line."""
    first = Journal(tmp_path, "vae", tensorboard=False)
    first.start(0)
    for step in (1, 2, 3):
        first.write(step, {"l1": 1 / step}, group="training")
    with first.path.open("a") as file:
        file.write('{"step": 4, "l')
    second = Journal(tmp_path, "vae", tensorboard=False)
    second.start(2)
    second.write(3, {"l1": 0.25}, group="training")
    assert [(line["step"], line["l1"]) for line in lines(second)] == [(1, 1.0), (2, 0.5), (3, 0.25)]


def test_a_fresh_run_starts_a_fresh_log(tmp_path: Path) -> None:
    for _ in range(2):
        journal = Journal(tmp_path, "vae", tensorboard=False)
        journal.start(0)
        journal.write(1, {"l1": 1.0}, group="training")
    assert len(lines(journal)) == 1


def test_tensorboard_gets_figures_and_sheets(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    journal = Journal(tmp_path, "vae", tensorboard=True)
    journal.start(0)
    journal.write(1, {"l1": 0.5}, group="training")
    journal.show(1, [{"aged": torch.zeros(3, 32, 32), "clean": torch.zeros(3, 32, 32)}])
    journal.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard" / "vae"))
    events.Reload()
    assert [event.value for event in events.Scalars("training/l1")] == [0.5]
    assert len(events.Images("photos")) == 1
    assert (tmp_path / "vae.sheets" / "000001.png").is_file()


def test_a_full_disk_stops_with_the_folder_and_what_to_do(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "vae", tensorboard=False)
    journal.start(0)
    with full_disk(20), pytest.raises(TrainingStopped, match=r"log in .* could not be written") as caught:
        journal.write(1, {"a rather long name": 1.0}, group="training")
    assert "--resume" in caught.value.hint
    with full_disk(20), pytest.raises(TrainingStopped):
        journal.show(1, [{"aged": torch.rand(3, 64, 64)}])


@pytest.mark.parametrize("limit_bytes", [0, 100, 4096, 399_000, 400_400])
def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path: Path, limit_bytes: int) -> None:
    """Wherever in the file it fills up: the message is the system's, not torch's about positions in an archive."""
    path = tmp_path / "vae.ckpt"
    state = {"step": 2, "weights": torch.zeros(100_000)}
    with full_disk(limit_bytes), pytest.raises(TrainingStopped) as first:
        save_checkpoint(state, path)
    assert first.value.hint == "free some disk space and start again"
    save_checkpoint({"step": 1}, path)
    before = path.read_bytes()
    with (
        full_disk(limit_bytes),
        pytest.raises(TrainingStopped, match="File too large") as caught,
    ):
        save_checkpoint(state, path)
    assert "--resume; the previous checkpoint is untouched" in caught.value.hint
    assert path.read_bytes() == before
    assert load_checkpoint(path)["step"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["vae.ckpt"]


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_a_damaged_checkpoint_is_told_in_a_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "detector.ckpt").write_bytes(content)
    with pytest.raises(TrainingStopped, match=r"detector\.ckpt is damaged \(\w+\)$") as caught:
        load_checkpoint(tmp_path / "detector.ckpt")
    assert "without --resume" in caught.value.hint
