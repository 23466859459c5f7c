"""The training loop that every stage shares.

Device, precision and several processes are accelerate's; the rest is plain: micro-batches and optimiser steps have
separate counters, each step seeds its own randomness, so that a run that was stopped goes on bit for bit on the CPU.
"""

from __future__ import annotations

import copy
import json
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import DataLoader

from restore_cli.errors import TrainingStopped
from restore_cli.training.checkpoint import load_checkpoint, save_checkpoint
from restore_cli.training.config import LoopConfig
from restore_cli.training.data import StepSampler
from restore_cli.training.stage import Batch, Player, Stage

log = logging.getLogger(__name__)
Report = Callable[[int, int, dict[str, float]], None]
"""Called with (step, steps, figures) after each step."""


class Trainer:
    """Runs one stage in one folder: `STAGE.ckpt`, `STAGE.log.jsonl`, and the model's parts beside them."""

    def __init__(
        self,
        stage: Stage,
        output: Path,
        *,
        accelerator: Accelerator,
        workers: int = 1,
        report: Report | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.stage, self.output, self.workers = stage, output, workers
        self.loop: LoopConfig = stage.loop
        self.accelerator = accelerator
        self.report = report or (lambda step, steps, figures: None)
        self.stop = stop
        self.step = 0
        stage.networks.to(accelerator.device)
        stage.frozen.to(accelerator.device).eval()
        for parameter in stage.frozen.parameters():
            parameter.requires_grad_(False)
        self.players = stage.players()
        self.optimizers = {player.name: self._optimizer(player) for player in self.players}
        self.average = copy.deepcopy(stage.networks).eval() if self.loop.ema else None

    @property
    def checkpoint(self) -> Path:
        """Where this stage's state lies."""
        return self.output / f"{self.stage.name}.ckpt"

    def run(self, *, resume: bool = False) -> dict[str, float]:
        """Train to the last step. Returns the last validation's figures.

        Raises TrainingStopped if a loss is not finite (the last checkpoint is kept), KeyboardInterrupt never: a stop
        asked for by `stop` writes a checkpoint and returns.
        """
        if resume:
            self._load(load_checkpoint(self.checkpoint))
        saved_at, figures = time.monotonic(), dict[str, float]()
        for batches in self._steps():
            started = time.monotonic()
            losses = self._step(batches)
            self.step += 1
            self._log(losses, seconds=time.monotonic() - started)
            last = self.step == self.loop.steps
            if last or self.step % self.loop.validate_every == 0:
                figures = self._validate()
            stopping = self.stop()
            if last or stopping or time.monotonic() - saved_at > 60 * self.loop.checkpoint_minutes:
                self.save()
                saved_at = time.monotonic()
            if stopping:
                break
        return figures

    def save(self) -> None:
        """Write the checkpoint."""
        if self.accelerator.is_main_process:
            save_checkpoint(self._state(), self.checkpoint)

    # --- one step -------------------------------------------------------------------------------------------------

    def _steps(self) -> Iterator[list[Batch]]:
        """The micro-batches of each remaining optimiser step."""
        per_step = self.loop.accumulate
        if self.loop.batch_size % per_step:
            raise TrainingStopped(f"batch size {self.loop.batch_size} is no multiple of accumulate {per_step}")
        sampler = StepSampler(
            micro_batch=self.loop.batch_size // per_step,
            first=self.step * per_step,
            count=self.loop.steps * per_step,
            rank=self.accelerator.process_index,
            world=self.accelerator.num_processes,
        )
        cuda = self.accelerator.device.type == "cuda"
        loader = DataLoader(
            self.stage.dataset(),
            batch_sampler=sampler,
            num_workers=self.workers,
            worker_init_fn=_outlive_signals,
            pin_memory=cuda,
            prefetch_factor=4 if self.workers else None,
        )
        micro: list[Batch] = []
        for batch in loader:
            micro.append({key: value.to(self.accelerator.device, non_blocking=cuda) for key, value in batch.items()})
            if len(micro) == per_step:
                yield micro
                micro = []

    def _step(self, batches: list[Batch]) -> dict[str, float]:
        """Each player moves once on the micro-batches. Returns the losses, averaged over them."""
        self.stage.networks.train()
        totals: dict[str, Tensor] = {}
        for number, player in enumerate(self.players):
            torch.manual_seed(hash((self.loop.seed, self.step, number, self.accelerator.process_index)) % 2**63)
            optimizer = self.optimizers[player.name]
            optimizer.zero_grad(set_to_none=True)
            for batch in batches:
                with self.accelerator.autocast():
                    losses = player.objective(batch)
                self.accelerator.backward(torch.stack(list(losses.values())).sum() / len(batches))
                for key, value in losses.items():
                    totals[key] = totals.get(key, torch.zeros((), device=value.device)) + value.detach() / len(batches)
            self._check_finite(totals)
            self._move(player, optimizer)
        self._update_average()
        return {key: float(value) for key, value in totals.items()}

    def _move(self, player: Player, optimizer: torch.optim.Optimizer) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if self.accelerator.num_processes > 1:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad = self.accelerator.reduce(parameter.grad, reduction="mean")
        if self.loop.clip_norm:
            nn.utils.clip_grad_norm_(parameters, self.loop.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = self.loop.lr * player.lr_scale * rate_factor(self.loop, self.step)
        optimizer.step()

    def _check_finite(self, totals: dict[str, Tensor]) -> None:
        for key, value in totals.items():
            if not math.isfinite(float(value)):
                raise TrainingStopped(
                    f"loss {key!r} became {float(value)} at step {self.step + 1}",
                    hint=f"{self.checkpoint} holds the last good state; lower lr or set clip_norm, then --resume",
                )

    def _update_average(self) -> None:
        if self.average is None:
            return
        decay = min(self.loop.ema, (1 + self.step) / (10 + self.step))
        pairs = zip(self.average.state_dict().values(), self.stage.networks.state_dict().values(), strict=True)
        for kept, new in pairs:
            if kept.is_floating_point():
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)

    # --- what people see --------------------------------------------------------------------------------------------

    def _log(self, losses: dict[str, float], *, seconds: float) -> None:
        self.report(self.step, self.loop.steps, losses)
        if self.step % self.loop.log_every == 0:
            self._write_line({"step": self.step, "seconds": round(seconds, 4), **losses})

    def _validate(self) -> dict[str, float]:
        if not self.accelerator.is_main_process:
            return {}
        networks = self.average if self.average is not None else self.stage.networks
        networks.eval()
        with torch.inference_mode():
            figures = self.stage.validate(networks)
        self._write_line({"step": self.step, **figures})
        log.info("step %d: %s", self.step, "  ".join(f"{key} {value:.4f}" for key, value in figures.items()))
        self.stage.export(networks, self.output)
        return figures

    def _write_line(self, figures: dict[str, Any]) -> None:
        if self.accelerator.is_main_process:
            with (self.output / f"{self.stage.name}.log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(figures) + "\n")

    # --- state ------------------------------------------------------------------------------------------------------

    def _optimizer(self, player: Player) -> torch.optim.Optimizer:
        parameters = [p for name in player.networks for p in self.stage.networks[name].parameters()]
        return torch.optim.AdamW(
            parameters, lr=self.loop.lr, betas=self.loop.betas, weight_decay=self.loop.weight_decay
        )

    def _state(self) -> dict[str, Any]:
        return {
            "stage": self.stage.name,
            "step": self.step,
            "networks": self.stage.networks.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
        }

    def _load(self, state: dict[str, Any]) -> None:
        try:
            self.stage.networks.load_state_dict(state["networks"])
            for name, optimizer in self.optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
            if self.average is not None:
                self.average.load_state_dict(state["average"] or state["networks"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise TrainingStopped(
                f"{self.checkpoint} does not fit this configuration: {error}",
                hint="resume with the configuration the run was started with, or start anew in another folder",
                path=self.checkpoint,
            ) from error
        self.step = state["step"]


def rate_factor(loop: LoopConfig, step: int) -> float:
    """Share of the learning rate at a step (counted from 0): a linear rise, constant, then linear to zero."""
    rise = min(1.0, (step + 1) / loop.warmup_steps) if loop.warmup_steps else 1.0
    decaying = max(1.0, loop.steps * loop.decay_share)
    return rise * min(1.0, (loop.steps - step) / decaying)


def _outlive_signals(worker: int) -> None:
    """Ctrl+C reaches the whole process group: only the trainer answers it, after a checkpoint, and ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
