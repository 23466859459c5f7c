"""Fold spectral norm into plain weights.

Source: Miyato et al. 2018 (arXiv 1802.05957) as PyTorch's first `spectral_norm` stores it: instead of `weight` a
checkpoint has `weight_orig` and its two singular vectors `weight_u` (out,) and `weight_v` (in * kh * kw,), and the
convolution uses weight_orig / (u^T W v) with W = weight_orig as an (out, in * kh * kw) matrix.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def fold_spectral_norm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with every NAME.weight_orig, .weight_u, .weight_v replaced by NAME.weight, the rest as it was.

    The order of the keys is kept. Raises KeyError, naming the key, where a vector is missing beside its weight_orig.
    """
    folded: dict[str, Tensor] = {}
    for key, value in state.items():
        layer, _, leaf = key.rpartition(".")
        if leaf == "weight_orig":
            folded[f"{layer}.weight"] = _normalised(value, u=state[f"{layer}.weight_u"], v=state[f"{layer}.weight_v"])
        elif leaf not in ("weight_u", "weight_v"):
            folded[key] = value
    return folded


def _normalised(weight: Tensor, *, u: Tensor, v: Tensor) -> Tensor:
    largest_singular_value = u @ (weight.flatten(1) @ v)
    return weight / largest_singular_value
