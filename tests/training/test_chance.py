"""Random numbers that belong to a sample and to nothing else."""

from __future__ import annotations

import torch

from restore_cli.training import chance

NUMBERS = torch.tensor([5, 9, 5])


def test_a_sample_has_its_own_numbers_in_any_batch() -> None:
    together = chance.normal(NUMBERS, (3, 2), seed=1, purpose=0)
    assert together.shape == (3, 3, 2)
    assert torch.equal(together[0], together[2])
    assert not torch.equal(together[0], together[1])
    assert torch.equal(together[1:2], chance.normal(NUMBERS[1:2], (3, 2), seed=1, purpose=0))


def test_seeds_and_purposes_are_told_apart_and_global_state_is_left_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    draws = [chance.normal(NUMBERS, (8,), seed=s, purpose=p) for s, p in ((1, 0), (2, 0), (1, 1))]
    assert not torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_distributions() -> None:
    numbers = torch.arange(50)
    normal = chance.normal(numbers, (400,), seed=0, purpose=0)
    uniform = chance.uniform(numbers, (400,), seed=0, purpose=0)
    assert abs(normal.mean()) < 0.03  # four standard errors of 20,000 draws
    assert abs(normal.std() - 1) < 0.03
    assert 0 <= uniform.min() < 0.001 < 0.999 < uniform.max() < 1
