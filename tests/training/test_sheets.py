"""Contact sheets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from restore_cli import imaging
from restore_cli.training.sheets import GAP_PX, TITLE_PX, draw_sheet, write_sheet


def test_pictures_and_masks_stand_side_by_side_in_their_own_tones() -> None:
    row = {"aged": torch.full((3, 8, 10), -1.0), "mask": torch.full((1, 8, 10), 0.5), "clean": torch.ones(3, 8, 10)}
    sheet = draw_sheet([row, row])
    assert sheet.shape == (TITLE_PX + 2 * (8 + GAP_PX), 3 * (10 + GAP_PX), 3)
    line = sheet[TITLE_PX : TITLE_PX + 8]
    assert (line[:, :10] == 0).all()
    assert (line[:, 10 + GAP_PX : 20 + GAP_PX] == 128).all()
    assert (line[:, 20 + 2 * GAP_PX : 30 + 2 * GAP_PX] == 255).all()
    assert (sheet[:TITLE_PX] < 128).any(), "the columns have names"


def test_rows_may_differ_in_size(tmp_path: Path) -> None:
    rows = [
        {"a": torch.zeros(3, 8, 10), "b": torch.zeros(1, 8, 10)},
        {"a": torch.zeros(3, 6, 20), "b": torch.zeros(1, 6, 20)},
    ]
    write_sheet(rows, tmp_path / "sheet.png")
    assert imaging.read(tmp_path / "sheet.png").pixels.shape == draw_sheet(rows).shape
    assert np.array_equal(imaging.read(tmp_path / "sheet.png").pixels, draw_sheet(rows))
