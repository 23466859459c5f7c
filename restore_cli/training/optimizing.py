"""Optimisers and the schedule of their learning rate."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from restore_cli.training.config import LoopConfig
from restore_cli.training.muon import Muon


def make_optimizer(parameters: Iterable[nn.Parameter], loop: LoopConfig) -> torch.optim.Optimizer:
    """The one that the loop asks for."""
    kind = Muon if loop.optimizer == "muon" else torch.optim.AdamW
    return kind(list(parameters), lr=loop.lr, betas=loop.betas, weight_decay=loop.weight_decay)


def rate_factor(loop: LoopConfig, step: int) -> float:
    """Share of the learning rate at a step (counted from 0): a linear rise, constant, then linear to zero."""
    rise = min(1.0, (step + 1) / loop.warmup_steps) if loop.warmup_steps else 1.0
    decaying = max(1.0, loop.steps * loop.decay_share)
    return rise * min(1.0, (loop.steps - step) / decaying)
