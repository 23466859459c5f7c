"""When a run has to stop."""

from __future__ import annotations

import pytest

from restore_cli.errors import TrainingStopped
from restore_cli.training.guard import LossGuard


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_stops(value: float) -> None:
    with pytest.raises(TrainingStopped, match=r"'l1' became .* at step 7"):
        LossGuard(0).check("vae", {"kl": 1.0, "l1": value}, step=7, hint="")


def test_an_explosion_stops_and_names_the_worst_term() -> None:
    guard = LossGuard(100)
    for step in range(50):
        guard.check("vae", {"kl": 0.5, "l1": 0.5}, step=step, hint="")
    guard.check("vae", {"kl": 0.5, "l1": 9.0}, step=50, hint="")
    assert not guard.is_uneasy
    guard.check("vae", {"kl": 0.5, "l1": 40.0}, step=51, hint="")
    assert guard.is_uneasy
    with pytest.raises(TrainingStopped, match="exploded: 'l1'"):
        guard.check("vae", {"kl": 0.5, "l1": 400.0}, step=52, hint="")


def test_a_slow_rise_is_held_against_the_lowest_and_not_against_the_last() -> None:
    guard = LossGuard(100)
    for step in range(460):  # 1.01^460 = 97
        guard.check("vae", {"l1": 1.01**step}, step=step, hint="")
    with pytest.raises(TrainingStopped, match="exploded"):
        guard.check("vae", {"l1": 1.01**480}, step=480, hint="")


def test_losses_near_zero_or_below_do_not_alarm() -> None:
    """A tenth is small; a thousand times a millionth is smaller still. Logarithms may be negative."""
    guard = LossGuard(1000)
    for step, value in enumerate((1.0, 1e-6, -5.0, 50.0)):
        guard.check("tone", {"log": value}, step=step, hint="")


def test_it_says_beforehand_what_it_would_stop() -> None:
    guard = LossGuard(100)
    assert not guard.would_stop("vae", {"l1": 1e9}), "nothing to compare with yet"
    assert guard.would_stop("vae", {"l1": float("nan"), "kl": 1.0})
    guard.check("vae", {"l1": 1.0}, step=1, hint="")
    assert guard.would_stop("vae", {"l1": 101.0})
    assert not guard.would_stop("vae", {"l1": 99.0})


def test_its_memory_survives_a_checkpoint() -> None:
    guard, other = LossGuard(100), LossGuard(100)
    for step in range(10):
        guard.check("a", {"x": 1.0}, step=step, hint="")
    other.load(guard.state())
    with pytest.raises(TrainingStopped):
        other.check("a", {"x": 500.0}, step=11, hint="")
