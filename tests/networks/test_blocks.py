import torch

from restore_cli.networks.blocks import ConvBlock, ResBlock, UpBlock


def test_a_block_without_norm_starts_as_the_identity():
    """Deep stacks without a norm only train if their branches start at zero."""
    x = torch.randn(1, 6, 5, 7)
    assert torch.equal(ResBlock(6, norm="none")(x), x)
    assert not torch.equal(ResBlock(6, norm="instance")(x), x)


def test_sizes():
    x = torch.randn(2, 3, 16, 24)
    assert ConvBlock(3, 5, kernel=4, stride=2, padding=1, norm="none")(x).shape == (2, 5, 8, 12)
    assert UpBlock(3, 5, norm="instance")(x).shape == (2, 5, 32, 48)


def test_instance_norm_forgets_brightness_and_none_keeps_it():
    x = torch.randn(1, 3, 16, 16)
    for norm, forgets in (("instance", True), ("none", False)):
        block = ConvBlock(3, 4, kernel=3, padding=1, norm=norm, reflect=True)
        assert torch.allclose(block(x), block(x + 2), atol=1e-4) == forgets


def test_with_a_leak_no_channel_dies():
    """Of the bundled model a whole layer once answered zero for every photo, and so learned nothing any more."""
    block = ConvBlock(3, 4, kernel=3, padding=1, norm="none", leak=0.2)
    torch.nn.init.constant_(block.conv.bias, -9.0)
    block(torch.rand(1, 3, 8, 8)).sum().backward()
    assert block.conv.weight.grad.abs().min() > 0
    assert ConvBlock(3, 4, kernel=3, padding=1, norm="none")(torch.randn(1, 3, 8, 8)).min() == 0
