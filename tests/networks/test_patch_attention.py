import torch

from restore_cli.networks.patch_attention import PatchAttention


def test_a_damaged_patch_becomes_the_sound_one_most_like_it():
    block = PatchAttention(2, patch=2, norm="none")
    x = torch.zeros(2, 4, 4)
    x[0, :2, :2], x[1, :2, 2:], x[0, 2:, :2] = 1, 1, -1
    x[0, 2:, 2:] = torch.tensor([[3.0, 3.0], [3.0, 2.0]])  # damaged, looks like the first
    damage = torch.zeros(1, 4, 4)
    damage[:, 2:, 2:] = 1
    replaced = block._replace(x, damage)
    assert torch.equal(replaced[:, 2:, 2:], x[:, :2, :2])
    assert torch.equal(replaced[:, :2], x[:, :2])


def test_a_patch_with_less_than_six_tenths_damaged_stays():
    block = PatchAttention(2, patch=2, norm="none")
    x, damage = torch.randn(2, 4, 4), torch.zeros(1, 4, 4)
    damage[:, 0, :2] = 1
    assert torch.equal(block._replace(x, damage), x)


def test_all_or_nothing_damaged_changes_nothing():
    block = PatchAttention(2, patch=2, norm="none")
    x = torch.randn(2, 4, 4)
    for damage in (torch.zeros(1, 4, 4), torch.ones(1, 4, 4)):
        assert torch.equal(block._replace(x, damage), x)
