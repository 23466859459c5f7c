"""The training loop that every stage shares.

Device, precision and several processes are accelerate's; the rest is plain: micro-batches and optimiser steps have
separate counters, each step seeds its own randomness, so that a run that was stopped goes on bit for bit on the CPU.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from restore_cli.errors import TrainingStopped, UsageProblem
from restore_cli.training.checkpoint import load_checkpoint, load_weights, save_checkpoint
from restore_cli.training.config import LoopConfig
from restore_cli.training.data import unreadable_photos
from restore_cli.training.feed import Feed
from restore_cli.training.guard import LossGuard, refuse_no_numbers
from restore_cli.training.journal import Journal
from restore_cli.training.optimizing import make_optimizer, rate_factor
from restore_cli.training.processes import any_process, average, average_gradients, share_batch_norm
from restore_cli.training.stage import Batch, Player, Remembers, Shows, Stage

log = logging.getLogger(__name__)
Report = Callable[[int, int, dict[str, float]], None]
"""Called with (step, steps, figures) after each step."""
Validated = Callable[[int, dict[str, float]], None]
"""Called with (step, figures) after each validation."""


class Trainer:
    """Runs one stage in one folder: `STAGE.ckpt`, its logs and sheets, and the model's parts beside them."""

    def __init__(
        self,
        stage: Stage,
        output: Path,
        *,
        accelerator: Accelerator,
        workers: int = 1,
        report: Report | None = None,
        validated: Validated | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.stage, self.output = stage, output
        self.loop: LoopConfig = stage.loop
        self.accelerator = accelerator
        self.report = report or (lambda step, steps, figures: None)
        self.validated = validated or (lambda step, figures: None)
        self.stop = stop
        self.step = 0
        self.figures: dict[str, float] = {}
        """Of the last validation."""
        layout = torch.channels_last if self.loop.channels_last else torch.contiguous_format
        for networks in (stage.networks, stage.frozen):
            networks.to(accelerator.device)
            networks.to(memory_format=layout)  # type: ignore[call-overload]
        stage.frozen.eval().requires_grad_(False)
        self.average = copy.deepcopy(stage.networks).eval() if self.loop.ema else None
        if accelerator.num_processes > 1:
            share_batch_norm(stage.networks)
        self.players = stage.players()
        self.optimizers = {player.name: self._optimizer(player) for player in self.players}
        self.guard = LossGuard(self.loop.explosion)
        self.feed = Feed(stage.dataset(), self.loop, accelerator, workers=workers)
        self.journal: Journal | None = None

    @property
    def checkpoint(self) -> Path:
        """Where this stage's state lies."""
        return self.output / f"{self.stage.name}.ckpt"

    @property
    def unreadable(self) -> int:
        """Training photos that were left out because they could not be read."""
        return unreadable_photos(self.feed.dataset)

    def resume(self) -> None:
        """Take up the state in the checkpoint. Raises TrainingStopped if it is missing, damaged or of other settings,
        UsageProblem if it is of a later step than the last one.
        """
        self._load(load_checkpoint(self.checkpoint))
        if self.step > self.loop.steps:
            raise UsageProblem(
                f"{self.checkpoint} has {self.step} steps behind it, more than the {self.loop.steps} asked for",
                hint=f"ask for at least {self.step} steps, or start anew in another folder",
                path=self.checkpoint,
            )

    def run(self) -> dict[str, float]:
        """Train to the last step. Returns the last validation's figures, which may be of before a resumed run stopped.

        Raises TrainingStopped if a loss is not finite or explodes (the last checkpoint is kept), KeyboardInterrupt
        never: a stop asked for by `stop` writes a checkpoint and returns.
        """
        if self.accelerator.is_main_process:
            self.journal = Journal(self.output, self.stage.name, tensorboard=self.loop.tensorboard)
            self.journal.start(self.step)
        try:
            with closing(self.feed.steps(self.step)) as steps:
                self._learn(steps)
        finally:
            if self.journal is not None:
                self.journal.close()
        return self.figures

    def _learn(self, steps: Iterable[list[Batch]]) -> None:
        saved_at = time.monotonic()
        for batches in steps:
            started = time.monotonic()
            losses = self._step(batches)
            self.step += 1
            self._log(losses, seconds=time.monotonic() - started)
            last = self.step == self.loop.steps
            if last or self.step % self.loop.validate_every == 0:
                self._validate()
            if self.loop.sheet_every and (last or self.step % self.loop.sheet_every == 0):
                self._show()
            stopping = any_process(self.stop(), self.accelerator)
            if last or stopping or time.monotonic() - saved_at > 60 * self.loop.checkpoint_minutes:
                self.save(batches)
                saved_at = time.monotonic()
            if stopping:
                break

    def save(self, batches: Sequence[Batch] = ()) -> None:
        """Write the checkpoint, unless the one there may be the last good.

        That is where the last losses were far above normal, or where those that the weights of this moment have on
        `batches` would stop the run.
        """
        if not self.accelerator.is_main_process:
            return
        uneasy = self.guard.is_uneasy and self.checkpoint.exists()
        if uneasy or not self._is_sound(batches):
            log.warning("step %d: losses far above normal; no checkpoint of it is written", self.step)
            return
        save_checkpoint(self._state(), self.checkpoint)

    def _is_sound(self, batches: Sequence[Batch]) -> bool:
        self.stage.networks.eval()  # or batch norm and spectral norm would note that they were asked
        with torch.no_grad(), self.accelerator.autocast():
            for batch in batches:
                seen = dict(batch)
                for player in self.players:
                    losses = {name: float(value) for name, value in player.objective(seen).items()}
                    if self.guard.would_stop(player.name, losses):
                        return False
        return True

    # --- one step -------------------------------------------------------------------------------------------------

    def _step(self, batches: list[Batch]) -> dict[str, float]:
        """Each player moves once on the micro-batches. Returns the losses, averaged over them and the processes."""
        self.stage.networks.train()
        found: dict[str, float] = {}
        for number, player in enumerate(self.players):
            torch.manual_seed(hash((self.loop.seed, self.step, number)) % 2**63)
            self._give_gradients_to(player)
            optimizer = self.optimizers[player.name]
            optimizer.zero_grad(set_to_none=True)
            totals: dict[str, Tensor] = {}
            for batch in batches:
                with self.accelerator.autocast():
                    losses = player.objective(batch)
                self.accelerator.backward(torch.stack(list(losses.values())).sum() / len(batches))
                for key, value in losses.items():
                    totals[key] = totals.get(key, torch.zeros((), device=value.device)) + value.detach() / len(batches)
            means = average(torch.stack(list(totals.values())), self.accelerator).tolist()
            moved = dict(zip(totals, means, strict=True))
            self.guard.check(player.name, moved, step=self.step + 1, hint=self._hint)
            self._move(player, optimizer)
            found |= moved
        self._update_average()
        return found

    def _give_gradients_to(self, player: Player) -> None:
        """Nobody else's parameters take part: a generator goes through its judge without computing the judge's."""
        for name, network in self.stage.networks.items():
            network.requires_grad_(name in player.networks)

    def _move(self, player: Player, optimizer: torch.optim.Optimizer) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        average_gradients(parameters, self.accelerator)
        self.accelerator.unscale_gradients(optimizer)
        norm = nn.utils.clip_grad_norm_(parameters, self.loop.clip_norm or float("inf"))
        # With fp16 such a step is an overflow, which the gradient scaler skips and learns from.
        if self.accelerator.scaler is None and not bool(torch.isfinite(norm)):
            message = f"the gradient of {player.name} became {float(norm)} at step {self.step + 1}"
            raise TrainingStopped(message, hint=self._hint)
        for group in optimizer.param_groups:
            group["lr"] = self.loop.lr * player.lr_scale * rate_factor(self.loop, self.step)
        optimizer.step()

    @property
    def _hint(self) -> str:
        held = "holds the last good state" if self.checkpoint.exists() else "was not written yet"
        return f"{self.checkpoint} {held}; lower lr or set clip_norm, then --resume or start anew"

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
        if not self.accelerator.is_main_process:
            return
        self.report(self.step, self.loop.steps, losses)
        if self.journal is not None and self.step % self.loop.log_every == 0:
            times = {"seconds": round(seconds, 4), "waited_seconds": round(self.feed.waited_seconds, 4)}
            self.journal.write(self.step, times | losses, group="training")

    def _validate(self) -> None:
        if not self.accelerator.is_main_process:
            return
        networks = self._judged_networks()
        refuse_no_numbers(networks, step=self.step, hint=self._hint)
        with torch.inference_mode():
            self.figures = self.stage.validate(networks)
        if self.figures:
            if self.journal is not None:
                self.journal.write(self.step, self.figures, group="validation")
            self.validated(self.step, self.figures)
        self.stage.export(networks, self.output)

    def _show(self) -> None:
        if self.journal is None or not isinstance(self.stage, Shows):
            return
        with torch.inference_mode():
            rows = self.stage.sheet(self._judged_networks())
        if rows:
            self.journal.show(self.step, rows)

    def _judged_networks(self) -> nn.ModuleDict:
        """What is validated, shown and exported: the averaged weights where there are any."""
        networks = self.average if self.average is not None else self.stage.networks
        networks.eval()
        return networks

    # --- state ------------------------------------------------------------------------------------------------------

    def _optimizer(self, player: Player) -> torch.optim.Optimizer:
        parameters = [p for name in player.networks for p in self.stage.networks[name].parameters()]
        plain = make_optimizer(parameters, self.loop)
        prepared: torch.optim.Optimizer = self.accelerator.prepare_optimizer(plain)
        return prepared

    def _state(self) -> dict[str, Any]:
        scaler = self.accelerator.scaler
        return {
            "stage": self.stage.name,
            "step": self.step,
            "figures": self.figures,
            "remembered": self.stage.remembered() if isinstance(self.stage, Remembers) else None,
            "networks": self.stage.networks.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "guard": self.guard.state(),
            "scaler": scaler.state_dict() if scaler is not None else None,
        }

    def _load(self, state: dict[str, Any]) -> None:
        try:
            load_weights(self.stage.networks, state["networks"])
            for name, optimizer in self.optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
            if self.average is not None:
                self.average.load_state_dict(state["average"] or state["networks"])
            if "guard" in state:  # not in checkpoints of version 0.1.0
                self.guard.load(state["guard"])
            if self.accelerator.scaler is not None and state.get("scaler"):
                self.accelerator.scaler.load_state_dict(state["scaler"])
            if isinstance(self.stage, Remembers) and state.get("remembered"):
                self.stage.remember(state["remembered"])
            self.figures = dict(state.get("figures", {}))
            self.step = int(state["step"])
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise TrainingStopped(
                f"{self.checkpoint} does not fit this configuration: {error}",
                hint="resume with the configuration the run was started with, or start anew in another folder",
                path=self.checkpoint,
            ) from error
