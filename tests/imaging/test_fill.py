import numpy as np
import pytest

from restore_cli.imaging.fill import fill_from_surroundings


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_hole_in_a_ramp_becomes_ramp(dtype, channels):
    top = np.iinfo(dtype).max
    ramp = np.linspace(0.2, 0.8, 60)[None, :, None] * top * np.ones((40, 1, channels))
    photo, mask = ramp.astype(dtype), np.zeros((40, 60), bool)
    mask[15:22, 30:36] = True
    torn = photo.copy()
    torn[mask] = top
    filled = fill_from_surroundings(torn, mask)
    assert filled.dtype == dtype
    assert (filled[~mask] == photo[~mask]).all()
    assert np.abs(filled.astype(float) - photo)[mask].max() < 0.08 * top
    assert (torn[mask] == top).all()  # the photo that was given is not written to


@pytest.mark.parametrize("damaged", [False, True])
def test_nothing_or_everything_damaged_stays(damaged):
    photo = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    assert (fill_from_surroundings(photo, np.full((20, 20), damaged)) == photo).all()
