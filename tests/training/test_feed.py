"""Which samples a step gets, and that nothing but the trainer answers Ctrl+C."""

from __future__ import annotations

import multiprocessing
import signal

import pytest
import torch
from accelerate import Accelerator
from torch.utils.data import Dataset

from restore_cli.errors import TrainingStopped
from restore_cli.training.config import LoopConfig
from restore_cli.training.feed import STOPPING, Feed, StepSampler


class Numbers(Dataset[dict[str, torch.Tensor]]):
    """Sample i holds i."""

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"number": torch.tensor(index)}


def numbers(feed: Feed, first: int = 0) -> list[list[list[int]]]:
    """Those of each micro-batch of each step."""
    return [[batch["number"].tolist() for batch in step] for step in feed.steps(first)]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_step_gets_its_own_micro_batches_from_wherever_it_starts(workers: int) -> None:
    loop = LoopConfig(steps=3, batch_size=4, accumulate=2)
    feed = Feed(Numbers(), loop, Accelerator(cpu=True), workers=workers)
    assert numbers(feed) == [[[0, 1], [2, 3]], [[4, 5], [6, 7]], [[8, 9], [10, 11]]]
    assert numbers(feed, first=2) == [[[8, 9], [10, 11]]]
    assert feed.waited_seconds > 0


class Deafness(Dataset[dict[str, torch.Tensor]]):
    """Whether the process that makes the sample hears Ctrl+C and SIGTERM."""

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"blocked": torch.tensor(signal.pthread_sigmask(signal.SIG_BLOCK, ()) >= STOPPING)}


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals cannot be held back here")
@pytest.mark.parametrize("workers", [0, 1])
def test_workers_are_deaf_to_signals_from_their_first_moment_and_the_trainer_is_not(workers: int) -> None:
    """A terminal sends Ctrl+C to all processes; a worker that has only just been started must not die of it."""
    feed = Feed(Deafness(), LoopConfig(steps=1, batch_size=1), Accelerator(cpu=True), workers=workers)
    ((batch,),) = feed.steps(0)
    assert batch["blocked"].item() == (workers > 0)


class Broken(Dataset[dict[str, torch.Tensor]]):
    """No sample can be made."""

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        raise TrainingStopped("none of the photos can be read")


def test_an_error_leaves_no_process_for_python_to_wait_for_at_its_end() -> None:
    """Workers ignore the signal by which multiprocessing would end them, and whoever holds the error holds them."""
    feed = Feed(Broken(), LoopConfig(steps=3, batch_size=1), Accelerator(cpu=True), workers=2)
    with pytest.raises(TrainingStopped) as caught:
        next(feed.steps(0))
    assert multiprocessing.active_children() == []
    assert caught.value.message


def test_a_feed_that_is_closed_early_leaves_no_process_either() -> None:
    steps = Feed(Numbers(), LoopConfig(steps=9, batch_size=1), Accelerator(cpu=True), workers=2).steps(0)
    next(steps)
    steps.close()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("world", [1, 2, 4])
def test_processes_share_a_batch_without_gap_or_overlap(world: int) -> None:
    shares = [list(StepSampler(micro_batch=4, first=3, count=5, rank=r, world=world)) for r in range(world)]
    for step in range(2):
        assert sorted(n for share in shares for n in share[step]) == list(range(4 * (3 + step), 4 * (4 + step)))


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(TrainingStopped, match="3 samples"):
        StepSampler(micro_batch=3, first=0, count=1, world=2)
