"""Weights and inputs that follow from names alone, so that reference outputs need no file of either."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor


class NamedNumbers:
    """Standard normal numbers from sha256("SALT:NAME"), the rule that the reference outputs were made with."""

    def __init__(self, salt: str = "v1") -> None:
        self.salt = salt

    def normal(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        digest = hashlib.sha256(f"{self.salt}:{name}".encode()).digest()
        generator = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "little")))
        return generator.standard_normal(shape).astype(np.float32)

    def value(self, key: str, shape: tuple[int, ...]) -> Tensor:
        """The value of one tensor of a checkpoint, by the kind that its key tells."""
        leaf = key.rpartition(".")[2]
        if leaf == "num_batches_tracked":
            return torch.tensor(1)
        numbers = self.normal(key, shape)
        if leaf.startswith("weight") and len(shape) > 1:
            numbers *= math.sqrt(2 / math.prod(shape[1:]))
        elif leaf == "weight":
            numbers = 1 + 0.1 * numbers
        elif leaf == "running_var":
            numbers = 1 + 0.2 * np.abs(numbers)
        else:
            numbers *= 0.05
        return torch.from_numpy(numbers)

    def spectral(self, layer: str, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """A convolution under spectral norm: weight_orig, a unit vector u, and v = W^T u made a unit vector."""
        weight = self.value(f"{layer}.weight_orig", shape)
        u = torch.from_numpy(self.normal(f"{layer}.weight_u", shape[:1]))
        u /= u.norm()
        v = weight.flatten(1).T @ u
        return {f"{layer}.weight_orig": weight, f"{layer}.weight_u": u, f"{layer}.weight_v": v / v.norm()}

    def noise(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """An input in [-1, 1]."""
        return torch.from_numpy(np.clip(0.5 * self.normal(f"input:{name}", shape), -1, 1))


@pytest.fixture(scope="session")
def numbers() -> NamedNumbers:
    return NamedNumbers()


@pytest.fixture(scope="session")
def released_face_state(numbers: NamedNumbers) -> Callable[[torch.nn.Module], dict[str, Tensor]]:
    """For a face generator: its weights as a released checkpoint holds them, spectral norm not folded."""

    def make(module: torch.nn.Module) -> dict[str, Tensor]:
        state: dict[str, Tensor] = {}
        for key, tensor in module.state_dict().items():
            layer, _, leaf = key.rpartition(".")
            if leaf == "weight" and layer.rpartition(".")[2] in ("conv_0", "conv_1", "conv_s"):
                state |= numbers.spectral(layer, tuple(tensor.shape))
            else:
                state[key] = numbers.value(key, tuple(tensor.shape))
        return state

    return make
