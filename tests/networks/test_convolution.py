"""Convolutions by another way give what nn.Conv2d gives; tolerances are float32 rounding of sums over the channels."""

import pytest
import torch
from torch import nn

from restore_cli.networks import few_outputs, winograd
from restore_cli.networks.convolution import Conv
from restore_cli.networks.cpu import has_amx


def pair(*args, **kwargs):
    """The same weights in nn.Conv2d and in ours."""
    torch.manual_seed(0)
    plain = nn.Conv2d(*args, **kwargs)
    ours = Conv(*args, **kwargs)
    ours.load_state_dict(plain.state_dict())
    return plain, ours


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
@pytest.mark.parametrize(("height", "width"), [(32, 40), (33, 41), (35, 34), (9, 1101)])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@torch.inference_mode()
def test_winograd_equals_the_direct_sum(mode, height, width, order):
    plain, ours = pair(256, 272, 3, padding=1, padding_mode=mode)
    x = torch.randn(2, 256, height, width).contiguous(memory_format=order)
    assert winograd.pays(ours, x)
    assert torch.allclose(ours(x), plain(x), atol=1e-5)


@torch.inference_mode()
def test_winograd_is_close_to_float64():
    plain, ours = pair(256, 256, 3, padding=1)
    x = torch.randn(1, 256, 48, 48).abs()
    exact = plain.double()(x.double())
    assert (ours(x) - exact).abs().mean() < 1e-6 * exact.abs().mean()


@pytest.mark.parametrize("kernel", [5, 7])
@pytest.mark.parametrize("mode", ["zeros", "reflect"])
@torch.inference_mode()
def test_few_outputs_line_by_line_equal_the_direct_sum(kernel, mode):
    plain, ours = pair(24, 3, kernel, padding=kernel // 2, padding_mode=mode)
    x = torch.randn(1, 24, 33, 41).contiguous(memory_format=torch.channels_last)
    assert few_outputs.pays(ours, x)
    parts = [x[:, :, :20], x[:, :, 20:]]
    assert torch.allclose(ours.over(parts, kernel // 2, kernel // 2), plain(x), atol=1e-5)


@pytest.mark.parametrize("channels", [8, 256])
@pytest.mark.parametrize("mode", ["zeros", "reflect"])
@torch.inference_mode()
def test_a_band_with_its_neighbours_rows_needs_no_padding(channels, mode):
    plain, ours = pair(channels, channels, 3, padding=1, padding_mode=mode)
    x = torch.randn(1, channels, 60, 61)
    whole = plain(x)
    assert torch.allclose(ours(x[:, :, :31], 1, 0), whole[:, :, :30], atol=1e-5)
    assert torch.allclose(ours(x[:, :, 9:41], 0, 0), whole[:, :, 10:40], atol=1e-5)
    assert torch.allclose(ours(x[:, :, 39:], 0, 1), whole[:, :, 40:], atol=1e-5)


@torch.inference_mode()
def test_on_several_threads_few_channels_are_summed_directly():
    """There Winograd's sums are too small to be shared out; alone it is faster from 64 channels on."""
    conv, x, threads = Conv(96, 96, 3, padding=1), torch.randn(1, 96, 40, 40), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert winograd.pays(conv, x)
        torch.set_num_threads(2)
        assert not winograd.pays(conv, x)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.skipif(has_amx(), reason="there bfloat16 is faster")
@torch.inference_mode()
def test_beside_bfloat16_the_widest_convolutions_stay_exact():
    plain, ours = pair(512, 512, 3, padding=1)
    x = torch.randn(1, 512, 48, 48)
    exact = plain(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (plain(x) - exact).abs().mean() > 1e-4  # so the context rounds
        assert torch.allclose(ours(x), exact, atol=1e-5)


@pytest.mark.parametrize("size", [(20, 24), (6, 7), (5, 5), (4, 30)])
@torch.inference_mode()
def test_reflection_without_a_padded_copy(size):
    plain, ours = pair(3, 5, 7, padding=3, padding_mode="reflect")
    x = torch.randn(1, 3, *size)
    assert torch.allclose(ours(x), plain(x), atol=1e-5)


def test_gradients_flow_as_ever():
    plain, ours = pair(64, 64, 3, padding=1, padding_mode="reflect")
    x = torch.randn(1, 64, 20, 20)
    for conv in (plain, ours):
        conv(x).square().mean().backward()
    assert torch.allclose(ours.weight.grad, plain.weight.grad)
