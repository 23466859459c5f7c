"""Our names next to the released ones: every tensor has exactly one counterpart, of the same shape."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from restore_cli.weights.network_file import blank_network
from restore_cli.weights.released import LAYOUTS
from restore_cli.weights.released_keys import is_unused, released_key

RELEASED = json.loads((Path(__file__).parent / "released_shapes.json").read_text())
"""Key and shape of every tensor in the released files; the three VAEs have the same, and so have both face networks."""


@pytest.mark.parametrize("part", LAYOUTS)
def test_every_tensor_has_its_released_counterpart(part: str) -> None:
    header = LAYOUTS[part]
    _, ours = blank_network(header)
    expected = {
        key.replace("weight_orig", "weight"): shape  # spectral norm is folded before keys are compared
        for key, shape in RELEASED[_group(part)].items()
        if not is_unused(key) and not key.endswith((".weight_u", ".weight_v"))
    }
    assert {released_key(header.config, key): list(shape) for key, shape in ours.items()} == expected


def test_layers_of_the_same_shape_are_not_exchanged() -> None:
    """Shapes cannot tell the stages of a trunk apart; a few corresponding pairs are written out here."""
    pairs = {
        "detector": {"up_path.2.merge.norm2.running_var": "up_path.2.conv_block.block.6.running_var"},
        "vae_a_quality": {
            "encoder.down1.conv.weight": "encoder.4.weight",
            "encoder.blocks.2.conv2.bias": "encoder.12.conv_block.5.bias",
            "decoder.up2.conv.weight": "decoder.7.weight",
        },
        "mapping_quality": {"trunk.5.conv1.weight": "model.17.conv_block.1.weight"},
        "mapping_scratch": {
            "ramp_in.3.conv.weight": "before_NL.9.weight",
            "trunk.0.res_block.2.conv1.bias": "NL.res_block.2.conv_block.1.bias",
            "trunk.6.conv2.weight": "after_NL.5.conv_block.5.weight",
        },
        "mapping_patch": {
            "trunk.1.conv1.weight": "before_NL.13.conv_block.1.weight",
            "trunk.5.combine.weight": "NL_scale_2.F_Combine.weight",
            "trunk.7.conv2.weight": "res_block_2.1.conv_block.5.weight",
            "trunk.10.conv1.bias": "after_NL.1.conv_block.1.bias",
        },
        "vgg19": {"levels.2.3.weight": "features.16.weight", "levels.4.0.bias": "features.28.bias"},
    }
    for part, names in pairs.items():
        for ours, released in names.items():
            assert released_key(LAYOUTS[part].config, ours) == released


def _group(part: str) -> str:
    return part.split("_")[0] if part.startswith(("vae", "faces")) else part
