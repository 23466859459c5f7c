"""Gaussian random numbers, quickly: synthesis spends more time on them than on anything else."""

from __future__ import annotations

from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

LEVELS = 1 << 16


def gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal numbers from 65,536 equally likely values (to 4.3 standard deviations).

    Four times as fast as `rng.standard_normal`, and finer than the 256 levels of the pictures that they end in.
    """
    count = int(np.prod(shape))
    levels = np.frombuffer(rng.bytes(2 * count), np.dtype("<u2"))
    return np.take(_quantiles(), levels).reshape(shape)


@cache
def _quantiles() -> NDArray[np.float32]:
    """The middle value of each of `LEVELS` equally likely slices of the normal distribution."""
    upper = [NormalDist().inv_cdf((level + 0.5) / LEVELS) for level in range(LEVELS // 2, LEVELS)]
    values = np.asarray(upper)
    return np.concatenate((-values[::-1], values)).astype(np.float32)
