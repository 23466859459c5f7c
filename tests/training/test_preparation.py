import numpy as np
import pytest
import torch

from restore_cli import ScratchDetector
from restore_cli.networks import ScratchUNet, SecondLook, SecondLookConfig, UNetConfig
from restore_cli.training.data import to_tensor
from restore_cli.training.preparation import damage_probability

DEEP = UNetConfig(base=2, levels=4, colours=3, fold=2)
"""Takes nothing below 64 pixels a side."""


@pytest.mark.parametrize("looks", [1, 2])
@pytest.mark.parametrize("size", [(16, 16), (40, 200), (130, 192), (161, 310)])
def test_a_crop_of_any_size_is_judged_as_a_photo_of_that_size_is_in_use(size, looks, monkeypatch):
    """Smaller than the network takes, too: mirrored as often as it takes to get there. The last has two octaves."""
    for limit in ("FARTHEST_PX", "SEEN_ONCE_PX"):
        monkeypatch.setattr(f"restore_cli.networks.second_look.{limit}", 72)
    torch.manual_seed(0)
    network, second = ScratchUNet(DEEP).eval(), SecondLook(SecondLookConfig(base=4)).eval() if looks == 2 else None
    if second is not None:
        torch.nn.init.normal_(second.last.weight)
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    with torch.no_grad():
        in_training = damage_probability(network, to_tensor(photo)[None], second)[0, 0].numpy()
    in_use = ScratchDetector(network, second, device=torch.device("cpu")).probability(photo)
    assert in_training.std() > 1e-3
    assert np.abs(in_training - in_use).max() < (1e-4 if second is None else 1e-3)  # between looks: float16
