"""Each loss against a value worked out by hand."""

import math

import numpy as np
import pytest
import torch

from restore_cli.training import losses
from restore_cli.training.metrics import ssim


def test_kl_is_the_mean_square():
    assert losses.kl_to_unit_gaussian(torch.tensor([[1.0, -3.0]])).item() == pytest.approx(5.0)


def test_gradient_l1_sees_edges_and_not_brightness():
    """A step of 1 between two columns of three: one of two differences across, none down."""
    target = torch.zeros(1, 1, 2, 3)
    image = target.clone()
    image[..., 2] = 1
    assert losses.gradient_l1(image, target).item() == pytest.approx(0.5)
    assert losses.gradient_l1(target + 5, target).item() == 0


def test_laplacian_l1_of_a_tone_is_the_tone():
    image, target = torch.full((1, 3, 48, 32), 0.3), torch.zeros(1, 3, 48, 32)
    assert losses.laplacian_l1(image, target).item() == pytest.approx(0.3)


def test_laplacian_l1_sees_noise_behind_a_tone_that_is_off():
    """What L1 alone does not: with every pixel too dark its gradient is the same with and without noise."""
    noise = 0.1 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    target = torch.ones_like(noise)
    assert (noise - target).abs().mean().item() == pytest.approx(1.0, abs=0.01)
    quiet, noisy = (losses.laplacian_l1(image, target).item() for image in (torch.zeros_like(noise), noise))
    assert quiet == pytest.approx(1.0)
    assert noisy > quiet + 0.1


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


def test_dice_counts_a_speck_in_one_photo_as_much_as_a_hole_in_another():
    """Each photo alone: one found whole (0), one missed whole (1 - 1 / (n + 1))."""
    mask = torch.zeros(2, 1, 10, 10)
    mask[0, 0, :5] = 1
    mask[1, 0, 0, :4] = 1
    logits = (mask - 0.5) * 100
    logits[1] = -100
    assert losses.dice(logits, mask).item() == pytest.approx((1 - 1 / 5) / 2)


def judged(*scales: list[float]) -> list[list[torch.Tensor]]:
    """What a discriminator with one-number layers would return; the last number of each scale is the score."""
    return [[torch.full((1, 1, 2, 2), value) for value in layers] for layers in scales]


def test_lsgan_is_the_squared_distance_summed_over_scales():
    found = judged([9.0, 0.5], [9.0, -1.0])
    assert losses.lsgan(found, real=True).item() == pytest.approx(0.25 + 4)
    assert losses.lsgan(found, real=False).item() == pytest.approx(0.25 + 1)


def test_feature_matching_leaves_out_the_scores():
    """Two layers differ by 1 and 3: 4 / 2 layers * 4; the other scale is equal: half of it. Scores do not count."""
    made, real = judged([1.0, 5.0, 0.0], [2.0, 2.0, 0.0]), judged([2.0, 2.0, 7.0], [2.0, 2.0, 9.0])
    assert losses.feature_matching(made, real).item() == pytest.approx(4 / 2 * (1 + 3) / 2)


def test_feature_matching_has_the_published_weight():
    """10 * 4 / (n_layers + 1) / n_scales for each layer, n_layers = 3, two scales: 5 for each of 8 layers."""
    made, real = judged(*[[1.0] * 4 + [0.0]] * 2), judged(*[[0.0] * 5] * 2)
    assert 10 * losses.feature_matching(made, real).item() == pytest.approx(5 * 8)


def test_perceptual_weighs_the_five_activations():
    made = [torch.full((1, 1, 2, 2), float(n)) for n in (32, 16, 8, 4, 2)]
    real = [torch.zeros(1, 1, 2, 2) for _ in made]
    assert losses.perceptual(made, real).item() == pytest.approx(1 + 1 + 1 + 1 + 2)


def test_real_pictures_get_no_gradient():
    made, real = (torch.ones(1, 1, 2, 2, requires_grad=True) for _ in range(2))
    pairs = [[made * 2, made]], [[real * 3, real]]
    (losses.feature_matching(*pairs) + losses.perceptual([made] * 5, [real * 2] * 5)).backward()
    assert made.grad is not None
    assert real.grad is None


def test_psnr_of_tensors():
    """An error of 0.2 of a range of 2 is 20 dB."""
    image = torch.zeros(1, 3, 4, 4)
    assert losses.psnr_of_tensors(image + 0.2, image) == pytest.approx(20.0, abs=1e-4)
    assert losses.psnr_of_tensors(image, image) == 99.0


def test_dissimilarity_is_what_ssim_leaves_of_one():
    """The loss and the score that people read are one measure."""
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    noisy = np.clip(clean + rng.normal(0, 20, clean.shape), 0, 255).astype(np.uint8)
    first, second = (torch.from_numpy(p).permute(2, 0, 1)[None].double() / 127.5 - 1 for p in (clean, noisy))
    assert losses.dissimilarity(first, second).item() == pytest.approx(1 - ssim(clean, noisy), abs=1e-4)
    assert losses.dissimilarity(first, first).item() == pytest.approx(0, abs=1e-9)


def test_dissimilarity_knows_no_lower_precision():
    """On a plain surface the variances are differences of nearly equal numbers, which bfloat16 makes negative."""
    torch.manual_seed(0)
    plain = 0.9 + 0.01 * torch.randn(1, 3, 32, 32)
    expected = losses.dissimilarity(plain, plain.flip(3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert losses.dissimilarity(plain, plain.flip(3)) == expected


def test_root_error_leaves_out_what_does_not_count_and_takes_each_photo_alone():
    """By hand: the roots of (3^2) and of (1^2 + 7^2) / 2 = 25, averaged; the 5 is not looked at."""
    image = torch.tensor([[[[3.0, 5.0]]], [[[1.0, 7.0]]]])
    weight = torch.tensor([[[[1.0, 0.0]]], [[[1.0, 1.0]]]])
    assert losses.root_error(image, torch.zeros(2, 1, 1, 2), weight).item() == pytest.approx((3 + 5) / 2, abs=1e-3)
    assert losses.root_error(image, image, torch.zeros(2, 1, 1, 2)).item() == pytest.approx(0.01)


def test_psnr_counts_what_has_weight() -> None:
    image, target = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    image[..., 0, 0] = 1.0
    weight = torch.tensor([[0.0, 1.0], [1.0, 1.0]])[None, None]
    assert losses.psnr_of_tensors(image, target, weight) == 99.0
    assert losses.psnr_of_tensors(image, target) == pytest.approx(12.04, abs=0.01)  # one pixel of 4 is off by half
    weight[..., 0, 0] = 0.5
    assert losses.psnr_of_tensors(image, target, weight) == pytest.approx(14.47, abs=0.01)  # by 0.5 of 3.5
