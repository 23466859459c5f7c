import json
from dataclasses import asdict

import pytest
import torch

from restore_cli.networks import MAPPING_PATCH, MAPPING_QUALITY, MAPPING_SCRATCH, Mapping, MappingConfig

SMALL = {"latent": 8, "width": 16, "blocks": 2}


@pytest.mark.parametrize(
    ("config", "millions"), [(MAPPING_QUALITY, 36.14), (MAPPING_SCRATCH, 51.34), (MAPPING_PATCH, 73.90)]
)
def test_released_sizes(config, millions):
    with torch.device("meta"):
        parameters = sum(p.numel() for p in Mapping(config).parameters())
    assert round(parameters / 1e6, 2) == millions


@pytest.mark.parametrize("attention", ["none", "non_local"])
def test_latent_in_latent_out(attention):
    mapping = Mapping(MappingConfig(**SMALL, attention=attention))
    mask = (torch.rand(2, 1, 32, 48) > 0.9).float()
    assert mapping(torch.randn(2, 8, 8, 12), mask).shape == (2, 8, 8, 12)


def test_patch_attention_sizes():
    mapping = Mapping(MappingConfig(latent=8, width=16, blocks=8, blocks_before=2, attention="patch"))
    assert mapping(torch.randn(1, 8, 16, 8), torch.zeros(1, 1, 64, 32)).shape == (1, 8, 16, 8)


def test_an_untrained_residual_mapping_changes_nothing():
    latent = torch.randn(1, 8, 8, 8)
    mapping = Mapping(MappingConfig(**SMALL, attention="non_local", norm="none", residual=True, mask_input=True))
    assert torch.equal(mapping(latent, torch.ones(1, 1, 32, 32)), latent)


@pytest.mark.parametrize("masked", [0.0, 1.0])
def test_masks_without_sound_or_without_damaged_pixels_give_numbers(masked):
    mapping = Mapping(MappingConfig(**SMALL, attention="non_local"))
    assert mapping(torch.randn(1, 8, 8, 8), torch.full((1, 1, 32, 32), masked)).isfinite().all()


def test_the_config_travels_as_json():
    assert MappingConfig(**json.loads(json.dumps(asdict(MAPPING_PATCH)))) == MAPPING_PATCH


@pytest.mark.parametrize("wrong", [{"ramp": 0}, {"blocks": 2, "blocks_before": 3}, {"window": 8}])
def test_impossible_configs_are_refused(wrong):
    with pytest.raises(ValueError, match=r"ramp|window"):
        MappingConfig(**wrong)
