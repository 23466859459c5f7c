"""Each loss against a value worked out by hand."""

import math

import pytest
import torch

from restore_cli.training import losses


def test_kl_is_the_mean_square():
    assert losses.kl_to_unit_gaussian(torch.tensor([[1.0, -3.0]])).item() == pytest.approx(5.0)


def test_gradient_l1_sees_edges_and_not_brightness():
    """A step of 1 between two columns of three: one of two differences across, none down."""
    target = torch.zeros(1, 1, 2, 3)
    image = target.clone()
    image[..., 2] = 1
    assert losses.gradient_l1(image, target).item() == pytest.approx(0.5)
    assert losses.gradient_l1(target + 5, target).item() == 0


def test_balanced_cross_entropy_weighs_both_kinds_the_same():
    """One damaged pixel of four, logit 0 everywhere: each kind contributes half of log 2."""
    mask = torch.tensor([[[[1.0, 0, 0, 0]]]])
    assert losses.balanced_cross_entropy(torch.zeros_like(mask), mask).item() == pytest.approx(math.log(2))
    surely_sound = torch.full_like(mask, -20.0)
    assert losses.balanced_cross_entropy(surely_sound, mask).item() == pytest.approx(10.0, rel=1e-4)


def test_balanced_cross_entropy_of_a_sound_picture_is_plain():
    mask = torch.zeros(1, 1, 2, 2)
    assert losses.balanced_cross_entropy(torch.zeros_like(mask), mask).item() == pytest.approx(math.log(2))


def test_focal_counts_easy_pixels_little():
    """At logit 0 the true class has probability 1/2: (1/2)^2 log 2."""
    mask = torch.ones(1, 1, 1, 1)
    assert losses.focal(torch.zeros_like(mask), mask).item() == pytest.approx(0.25 * math.log(2))


def test_dice_is_zero_where_all_is_found_and_near_one_where_nothing_is():
    mask = torch.zeros(1, 1, 10, 10)
    mask[..., :5, :] = 1
    assert losses.dice((mask - 0.5) * 100, mask).item() == pytest.approx(0, abs=1e-6)
    assert losses.dice(torch.full_like(mask, -100), mask).item() == pytest.approx(1 - 1 / 51)


def test_psnr_of_tensors():
    """An error of 0.2 of a range of 2 is 20 dB."""
    image = torch.zeros(1, 3, 4, 4)
    assert losses.psnr_of_tensors(image + 0.2, image) == pytest.approx(20.0, abs=1e-4)
    assert losses.psnr_of_tensors(image, image) == 99.0
