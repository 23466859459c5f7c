"""VGG-19's five activations, computed a second way: with torchvision's list of layers written out."""

from __future__ import annotations

import torch
from torch import nn

from restore_cli.networks.vgg import MEAN, SPREAD, VGG19, VGGConfig
from restore_cli.weights.released_keys import released_key

LAYOUT = (1, 1, "pool", 2, 2, "pool", 4, 4, 4, 4, "pool", 8, 8, 8, 8, "pool", 8)
AFTER = (1, 6, 11, 20, 29)
"""Places of relu1_1, 2_1, 3_1, 4_1 and 5_1 in torchvision's `features`."""


def test_activations_are_those_of_torchvisions_layout() -> None:
    torch.manual_seed(0)
    width, layers, before = 2, [], 3
    for entry in LAYOUT:
        if entry == "pool":
            layers.append(nn.MaxPool2d(2, 2))
            continue
        assert isinstance(entry, int)
        layers += [nn.Conv2d(before, entry * width, 3, padding=1), nn.ReLU()]
        before = entry * width
    features = nn.Sequential(*layers)
    theirs = {f"features.{key}": value for key, value in features.state_dict().items()}
    network = VGG19(VGGConfig(width=width))
    ours = {key: theirs.pop(released_key(network.config, key)) for key in network.state_dict()}
    assert not theirs
    network.load_state_dict(ours)
    image = torch.rand(2, 3, 32, 48) * 2 - 1
    x = ((image + 1) / 2 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(SPREAD)[:, None, None]
    found = network(image)
    for number, layer in enumerate(features):
        x = layer(x)
        if number in AFTER:
            torch.testing.assert_close(found[AFTER.index(number)], x)
    assert [tuple(f.shape[1:]) for f in found] == [(2, 32, 48), (4, 16, 24), (8, 8, 12), (16, 4, 6), (16, 2, 3)]
