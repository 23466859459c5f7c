from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from restore_cli.errors import NoPhotosFound
from restore_cli.training.outlines import MAP_SIDE_PX, DamageOutlines


def save(path: Path, outline: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), outline, [cv2.IMWRITE_PNG_BILEVEL, 1])


def test_a_small_outline_comes_back_whole(tmp_path: Path) -> None:
    outline = (np.random.default_rng(0).random((19, 37)) < 0.3).astype(np.uint8) * 255
    save(tmp_path / "hair" / "a.png", outline)
    drawn = DamageOutlines.load(tmp_path).draw(np.random.default_rng(0), (10, 10))
    assert drawn is not None
    assert np.array_equal(drawn, outline)


def is_piece(piece: np.ndarray | None, whole: np.ndarray) -> bool:
    """Whether `whole` holds exactly these pixels somewhere."""
    assert piece is not None
    windows = np.lib.stride_tricks.sliding_window_view(whole, piece.shape)
    return bool((windows == piece).all(axis=(2, 3)).any())


def test_of_a_large_map_a_region_is_cut(tmp_path: Path) -> None:
    """The region must be an exact piece of the map, wherever the packed bits are cut."""
    whole = (np.random.default_rng(0).random((26, MAP_SIDE_PX + 3)) < 0.5).astype(np.uint8) * 255
    save(tmp_path / "map.png", whole)
    outlines = DamageOutlines.load(tmp_path)
    for seed in range(5):
        drawn = outlines.draw(np.random.default_rng(seed), (24, 31))
        assert is_piece(drawn, whole)
        assert drawn is not None
        assert drawn.shape == (24, 31)


def test_an_unreadable_file_is_a_counted_skip(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    outlines = DamageOutlines.load(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert all(outlines.draw(np.random.default_rng(seed), (8, 8)) is None for seed in range(20))
    assert outlines.skipped == 2
    assert len(caplog.records) == 2
    assert "text.png" in caplog.text


def test_a_folder_without_outlines_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoPhotosFound, match=str(tmp_path)) as caught:
        DamageOutlines.load(tmp_path)
    assert "--damage" in caught.value.hint


def test_every_kind_counts_the_same(tmp_path: Path) -> None:
    """2,000 outlines must not drown six maps."""
    for number in range(30):
        save(tmp_path / "many" / f"{number}.png", np.full((4, 4), 255, np.uint8))
    save(tmp_path / "few" / "one.png", np.full((6, 6), 255, np.uint8))
    outlines = DamageOutlines.load(tmp_path)
    rng = np.random.default_rng(0)
    drawn = [outlines.draw(rng, (8, 8)) for _ in range(200)]
    few = np.mean([outline is not None and outline.shape == (6, 6) for outline in drawn])
    assert few == pytest.approx(0.5, abs=0.11)  # three standard errors


def test_a_region_is_cut_of_whole_frames_alone(tmp_path: Path) -> None:
    """Small outlines lie in the same folder and are no frames; what cannot be read neither."""
    whole = (np.random.default_rng(0).random((60, MAP_SIDE_PX + 3)) < 0.5).astype(np.uint8) * 255
    save(tmp_path / "hair" / "a.png", np.full((40, 40), 255, np.uint8))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert DamageOutlines.load(tmp_path).region(np.random.default_rng(0), (24, 31)) is None
    save(tmp_path / "map.png", whole)
    outlines = DamageOutlines.load(tmp_path)
    assert all(is_piece(outlines.region(np.random.default_rng(seed), (24, 31)), whole) for seed in range(5))
