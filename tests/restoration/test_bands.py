"""A model with instance norm in bands is the same model on the whole photo: one set of statistics, no seams."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from restore_cli.networks import VAE, Mapping, MappingConfig, VAEConfig
from restore_cli.restoration.bands import banded
from restore_cli.restoration.layers import RunningMoments
from restore_cli.restoration.model import Way
from restore_cli.restoration.passes import Task, whole
from restore_cli.restoration.planes import Keep, Shelf

HEIGHT, WIDTH = 150, 187  # multiples of nothing
CPU = torch.device("cpu")
RELEASED = MappingConfig(latent=8, width=16, ramp=2, blocks=2, non_local_blocks=2)
OURS = MappingConfig(
    latent=48,
    width=64,  # goes through Winograd's algorithm
    ramp=1,
    blocks=2,
    attention="non_local",
    scaled=True,
    norm="none",
    leak=0.2,
    residual=True,
    mask_input=True,
)


def task(config: MappingConfig, seed: int = 0) -> Task:
    """A photo with scratches, brighter to the right so that statistics of its parts differ, and random weights."""
    torch.manual_seed(seed)
    vae_config = VAEConfig(
        width=6, latent=config.latent, blocks=1, norm=config.norm, leak=config.leak, patch_skip=config.latent >= 48
    )
    encoder, decoder = VAE(vae_config).eval(), VAE(vae_config).eval()
    mapping = Mapping(config).eval()
    if config.residual:
        torch.nn.init.kaiming_normal_(mapping.last.weight)
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 150, WIDTH)[None, :, None]
    image = (rng.integers(0, 100, (HEIGHT, WIDTH, 3)) + ramp).astype(np.uint8)
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[20:60, 30:80], mask[90:92], mask[:, 121] = True, True, True
    return Task(Way(encoder.encoder, mapping, decoder.decoder), image, mask, CPU, torch.float32)


def put_together(work: Task, rows: int, keep: Keep = "float32") -> torch.Tensor:
    together = torch.full((1, 3, HEIGHT, WIDTH), torch.nan)
    for box, pixels in banded(work, Shelf(keep=keep, home=CPU, device=CPU), rows):
        together[:, :, box.top : box.bottom, box.left : box.right] = pixels
    return together


CONFIGS = {
    "quality": RELEASED,
    "scratch": replace(RELEASED, attention="non_local"),
    "patch": replace(RELEASED, attention="patch", blocks=8, blocks_before=2),
    "ours": OURS,
    "windowed": replace(OURS, width=16, window=8),
}


@torch.inference_mode()
@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("rows", [3, 16, 1000])
def test_bands_equal_the_whole(kind: str, rows: int) -> None:
    """Values reach 1. Norms divide by small deviations, which enlarges the rounding of sums in another order."""
    work = task(CONFIGS[kind])
    expected = whole(work)
    assert expected.std() > 0.1
    assert torch.allclose(put_together(work, rows), expected, atol=5e-4)


@torch.inference_mode()
@pytest.mark.parametrize("keep", ["float16", "disk"])
@pytest.mark.parametrize("kind", ["scratch", "patch"])
def test_half_the_bits_are_far_under_a_grey_level(kind: str, keep: Keep) -> None:
    """0.5 / 255 on average and 4 / 255 at the 99.9th percentile is what the issue allows; values span 2."""
    work = task(CONFIGS[kind])
    difference = (put_together(work, 8, keep) - whole(work)).abs() * 127.5
    assert difference.mean() < 0.5
    assert np.quantile(difference, 0.999) < 4


@torch.inference_mode()
@pytest.mark.parametrize("kind", CONFIGS)
def test_bfloat16_is_within_45_db_of_float32(kind: str) -> None:
    """The scratch and patch models too, which pick single positions: what they pick by is in float32."""
    work = task(CONFIGS[kind])
    error = (put_together(replace(work, dtype=torch.bfloat16), 16) - put_together(work, 16)).square().mean()
    assert 10 * torch.log10(4 / error) > 45


@torch.inference_mode()
@pytest.mark.parametrize(("keep", "invisible"), [("float16", 0.0), ("float32", 0.05)])
def test_no_band_border_shows(keep: Keep, invisible: float) -> None:
    """Where two bands meet the difference from the whole is no larger than elsewhere, within 10 %.

    In float32 all differences are rounding, whose ratio means nothing: there a border may differ by 0.05 of a grey
    level, which cannot be seen.
    """
    differences = [
        (put_together(work, 8, keep) - whole(work)).abs().mean(dim=(0, 1, 3)) * 127.5
        for work in (task(CONFIGS["scratch"], seed) for seed in range(3))
    ]
    by_row = torch.stack(differences).mean(dim=0)
    border = (torch.arange(HEIGHT) % 32 == 0) | (torch.arange(HEIGHT) % 32 == 31)
    assert by_row[border].mean() <= max(1.1 * by_row[~border].mean(), invisible)


def test_statistics_of_bands_are_those_of_the_whole() -> None:
    torch.manual_seed(0)
    values = 1000 + torch.randn(1, 5, 40, 30)  # a mean far from zero is where sums of squares would fail
    running = RunningMoments()
    for rows in values.split([7, 1, 32], dim=2):
        running.add(rows)
    moments = running.moments(torch.nn.InstanceNorm2d(5))
    expected = torch.nn.functional.instance_norm(values.double()).float()
    assert torch.allclose((values - moments.mean) * moments.scale, expected, atol=1e-3)
