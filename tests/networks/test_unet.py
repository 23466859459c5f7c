import pytest
import torch

from restore_cli.networks import UNET_RELEASED, ScratchUNet, UNetConfig

FOLDED = UNetConfig(base=2, levels=2, colours=3, fold=2)


@pytest.mark.parametrize("config", [UNetConfig(base=4), FOLDED])
@pytest.mark.parametrize("size", [(32, 32), (64, 96)])
def test_one_logit_a_pixel(size, config):
    network = ScratchUNet(config).eval()
    assert network(torch.randn(2, config.colours, *size)).shape == (2, 1, *size)


def test_released_size():
    with torch.device("meta"):
        parameters = sum(p.numel() for p in ScratchUNet(UNET_RELEASED).parameters())
    assert round(parameters / 1e6, 2) == 37.63  # 37.65 M with the buffers that the checkpoint holds


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        UNetConfig(base=0)
    with pytest.raises(ValueError, match="at least 1"):
        UNetConfig(fold=0)
    with pytest.raises(ValueError, match=r"1 \(grey\) or 3 \(RGB\)"):
        UNetConfig(colours=2)
