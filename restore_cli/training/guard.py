"""Stops a run whose losses or weights are no numbers any more, or whose losses explode."""

from __future__ import annotations

import math

from torch import nn

from restore_cli.errors import TrainingStopped

SMOOTHING = 0.98
"""Share of the running mean that a step leaves."""
SMALLEST = 0.1
"""Losses below this count as this: near zero a multiple means nothing."""


class LossGuard:
    """Remembers the lowest running mean of each player's loss."""

    def __init__(self, factor: float) -> None:
        """factor: how far above that a loss may be; 0 lets every finite loss pass."""
        self.factor = factor
        self._running: dict[str, float] = {}
        self._lowest: dict[str, float] = {}
        self._uneasy: dict[str, bool] = {}

    @property
    def is_uneasy(self) -> bool:
        """Some player's last loss was far above normal, though not far enough to stop."""
        return any(self._uneasy.values())

    def check(self, player: str, losses: dict[str, float], *, step: int, hint: str) -> None:
        """Raises TrainingStopped, naming the loss and the step, if the player must not move any more."""
        for name, value in losses.items():
            if not math.isfinite(value):
                raise TrainingStopped(f"loss {name!r} became {value} at step {step}", hint=hint)
        total = sum(losses.values())
        running = self._running.get(player, total)
        self._running[player] = SMOOTHING * running + (1 - SMOOTHING) * total
        lowest = min(self._lowest.get(player, running), running)
        self._lowest[player] = lowest
        above = total / max(lowest, SMALLEST)
        if self.factor and above > self.factor:
            worst = max(losses, key=lambda name: losses[name])
            raise TrainingStopped(
                f"the losses exploded: {worst!r} is {losses[worst]:.4g} at step {step}, "
                f"all of {player} together {above:.0f} times their lowest",
                hint=hint,
            )
        self._uneasy[player] = bool(self.factor) and above > math.sqrt(self.factor)

    def would_stop(self, player: str, losses: dict[str, float]) -> bool:
        """Whether `check` would raise; nothing is remembered."""
        total = sum(losses.values())
        lowest = max(self._lowest.get(player, total), SMALLEST)
        return not math.isfinite(total) or bool(self.factor and total / lowest > self.factor)

    def state(self) -> dict[str, dict[str, float]]:
        """For a checkpoint."""
        return {"running": dict(self._running), "lowest": dict(self._lowest)}

    def load(self, state: dict[str, dict[str, float]]) -> None:
        """From a checkpoint."""
        self._running, self._lowest = dict(state["running"]), dict(state["lowest"])


def refuse_no_numbers(networks: nn.ModuleDict, *, step: int, hint: str) -> None:
    """Raises TrainingStopped, naming the network, if a weight is not finite.

    The losses of a step are those of the weights before it: without this the last step could ruin a model unseen.
    """
    for name, network in networks.items():
        if not all(bool(value.isfinite().all()) for value in network.state_dict().values()):
            raise TrainingStopped(f"weights of {name} are no numbers any more after step {step}", hint=hint)
