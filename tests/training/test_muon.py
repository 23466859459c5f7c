"""The optimiser that keeps deep layers apart."""

from __future__ import annotations

import torch
from torch import nn

from restore_cli.training.muon import Muon, is_hidden_kernel, orthogonalised


def test_orthogonalised_keeps_directions_and_evens_their_lengths() -> None:
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(8, 30), full_matrices=False)
    matrix = u @ torch.diag(torch.logspace(0, -1.5, 8)) @ v
    lengths = torch.linalg.svdvals(orthogonalised(matrix))
    assert lengths.min() > 0.6
    assert lengths.max() < 1.3
    assert torch.allclose(orthogonalised(matrix.T), orthogonalised(matrix).T, atol=1e-5)


def test_kernels_from_or_to_a_picture_are_not_hidden() -> None:
    assert is_hidden_kernel(nn.Conv2d(8, 8, 3).weight)
    assert not is_hidden_kernel(nn.Conv2d(1, 8, 7).weight)
    assert not is_hidden_kernel(nn.Conv2d(8, 1, 3).weight)
    assert not is_hidden_kernel(nn.BatchNorm2d(8).weight)


def test_other_parameters_move_as_with_adamw() -> None:
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    options = {"lr": 1e-2, "betas": (0.9, 0.99), "weight_decay": 0.1}
    optimizers = (Muon(ours.parameters(), **options), torch.optim.AdamW(theirs.parameters(), **options))
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    for _ in range(4):
        for network, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            network(x).square().sum().backward()
            optimizer.step()
    assert torch.allclose(ours.weight, theirs.weight, atol=1e-6)


def test_a_step_moves_a_kernel_in_all_directions_alike() -> None:
    kernel = nn.Parameter(torch.zeros(6, 5, 3, 3))
    optimizer = Muon([kernel], lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0)
    torch.manual_seed(2)
    weak = torch.randn(6, 5, 3, 3) * torch.logspace(0, -1, 6)[:, None, None, None]
    kernel.grad = weak
    optimizer.step()
    lengths = torch.linalg.svdvals(kernel.detach().flatten(1)) / 0.02
    assert lengths.min() > 0.6
    assert lengths.max() < 1.3
    assert (kernel.detach() * weak).sum() < 0
