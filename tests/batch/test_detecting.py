from __future__ import annotations

import numpy as np
import pytest

from restore_cli.batch.detecting import paint_red


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_only_damage_turns_red(dtype: type[np.generic], channels: int) -> None:
    most = int(np.iinfo(dtype).max)  # type: ignore[type-var]
    pixels = np.full((2, 2, channels), most // 2, dtype)
    damaged = np.array([[True, False], [False, False]])
    painted = paint_red(pixels, damaged)  # type: ignore[arg-type]
    assert (painted.shape, painted.dtype) == ((2, 2, 3), dtype)
    assert painted[0, 0, 0] > 0.8 * most
    assert painted[0, 0, 1] < 0.2 * most
    assert (painted[~damaged] == most // 2).all()
    assert (pixels == most // 2).all()
