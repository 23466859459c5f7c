"""A model of a few kilobytes with random weights: the commands run whole, on real networks, in no time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from restore_cli.networks import VAE, Mapping, MappingConfig, ScratchUNet, UNetConfig, VAEConfig
from restore_cli.weights import save_network, write_manifest


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny_model")
    torch.manual_seed(0)
    vae = VAEConfig(width=4, latent=4, blocks=1, norm="none")
    mapping = MappingConfig(latent=4, width=8, ramp=1, blocks=1, norm="none")
    networks = {
        "detector": ScratchUNet(UNetConfig(base=2, levels=2)),
        "encoder": VAE(vae),
        "scratch.mapping": Mapping(mapping),
        "scratch.decoder": VAE(vae),
    }
    for role, network in networks.items():
        save_network(network, folder / f"{role}.safetensors")
    write_manifest(folder, name="tiny", roles={role: f"{role}.safetensors" for role in networks})
    return folder
