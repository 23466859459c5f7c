from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restore_cli.training.evaluation import Pair, compare, pair_up, summarise
from restore_cli.training.metrics import psnr_db, ssim


def below(*names: str) -> list[tuple[Path, Path]]:
    return [(Path("side") / name, Path(name)) for name in names]


def test_photos_pair_by_path_without_suffix() -> None:
    pairs = pair_up(below("b.png", "sub/a.png"), below("sub/a.jpg", "b.tif"))
    assert [pair.name for pair in pairs] == ["b", "sub/a"]
    assert pairs[1] == Pair(name="sub/a", restored=(Path("side/sub/a.png"),), clean=(Path("side/sub/a.jpg"),))


def test_masks_beside_results_are_left_out_but_photos_that_sound_like_masks_are_not() -> None:
    restored = below("a.png", "a_mask.png", "a_overlay.png", "gas_mask.png")
    pairs = pair_up(restored, below("a.png", "gas_mask.jpg"))
    assert [(pair.name, len(pair.restored)) for pair in pairs] == [("a", 1), ("gas_mask", 1)]


def test_folders_of_one_photo_each_pair_by_name_too() -> None:
    pairs = pair_up(below("a_restored.png"), below("a.png"))
    assert [(pair.name, len(pair.restored), len(pair.clean)) for pair in pairs] == [("a", 0, 1), ("a_restored", 1, 0)]


def test_a_comparison_has_the_scores_of_the_pictures(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 200, (20, 24, 3), dtype=np.uint8)
    restored = clean + rng.integers(0, 30, clean.shape, dtype=np.uint8)
    for name, pixels in (("clean", clean), ("restored", restored)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (row,) = compare([Pair(name="a", restored=(tmp_path / "restored.png",), clean=(tmp_path / "clean.png",))])
    assert (row.psnr_db, row.ssim) == (psnr_db(restored, clean), ssim(restored, clean))
    assert row.error is None


def test_each_problem_is_a_row_that_names_it(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.png" for name in ("small", "large", "tiny", "broken", "absent")}
    for name, size in (("small", (20, 16)), ("large", (30, 16)), ("tiny", (8, 8))):
        Image.new("RGB", size).save(files[name])
    files["broken"].write_bytes(b"no picture")
    small, large, tiny, broken = ((files[name],) for name in ("small", "large", "tiny", "broken"))
    pairs = [
        Pair(name="sizes", restored=small, clean=large),
        Pair(name="missing", restored=(), clean=large),
        Pair(name="unclean", restored=large, clean=()),
        Pair(name="twice", restored=small * 2, clean=small),
        Pair(name="broken", restored=broken, clean=small),
        Pair(name="tiny", restored=tiny, clean=tiny),
    ]
    rows = list(compare(pairs))
    words = ("20 x 16", "no restored", "no clean", "2 restored", "broken.png", "11 x 11")
    for row, word in zip(rows, words, strict=True):
        assert row.error is not None
        assert word in row.error
    assert "30 x 16" in str(rows[0].error)
    summary = summarise(rows)
    assert (summary.compared, summary.failed, summary.psnr_db, summary.ssim) == (0, 6, None, None)


def test_the_summary_is_the_mean_of_what_could_be_compared(tmp_path: Path) -> None:
    for name, level in (("clean", 100), ("near", 105), ("far", 110)):
        Image.new("RGB", (16, 16), (level, level, level)).save(tmp_path / f"{name}.png")
    clean, near, far = ((tmp_path / f"{name}.png",) for name in ("clean", "near", "far"))
    rows = list(
        compare(
            [
                Pair(name="a", restored=near, clean=clean),
                Pair(name="b", restored=far, clean=clean),
                Pair(name="c", restored=(), clean=clean),
            ]
        )
    )
    summary = summarise(rows)
    assert (summary.compared, summary.failed) == (2, 1)
    # Flat errors of 5 and 10 levels: the mean of 20 log10(255 / 5) and 20 log10(255 / 10).
    assert summary.psnr_db == pytest.approx(31.1411, abs=1e-4)
