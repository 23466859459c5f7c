from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from restore_cli.networks import ScratchUNet, UNetConfig
from restore_cli.networks.convolution import Conv
from restore_cli.networks.unet import Down, fold_batch_norms
from restore_cli.restoration.streams import Band, ConvRows, EnlargedRows, InParts, Layer, Sum, bilinear
from restore_cli.restoration.unet_rows import BlurRows, UNetRows


def by_bands(layer: Layer, picture: Tensor, rows: int) -> Tensor:
    bands = list(picture.split(rows, dim=2))
    made: list[Band] = [layer(band, last=number == len(bands) - 1) for number, band in enumerate(bands)]
    return torch.cat([band for band in made if band is not None], dim=2)


@pytest.mark.parametrize("rows", [2, 6, 7, 16, 40])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "mode"),
    [(3, 1, 1, "reflect"), (7, 1, 3, "reflect"), (3, 1, 1, "zeros"), (4, 2, 1, "zeros"), (4, 4, 0, "zeros")],
)
@torch.inference_mode()
def test_a_convolution_by_bands_is_that_of_the_whole(
    rows: int, kernel: int, stride: int, padding: int, mode: Literal["reflect", "zeros"]
) -> None:
    torch.manual_seed(rows)
    picture = torch.randn(1, 3, 40, 24)
    conv = Conv(3, 5, kernel, stride, padding, padding_mode=mode)
    made = by_bands(ConvRows(conv), picture, rows)
    torch.testing.assert_close(made, conv(picture), rtol=0, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 7, 40])
@torch.inference_mode()
def test_blur_and_enlargement_by_bands_are_those_of_the_whole(rows: int) -> None:
    picture = torch.randn(1, 3, 40, 24, generator=torch.Generator().manual_seed(rows))
    down = Down(3)
    down.conv = nn.Identity()
    blurred = nn.functional.conv2d(
        nn.functional.pad(picture, (1, 1, 1, 1), mode="reflect"), down.kernel, stride=2, groups=3
    )
    torch.testing.assert_close(by_bands(BlurRows(down.kernel), picture, rows), blurred)
    twice = nn.functional.interpolate(picture, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(by_bands(EnlargedRows(bilinear), picture, rows), twice)
    transposed = nn.ConvTranspose2d(3, 2, 4, 2, 1)
    torch.testing.assert_close(by_bands(EnlargedRows(transposed), picture, rows), transposed(picture))


@pytest.mark.parametrize("rows", [2, 7, 40])
@torch.inference_mode()
def test_a_sum_waits_for_the_slower_of_two(rows: int) -> None:
    torch.manual_seed(rows)
    picture = torch.randn(1, 3, 40, 24)
    slow, quick = Conv(3, 3, 7, padding=3, padding_mode="reflect"), Conv(3, 3, 1)
    torch.testing.assert_close(by_bands(Sum([ConvRows(slow)]), picture, rows), picture + slow(picture))
    both = Sum([InParts([ConvRows(slow)], 3)], beside=[ConvRows(quick)])
    torch.testing.assert_close(by_bands(both, picture, rows), slow(picture) + quick(picture))


@pytest.mark.parametrize("rows", [2, 8, 16, 24, 96])
@pytest.mark.parametrize(("base", "fold", "levels"), [(4, 1, 3), (4, 2, 2), (64, 1, 1)], ids=["deep", "folded", "wide"])
@torch.inference_mode()
def test_a_unet_by_bands_is_that_of_the_whole(rows: int, base: int, fold: int, levels: int) -> None:
    """On one thread the wide one goes through Winograd's algorithm."""
    torch.manual_seed(rows)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = fold_batch_norms(ScratchUNet(UNetConfig(base=base, fold=fold, levels=levels, colours=3)).eval())
        picture = torch.randn(1, 3, 96, 48)
        whole = network(picture)
        made = by_bands(UNetRows(network), picture, rows)
    finally:
        torch.set_num_threads(threads)
    assert whole.std() > 1e-3
    torch.testing.assert_close(made, whole, rtol=0, atol=1e-5)
