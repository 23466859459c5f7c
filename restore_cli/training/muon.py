"""Muon: momentum whose step has all singular values near one, for the kernels in the middle of a network.

Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024). With AdamW at its usual rate
the small detector's deep layers fell to one or two directions and missed what a child sees (weights/MODEL_CARD.md); a
step that moves all directions alike keeps them apart. torch.optim.Muon knows matrices only, and no other parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
GAIN = 20.0
"""Largest singular value of a step, in learning rates: at 1e-3, AdamW's usual rate here, it is Muon's usual 0.02."""
DECAY = 0.05
"""Share of the step by which kernels shrink: it bounds them, which batch norms do not."""
FEWEST_CHANNELS = 4
"""Kernels from or to a picture are no hidden layers, and AdamW moves them as it moves biases and norms."""


class Muon(torch.optim.Optimizer):
    """Muon for hidden kernels, AdamW's rule for all other parameters; one learning rate for both."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], *, lr: float, betas: tuple[float, float], weight_decay: float
    ) -> None:
        given = list(parameters)
        groups: list[dict[str, Any]] = [
            {"params": [p for p in given if is_hidden_kernel(p)], "hidden": True},
            {"params": [p for p in given if not is_hidden_kernel(p)], "hidden": False},
        ]
        defaults = {"lr": lr, "betas": betas, "weight_decay": weight_decay}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of every parameter that has a gradient. Returns what `closure` does."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                move = _move_kernel if group["hidden"] else _move_by_adamw
                move(parameter, parameter.grad, self.state[parameter], group)
        return loss


def is_hidden_kernel(parameter: Tensor) -> bool:
    """Whether this is the kernel of a convolution between features."""
    return parameter.dim() == 4 and min(parameter.shape[:2]) >= FEWEST_CHANNELS


def orthogonalised(matrix: Tensor) -> Tensor:
    """matrix: (M, N). Returns the nearest semi-orthogonal matrix, singular values 0.7 to 1.2: five quintic steps."""
    x: Tensor = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(5):
        square: Tensor = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.T if tall else x


def _move_kernel(kernel: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if not state:
        state["momentum"] = torch.zeros_like(gradient)
    momentum: Tensor = state["momentum"]
    momentum.lerp_(gradient, 1 - MOMENTUM)
    direction = orthogonalised(gradient.lerp(momentum, MOMENTUM).flatten(1))
    rows, columns = direction.shape
    rate = GAIN * group["lr"]
    kernel.mul_(1 - DECAY * rate)
    kernel.add_(direction.view_as(kernel), alpha=-rate * max(1.0, rows / columns) ** 0.5)


def _move_by_adamw(parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if not state:
        state.update(steps=0, mean=torch.zeros_like(gradient), square=torch.zeros_like(gradient))
    state["steps"] += 1
    low, high = group["betas"]
    state["mean"].lerp_(gradient, 1 - low)
    state["square"].mul_(high).addcmul_(gradient, gradient, value=1 - high)
    parameter.mul_(1 - group["lr"] * group["weight_decay"])
    spread = (state["square"] / (1 - high ** state["steps"])).sqrt_().add_(1e-8)
    parameter.addcdiv_(state["mean"], spread, value=-group["lr"] / (1 - low ** state["steps"]))
