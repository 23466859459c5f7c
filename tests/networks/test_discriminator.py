"""The judges of training: sizes of the published layers, spectral norm, the scales."""

from __future__ import annotations

import pytest
import torch

from restore_cli.networks.discriminator import Discriminator, DiscriminatorConfig, PatchDiscriminator


def test_layers_have_the_published_sizes() -> None:
    """Conv4 s2 p2 gives h/2 + 1; the two last layers have stride 1 and add one each."""
    judge = PatchDiscriminator(3, DiscriminatorConfig(width=4))
    shapes = [tuple(output.shape[1:]) for output in judge(torch.zeros(2, 3, 32, 48))]
    assert shapes == [(4, 17, 25), (8, 9, 13), (16, 5, 7), (32, 6, 8), (1, 7, 9)]


def test_the_published_size() -> None:
    assert sum(p.numel() for p in PatchDiscriminator(3, DiscriminatorConfig()).parameters()) == 2_764_737


def test_first_and_last_layer_keep_brightness_and_the_others_do_not() -> None:
    """Only the layers between are instance normed, so only there the mean over the picture is nothing."""
    torch.manual_seed(0)
    outputs = PatchDiscriminator(1, DiscriminatorConfig(width=4))(torch.rand(1, 1, 64, 64))
    means = [output.mean(dim=(2, 3)).abs().max().item() for output in outputs]
    assert means[0] > 0.01
    assert outputs[-1].min() < 0 < outputs[-1].max() or means[-1] > 0
    for output in outputs[1:-1]:  # leaky: undo it, then the mean over the picture is zero
        undone = torch.where(output < 0, output / 0.2, output)
        assert undone.mean(dim=(2, 3)).abs().max() < 1e-5


def test_the_second_scale_sees_the_picture_at_half_the_size() -> None:
    torch.manual_seed(0)
    judge = Discriminator(3, DiscriminatorConfig(width=2, scales=2))
    image = torch.rand(1, 3, 32, 32)
    judged = judge(image)
    assert [scale[0].shape[-1] for scale in judged] == [17, 9]
    half = torch.nn.functional.avg_pool2d(image, 3, 2, 1, count_include_pad=False)
    assert torch.equal(judged[1][-1], judge.scales[1](half)[-1])


def test_spectral_norm_bounds_every_convolution() -> None:
    torch.manual_seed(0)
    judge = PatchDiscriminator(3, DiscriminatorConfig(width=4, spectral_norm=True)).eval()
    for conv in judge.convs:
        largest = torch.linalg.matrix_norm(conv.weight.detach().flatten(1), 2).item()
        assert largest == pytest.approx(1, abs=0.15)  # a few rounds of power iteration at construction


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="scales 0"):
        DiscriminatorConfig(scales=0)
