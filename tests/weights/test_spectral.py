from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import spectral_norm

from restore_cli.weights.spectral import fold_spectral_norm


def test_folding_gives_what_torchs_own_spectral_norm_computes() -> None:
    torch.manual_seed(0)
    layer = spectral_norm(nn.Conv2d(3, 5, 3)).eval()
    x = torch.rand(1, 3, 8, 8)
    plain = nn.Conv2d(3, 5, 3)
    state = {f"net.{key}": value for key, value in layer.state_dict().items()}
    plain.load_state_dict({key[4:]: value for key, value in fold_spectral_norm(state).items()}, strict=True)
    torch.testing.assert_close(plain(x), layer(x))


def test_other_tensors_pass_through() -> None:
    state = {"a.weight": torch.ones(2, 2), "a.bias": torch.zeros(2)}
    assert fold_spectral_norm(state) == state


def test_a_missing_vector_is_named() -> None:
    with pytest.raises(KeyError, match=r"a\.weight_v"):
        fold_spectral_norm({"a.weight_orig": torch.ones(2, 2), "a.weight_u": torch.ones(2)})
