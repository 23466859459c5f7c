"""Random numbers that belong to a sample.

They follow from the run's seed and the sample's number alone, so that a batch gets the same ones whether one process
draws them or several, and whether the run was stopped in between or not.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def normal(numbers: Tensor, shape: tuple[int, ...], *, seed: int, purpose: int) -> Tensor:
    """(B, *shape) standard normal numbers for the samples `numbers` (B,), on their device.

    `purpose` tells draws for the same sample apart.
    """
    return _drawn(numbers, shape, seed, purpose, torch.randn)


def uniform(numbers: Tensor, shape: tuple[int, ...], *, seed: int, purpose: int) -> Tensor:
    """As `normal`, uniform in [0, 1)."""
    return _drawn(numbers, shape, seed, purpose, torch.rand)


def _drawn(numbers: Tensor, shape: tuple[int, ...], seed: int, purpose: int, draw: object) -> Tensor:
    assert callable(draw)
    generator = torch.Generator(numbers.device)
    rows = []
    for number in numbers.tolist():
        mixed = np.random.SeedSequence([seed, int(number), purpose]).generate_state(1, np.uint64)[0]
        generator.manual_seed(int(mixed >> np.uint64(1)))
        rows.append(draw(shape, generator=generator, device=numbers.device))
    return torch.stack(rows)
