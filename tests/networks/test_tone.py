import pytest
import torch

from restore_cli.networks import ToneConfig, ToneNet
from restore_cli.networks.tone import TERMS, correct, thumbnail


def test_an_untrained_network_changes_nothing():
    torch.manual_seed(0)
    photo = torch.rand(2, 3, 30, 50) * 2 - 1
    transforms = ToneNet(ToneConfig(thumbnail=32, width=4))(torch.rand(2, 7, 32, 32))
    assert transforms.shape == (2, 3 * TERMS, 4, 4)
    assert torch.allclose(correct(photo, transforms, top=0, left=0, height=30, width=50), photo, atol=1e-6)


def test_a_pale_print_can_be_stretched_to_black_and_white():
    """Going all the way: the 1 % and 99 % levels of each channel, whatever the damage looks like."""
    network = ToneNet(ToneConfig(thumbnail=32, width=4))
    torch.nn.init.ones_(network.answer.bias[3 * TERMS :])
    pale = torch.linspace(0.1, 0.5, 32 * 32).reshape(1, 1, 32, 32) + torch.tensor([0.0, 0.1, 0.3]).reshape(1, 3, 1, 1)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 5:9] = 1
    scratched = torch.where(mask > 0, torch.ones_like(pale), pale)
    result = correct(pale, network(thumbnail(scratched, pale, mask, 32)), top=0, left=0, height=32, width=32)
    ends = torch.quantile(result.flatten(2), torch.tensor([0.01, 0.99]), dim=2)
    assert torch.allclose(ends, torch.tensor([-1.0, 1.0]).reshape(2, 1, 1).expand(2, 1, 3), atol=1e-4)


def test_all_that_is_added_speaks_of_stretched_levels():
    """By hand, one channel: s + 0.5 s^2 - 0.25, with s the stretched level, comes out of the transforms of x."""
    network = ToneNet(ToneConfig(thumbnail=32, width=4))
    with torch.no_grad():
        bias = network.answer.bias
        bias[3 * TERMS :] = 1
        bias[3], bias[6] = 0.5, -0.25  # red: its own square, and one
    levels = torch.linspace(-0.6, 0.2, 32 * 32).reshape(1, 1, 32, 32).expand(1, 3, -1, -1)
    low, high = torch.quantile(levels[0, 0], torch.tensor([0.01, 0.99]))
    stretched = 2 * (levels[:, 0] - low) / (high - low) - 1
    shown = thumbnail(levels, levels, torch.zeros(1, 1, 32, 32), 32)
    result = correct(levels, network(shown), top=0, left=0, height=32, width=32)
    assert torch.allclose(result[:, 0], stretched + 0.5 * stretched.square() - 0.25, atol=1e-4)


def test_a_transform_is_a_sum_of_colours_squares_and_one():
    """By hand: red becomes 0.5 r + 2 g^2 - 1, the others are swapped."""
    weights = torch.zeros(3, TERMS)
    weights[0, 0], weights[0, 4], weights[0, 6] = 0.5, 2.0, -1.0
    weights[1, 2], weights[2, 1] = 1.0, 1.0
    colour = torch.tensor([0.2, -0.3, 0.8]).reshape(1, 3, 1, 1).expand(1, 3, 6, 6)
    transforms = weights.reshape(1, -1, 1, 1).expand(1, -1, 4, 4)
    result = correct(colour, transforms, top=0, left=0, height=6, width=6)
    assert torch.allclose(result[0, :, 3, 3], torch.tensor([0.1 + 0.18 - 1, 0.8, -0.3]))


def test_a_region_comes_out_as_it_does_in_the_whole():
    """Whoever cuts tiles gets the photo, also where the padding reaches beyond its edge."""
    torch.manual_seed(1)
    photo, transforms = torch.rand(1, 3, 40, 64), torch.randn(1, 3 * TERMS, 8, 8)
    whole = correct(photo, transforms, top=0, left=0, height=37, width=61)
    part = correct(photo[:, :, 11:40, 20:64], transforms, top=11, left=20, height=37, width=61)
    assert torch.allclose(part, whole[:, :, 11:, 20:], atol=1e-5)


def test_transforms_change_smoothly_across_a_photo():
    """Half way between two points of the grid the change is half way too: no squares show."""
    transforms = torch.zeros(1, 3 * TERMS, 2, 2)
    transforms[:, 6::TERMS, :, 1] = 1.0  # adds 1 on the right, 0 on the left
    result = correct(torch.zeros(1, 3, 8, 8), transforms, top=0, left=0, height=8, width=8)
    steps = result[0, 0, 0].diff()
    assert result[0, 0, 0, 0] == 0
    assert result[0, 0, 0, -1] == 1
    assert steps.min() >= 0
    assert steps.max() <= 0.2501


def test_a_thumbnail_that_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match="multiple of 16"):
        ToneConfig(thumbnail=40)
