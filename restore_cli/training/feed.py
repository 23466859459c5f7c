"""Micro-batches for the trainer: which samples they hold, and the worker processes that make them."""

from __future__ import annotations

import signal
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from restore_cli.errors import TrainingStopped
from restore_cli.training.config import LoopConfig

if TYPE_CHECKING:
    from restore_cli.training.stage import Batch

PREFETCHED = 4
"""Micro-batches that each worker has ready."""
STOPPING = {signal.SIGINT, signal.SIGTERM}


class StepSampler(Sampler[list[int]]):
    """Sample numbers of each micro-batch from a given one on; process `rank` of `world` takes its share of each."""

    def __init__(self, *, micro_batch: int, first: int, count: int, rank: int = 0, world: int = 1) -> None:
        if micro_batch % world:
            raise TrainingStopped(
                f"{micro_batch} samples a micro-batch cannot be shared by {world} processes",
                hint="choose a batch size that is a multiple of accumulate times the number of processes",
            )
        self.micro_batch, self.first, self.count, self.rank, self.world = micro_batch, first, count, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        for number in range(self.first, self.count):
            start = number * self.micro_batch
            yield list(range(start + self.rank, start + self.micro_batch, self.world))

    def __len__(self) -> int:
        return self.count - self.first


class Feed:
    """What each optimiser step of one process learns from, on its device."""

    def __init__(self, dataset: Dataset[Batch], loop: LoopConfig, accelerator: Accelerator, *, workers: int) -> None:
        """workers: processes that make samples; 0: they are made here, between the steps."""
        self.dataset, self.loop, self.accelerator, self.workers = dataset, loop, accelerator, workers
        self.waited_seconds = 0.0
        """What the last step waited for its samples."""
        self._on_gpu = accelerator.device.type == "cuda"
        self._layout = torch.channels_last if loop.channels_last else torch.contiguous_format

    def steps(self, first: int) -> Generator[list[Batch], None, None]:
        """The micro-batches of each optimiser step from number `first` on.

        Raises TrainingStopped if the processes cannot share them evenly.
        """
        loader = self._loader(first)
        micro: list[Batch] = []
        started = time.monotonic()
        with _held_back():
            batches = iter(loader)
        try:
            for batch in batches:
                micro.append({key: self._moved(value) for key, value in batch.items()})
                if len(micro) == self.loop.accumulate:
                    self.waited_seconds = time.monotonic() - started
                    yield micro
                    micro = []
                    started = time.monotonic()
        finally:
            _end_workers(batches)

    def _loader(self, first: int) -> DataLoader[Batch]:
        per_step = self.loop.accumulate
        sampler = StepSampler(
            micro_batch=self.loop.batch_size // per_step,
            first=first * per_step,
            count=self.loop.steps * per_step,
            rank=self.accelerator.process_index,
            world=self.accelerator.num_processes,
        )
        return DataLoader(
            self.dataset,
            batch_sampler=sampler,
            num_workers=self.workers,
            worker_init_fn=_outlive_signals,
            pin_memory=self._on_gpu,
            prefetch_factor=PREFETCHED if self.workers else None,
        )

    def _moved(self, value: Tensor) -> Tensor:
        moved = value.to(self.accelerator.device, non_blocking=self._on_gpu)
        return moved.contiguous(memory_format=self._layout) if moved.dim() == 4 else moved


def _end_workers(batches: Iterator[Batch]) -> None:
    """Now, not when the last reference goes: an error holds one, and at exit Python would wait for processes that know
    nothing of it and ignore its signal. PyTorch has no public name for this.
    """
    if isinstance(batches, _MultiProcessingDataLoaderIter):
        batches._shutdown_workers()  # type: ignore[no-untyped-call]


@contextmanager
def _held_back() -> Iterator[None]:
    """Ctrl+C and SIGTERM wait until this is over, and never reach the processes that are started meanwhile.

    A worker that were interrupted before it can ignore them would die, and the run with it, without a checkpoint.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _outlive_signals(worker: int) -> None:
    """Ctrl+C reaches the whole process group: only the trainer answers it, after a checkpoint, and ends its workers."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
