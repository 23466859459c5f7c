"""The non-local block over large photos: exact within its budget, near the exact answers beyond it."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from restore_cli.networks.attention import PartialNonLocal
from restore_cli.restoration import answers
from restore_cli.restoration.layers import Bands, Field
from restore_cli.restoration.planes import Shelf

CPU = torch.device("cpu")
CHANNELS, HEIGHT, WIDTH = 16, 50, 70
BANDS = Bands(latent_rows=7, latent_height=HEIGHT, device=CPU, dtype=torch.float32)


def asked(block: PartialNonLocal, x: torch.Tensor, valid: torch.Tensor, bands: Bands = BANDS) -> torch.Tensor:
    shelf = Shelf(keep="float32", home=CPU, device=CPU)
    source, target = (shelf.plane(CHANNELS, HEIGHT, WIDTH) for _ in range(2))
    source.write(0, x)
    return answers.answer_all(block, Field(source), valid, target, bands).rows(0, HEIGHT)


@pytest.fixture
def block() -> PartialNonLocal:
    torch.manual_seed(0)
    return PartialNonLocal(CHANNELS, blocks=1, norm="instance", scaled=False, window=None)


@pytest.fixture
def x() -> torch.Tensor:
    """Features as smooth as those of a picture."""
    torch.manual_seed(1)
    return F.interpolate(torch.randn(1, CHANNELS, 9, 12), size=(HEIGHT, WIDTH), mode="bicubic")


@pytest.fixture
def valid() -> torch.Tensor:
    sound = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    sound[:, 20:23] = sound[30:34] = False
    return sound


@torch.inference_mode()
def test_within_the_budget_answers_are_exact(block: PartialNonLocal, x: torch.Tensor, valid: torch.Tensor) -> None:
    assert torch.allclose(asked(block, x, valid)[0], block.ask(x[0], valid), atol=1e-5)


@torch.inference_mode()
def test_beyond_the_budget_answers_are_near(
    block: PartialNonLocal, x: torch.Tensor, valid: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = asked(block, x, valid)
    monkeypatch.setattr(answers, "EXACT_PAIRS", 0)
    monkeypatch.setattr(answers, "NEAR", 8)
    monkeypatch.setattr(answers, "MOST_CELLS", 300)
    monkeypatch.setattr(answers, "MOST_FINE_CELLS", 300)
    error = (asked(block, x, valid) - exact).square().mean().sqrt()
    spread = (exact - exact.mean(dim=(2, 3), keepdim=True)).square().mean().sqrt()
    assert 0 < error < 0.25 * spread  # far cells here are as wide as the features are smooth


@torch.inference_mode()
def test_damaged_positions_ask_finer_cells(
    block: PartialNonLocal, x: torch.Tensor, valid: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As small as positions here: theirs are the exact answers, while those of the others are not."""
    exact = asked(block, x, valid)
    monkeypatch.setattr(answers, "EXACT_PAIRS", 0)
    monkeypatch.setattr(answers, "MOST_CELLS", 100)
    found = asked(block, x, valid)
    assert torch.allclose(found[..., ~valid], exact[..., ~valid], atol=1e-5)
    far_from_damage = found[..., :16, 40:] - exact[..., :16, 40:]
    assert far_from_damage.abs().max() > 1e-3


@torch.inference_mode()
def test_cells_larger_than_a_neighbourhood_still_answer(
    block: PartialNonLocal, x: torch.Tensor, valid: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = asked(block, x, valid)
    monkeypatch.setattr(answers, "EXACT_PAIRS", 0)
    monkeypatch.setattr(answers, "NEAR", 2)
    monkeypatch.setattr(answers, "MOST_CELLS", 300)
    monkeypatch.setattr(answers, "MOST_FINE_CELLS", 300)
    error = (asked(block, x, valid) - exact).square().mean().sqrt()
    spread = (exact - exact.mean(dim=(2, 3), keepdim=True)).square().mean().sqrt()
    assert error < 0.5 * spread


@torch.inference_mode()
def test_cells_as_small_as_positions_give_the_exact_answers(
    block: PartialNonLocal, x: torch.Tensor, valid: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nothing is averaged: near and far together are all positions, each once."""
    exact = asked(block, x, valid)
    monkeypatch.setattr(answers, "EXACT_PAIRS", 0)
    monkeypatch.setattr(answers, "NEAR", 8)
    assert torch.allclose(asked(block, x, valid), exact, atol=1e-5)


@torch.inference_mode()
def test_without_a_sound_position_the_answer_is_zero(
    block: PartialNonLocal, x: torch.Tensor, valid: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not asked(block, x, ~valid & valid).any()
    monkeypatch.setattr(answers, "EXACT_PAIRS", 0)
    assert not asked(block, x, ~valid & valid).any()


@torch.inference_mode()
@pytest.mark.parametrize("pairs", [answers.EXACT_PAIRS, 0])
def test_what_shows_is_asked_in_float32(
    block: PartialNonLocal, x: torch.Tensor, valid: torch.Tensor, pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bfloat16 a sharp softmax would pick other positions; answers that only count in statistics may."""
    monkeypatch.setattr(answers, "EXACT_PAIRS", pairs)
    sharp = 6 * x
    found = asked(block, sharp, valid, replace(BANDS, dtype=torch.bfloat16))
    exact = asked(block, sharp, valid)
    assert torch.allclose(found[..., ~valid], exact[..., ~valid], atol=1e-5)
    assert (found - exact).abs().max() > 1e-3
