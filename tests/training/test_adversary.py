"""The two sides of the game on a judge that can be worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from restore_cli.training.adversary import fool, tell_apart


class Judge(nn.Module):
    """One layer that doubles, and as score the mean over the channels times a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        return [[2 * x, self.weight * x.mean(dim=1, keepdim=True)]]


def picture(value: float, **options: bool) -> Tensor:
    return torch.full((2, 3, 4, 4), value, **options)  # type: ignore[call-overload, no-any-return]


def test_the_generator_pays_for_not_being_taken_for_real() -> None:
    """Score 0.5 * 1 = 0.5, so (0.5 - 1)^2; the layer sees 2 where it sees 6 of the real one: 4 * 4."""
    found = fool(Judge(), picture(1.0), picture(3.0), gan=2.0, feature_matching=0.5)
    assert {key: value.item() for key, value in found.items()} == pytest.approx(
        {"gan": 2 * 0.25, "feature_matching": 0.5 * 16}
    )


def test_the_judge_pays_half_for_each_side() -> None:
    """Real: (1.5 - 1)^2, made: (0.5 - 0)^2."""
    assert tell_apart(Judge(), picture(1.0), picture(3.0)).item() == pytest.approx((0.25 + 0.25) / 2)


def test_a_condition_is_seen_beside_the_picture() -> None:
    """Six channels, mean of 1 and 5: score 1.5."""
    found = fool(Judge(), picture(1.0), picture(1.0), gan=1.0, feature_matching=0.0, condition=picture(5.0))
    assert found["gan"].item() == pytest.approx(0.25)
    assert set(found) == {"gan"}


def test_gradients_reach_the_picture_that_was_made_and_not_the_real_one() -> None:
    judge, made, real = Judge(), picture(1.0, requires_grad=True), picture(3.0, requires_grad=True)
    sum(fool(judge, made, real, gan=1.0, feature_matching=1.0).values()).backward()  # type: ignore[union-attr]
    assert made.grad is not None
    assert made.grad.abs().sum() > 0
    assert real.grad is None
