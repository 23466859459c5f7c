import numpy as np
import pytest
import torch
from torch.nn import functional as F

from restore_cli.restoration.resampling import ROWS, enlarged, shrunk

SIZES = [((150, 187), (64, 80)), ((40, 30), (64, 96)), ((1, 1), (64, 64)), ((65, 64), (65, 64))]


@pytest.mark.parametrize(("size", "seen"), SIZES)
def test_shrinking_is_pytorchs(size: tuple[int, int], seen: tuple[int, int]) -> None:
    """PyTorch has the places of the points in float32: 1e-5 of a pixel here, of steps of up to 65,535 levels."""
    image = np.random.default_rng(0).integers(0, 65536, (*size, 3), dtype=np.uint16)
    planes = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    expected = F.interpolate(planes, size=seen, mode="bilinear", align_corners=False)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(shrunk(image, *seen), expected, atol=1)


@pytest.mark.parametrize(("size", "seen"), [*SIZES, ((2 * ROWS + 7, 90), (64, 16))])
def test_enlarging_is_pytorchs(size: tuple[int, int], seen: tuple[int, int]) -> None:
    found = np.random.default_rng(0).random(seen, dtype=np.float32)
    expected = F.interpolate(torch.from_numpy(found)[None, None], size=size, mode="nearest")[0, 0].numpy()
    whole = np.full(size, np.nan, np.float32)
    for box, band in enlarged(found, *size):
        whole[box.slices] = band
    assert np.array_equal(whole, expected)
