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


@pytest.mark.parametrize("config", [UNetConfig(base=2, levels=2), FOLDED])
def test_nothing_beyond_the_halo_changes_a_pixel(config):
    """Tiles are cut with this halo; were it too narrow, seams would show."""
    torch.manual_seed(0)
    network = ScratchUNet(config).eval().double()  # float32 would round away what comes from the edge of the halo
    photo = torch.randn(1, config.colours, 240, 240, dtype=torch.double)
    changed = photo.clone()
    changed[..., : 120 - config.halo_px] += 1e4
    with torch.inference_mode():
        before, after = network(photo), network(changed)
    assert torch.allclose(before[..., 120:], after[..., 120:], rtol=0, atol=1e-10)
    assert not torch.allclose(before[..., : 120 - config.halo_px], after[..., : 120 - config.halo_px], atol=1e-6)


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        UNetConfig(base=0)
    with pytest.raises(ValueError, match="at least 1"):
        UNetConfig(fold=0)
    with pytest.raises(ValueError, match=r"1 \(grey\) or 3 \(RGB\)"):
        UNetConfig(colours=2)
