"""A tiny model of the project's own kind with random weights, written to a folder as `oldphoto train` writes it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from restore_cli import weights
from restore_cli.networks import VAE, Mapping, MappingConfig, ScratchUNet, ToneConfig, ToneNet, UNetConfig, VAEConfig

LOCAL = MappingConfig(
    latent=48,
    width=12,
    ramp=1,
    blocks=3,
    blocks_before=1,
    attention="non_local",
    non_local_blocks=1,
    scaled=True,
    window=8,
    norm="none",
    residual=True,
    mask_input=True,
)
VAE_CONFIG = VAEConfig(width=6, latent=48, blocks=1, norm="none", output="linear", patch_skip=True)


def with_random_weights(network: nn.Module, seed: int, gain: float = 1.0) -> nn.Module:
    """Nothing left at zero, so that every layer shows in the result."""
    torch.manual_seed(seed)
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1:
            nn.init.kaiming_normal_(parameter, nonlinearity="relu")
            parameter.data *= gain
        elif name.endswith("bias"):
            nn.init.normal_(parameter, std=0.05)
    return network.eval()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    weights.save_network(with_random_weights(ScratchUNet(UNetConfig(base=4, levels=2)), 1), folder / "det.safetensors")
    weights.save_network(VAE(VAE_CONFIG), folder / "vae.safetensors")
    mapping = with_random_weights(Mapping(LOCAL), 2, gain=0.3)
    weights.save_network(mapping, folder / "map.safetensors")
    tone = with_random_weights(ToneNet(ToneConfig(thumbnail=32, width=4)), 3, gain=0.3)
    weights.save_network(tone, folder / "tone.safetensors")
    whole_photo = {"detector": "det.safetensors", "tone": "tone.safetensors"}
    roles = {"encoder": "vae.safetensors", "scratch.mapping": "map.safetensors", "scratch.decoder": "vae.safetensors"}
    weights.write_manifest(folder, name="tiny", roles=whole_photo | roles)
    return folder
