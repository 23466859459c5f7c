"""The networks of the paper: nn.Modules and their config dataclasses, nothing else.

`NETWORKS` names each kind as the header of a weights file does; `build(kind, config)` makes the module.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from restore_cli.networks.fusion import Fusion, FusionConfig
from restore_cli.networks.mapping import MAPPING_PATCH, MAPPING_QUALITY, MAPPING_SCRATCH, Mapping, MappingConfig
from restore_cli.networks.second_look import SecondLook, SecondLookConfig
from restore_cli.networks.spade import SPADE_256, SPADE_512, FaceGenerator, SpadeConfig
from restore_cli.networks.tone import ToneConfig, ToneNet
from restore_cli.networks.unet import UNET_RELEASED, ScratchUNet, UNetConfig
from restore_cli.networks.vae import VAE, VAE_RELEASED, VAEConfig
from restore_cli.networks.vgg import VGG19, VGG_RELEASED, VGGConfig

NETWORKS: dict[str, tuple[type[Any], type[nn.Module]]] = {
    "unet": (UNetConfig, ScratchUNet),
    "second_look": (SecondLookConfig, SecondLook),
    "fusion": (FusionConfig, Fusion),
    "vae": (VAEConfig, VAE),
    "mapping": (MappingConfig, Mapping),
    "spade": (SpadeConfig, FaceGenerator),
    "tone": (ToneConfig, ToneNet),
    "vgg": (VGGConfig, VGG19),
}

__all__ = [
    "MAPPING_PATCH",
    "MAPPING_QUALITY",
    "MAPPING_SCRATCH",
    "NETWORKS",
    "SPADE_256",
    "SPADE_512",
    "UNET_RELEASED",
    "VAE",
    "VAE_RELEASED",
    "VGG19",
    "VGG_RELEASED",
    "FaceGenerator",
    "Fusion",
    "FusionConfig",
    "Mapping",
    "MappingConfig",
    "ScratchUNet",
    "SecondLook",
    "SecondLookConfig",
    "SpadeConfig",
    "ToneConfig",
    "ToneNet",
    "UNetConfig",
    "VAEConfig",
    "VGGConfig",
]
