import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from restore_cli.networks.attention import PartialNonLocal, attend, attend_faded, valid_map


def written_plainly(query, key, value, valid, scale, floor):
    """The N x N form of the paper: softmax over all, zero where not valid, divided by the sum."""
    weights = torch.softmax(scale * query @ key.T, dim=1) * valid
    return weights / weights.sum(dim=1, keepdim=True).clamp_min(floor) @ value


def random_inputs(positions=60, channels=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    query, key, value = torch.randn(3, positions, channels, generator=generator, dtype=torch.float64)
    valid = (torch.rand(positions, generator=generator) > 0.3).double()
    return query, key, value, valid


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_gathering_valid_keys_equals_the_matrix_form(chunk):
    query, key, value, valid = random_inputs()
    sound = valid > 0
    answers = attend(query, key[sound], value[sound], scale=0.5, chunk=chunk)
    assert torch.allclose(answers, written_plainly(query, key, value, valid, 0.5, 1e-300), atol=1e-9)


@torch.inference_mode()
def test_bfloat16_on_a_cpu_answers_to_its_rounding():
    generator = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(3, 1100, 16, generator=generator)
    answers = attend(*(x.bfloat16() for x in (query, key, value)), scale=0.5)
    exact = attend(query, key, value, scale=0.5)
    assert answers.dtype == torch.bfloat16
    assert (answers - exact).square().mean() < 1e-3 * exact.square().mean()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.inference_mode()
def test_on_a_cpu_the_block_asks_in_the_precision_of_its_weights(dtype):
    torch.manual_seed(0)
    block = PartialNonLocal(8, blocks=1, norm="none", scaled=True, window=None)
    x, valid = torch.randn(8, 9, 11).to(dtype), torch.rand(9, 11) > 0.3
    exact = block.ask(x.float(), valid)
    with torch.autocast("cpu", dtype=dtype):
        assert torch.equal(block.ask(x.float(), valid), exact)
        assert torch.equal(block.ask(x, valid), exact.to(dtype))


def test_the_released_form_fades_where_damage_takes_the_softmax():
    """With scores 60 apart the sound positions keep e^-60 of the softmax, far under the released floor of 1e-12."""
    query, key, value, valid = random_inputs()
    answers = attend_faded(query, 60 * key, value, valid, scale=1.0)
    expected = written_plainly(query, 60 * key, value, valid, 1.0, 1e-12)
    assert torch.allclose(answers, expected, atol=1e-9)
    assert (expected.abs().amax(dim=1) < 1e-3).any()  # some did fade, or this tests nothing


@torch.inference_mode()
def test_the_block_gives_the_answers_of_the_matrix_form():
    torch.manual_seed(0)
    block = PartialNonLocal(8, blocks=1, norm="none", scaled=True, window=None).double()
    x, valid = torch.randn(8, 9, 11, dtype=torch.float64), torch.rand(9, 11) > 0.3
    query, key, value = (conv(x[None])[0].flatten(1).T for conv in (block.theta, block.phi, block.g))
    expected = written_plainly(query, key, value, valid.flatten().double(), block.scale, 1e-300)
    answers = block.ask(x, valid).flatten(1).T
    assert torch.allclose(answers[~valid.flatten()], expected[~valid.flatten()], atol=1e-9)


def test_without_a_valid_position_the_answer_is_zero():
    query, key, value, valid = random_inputs()
    assert torch.equal(attend_faded(query, key, value, 0 * valid, scale=1.0), torch.zeros_like(value))
    block = PartialNonLocal(8, blocks=1, norm="none", scaled=True, window=None)
    answers = block.ask(torch.randn(8, 5, 6), torch.zeros(5, 6, dtype=torch.bool))
    assert torch.equal(answers, torch.zeros_like(answers))


def test_sound_positions_keep_their_features():
    torch.manual_seed(0)
    block = PartialNonLocal(8, blocks=1, norm="none", scaled=True, window=None)
    x, valid = torch.randn(1, 8, 12, 16), torch.ones(1, 1, 12, 16)
    valid[..., 4:6, 5:9] = 0
    with torch.inference_mode():
        y = block(x, valid)
    assert torch.equal((y * valid), x * valid)
    assert not torch.allclose(y * (1 - valid), x * (1 - valid))


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(3, 30),
    width=st.integers(3, 30),
    top=st.integers(0, 29),
    left=st.integers(0, 29),
    window=st.sampled_from([4, 8, None]),
)
def test_a_region_is_answered_as_in_the_whole(height, width, top, left, window):
    """Tiles of a large photo ask one by one."""
    torch.manual_seed(1)
    block = PartialNonLocal(4, blocks=1, norm="none", scaled=True, window=window)
    x, valid = torch.randn(4, height, width), torch.rand(height, width) > 0.2
    top, left = min(top, height - 1), min(left, width - 1)
    region = (slice(top, height), slice(left, width))
    with torch.inference_mode():
        whole, part = block.ask(x, valid), block.ask(x, valid, region)
    assert torch.allclose(whole[:, top:, left:], part, atol=1e-5)


def test_only_damage_and_its_surroundings_ask_where_nothing_sees_the_whole_picture():
    block = PartialNonLocal(4, blocks=1, norm="none", scaled=True, window=None)
    valid = torch.ones(20, 20, dtype=torch.bool)
    valid[10, 10] = False
    asked = block.ask(torch.randn(4, 20, 20), valid).abs().sum(dim=0) > 0
    assert asked.sum() == (2 * block.reach + 1) ** 2


def test_valid_maps():
    """The released rule samples four pixels of a position's sixteen, ours looks at all."""
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 0, 3] = 1
    mask[..., 5, 5] = 1
    assert valid_map(mask, any_pixel=True)[0, 0].tolist() == [[0, 1], [1, 0]]
    assert valid_map(mask, any_pixel=False)[0, 0].tolist() == [[1, 1], [1, 0]]
    nearest = F.interpolate(1 - mask, size=(2, 2), mode="nearest")
    assert nearest[0, 0].tolist() == [[1, 1], [1, 1]]
