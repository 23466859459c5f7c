from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from restore_cli import Restorer, RestoreSettings
from restore_cli.errors import UsageProblem, WeightsMissing

RNG = np.random.default_rng(0)
PHOTO = RNG.integers(40, 216, (61, 90, 3), dtype=np.uint8)
SOME_DAMAGE = np.zeros(PHOTO.shape[:2], bool)
SOME_DAMAGE[10:14, 20:70] = True


@pytest.fixture(scope="module")
def restorer(tiny_model: Path) -> Restorer:
    return Restorer.load(tiny_model, device="cpu", precision="fp32")


@pytest.mark.parametrize("size", [(16, 16), (1, 1), (61, 90), (33, 200)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_shape_and_dtype_stay(
    restorer: Restorer, size: tuple[int, int], dtype: type, channels: tuple[int, ...]
) -> None:
    image = RNG.integers(0, np.iinfo(dtype).max, (*size, *channels), dtype=dtype)
    result = restorer.restore(image, np.zeros(size, bool))
    assert result.image.shape == image.shape
    assert result.image.dtype == dtype


def test_strength_zero_gives_the_very_pixels(restorer: Restorer) -> None:
    result = restorer.restore(PHOTO, SOME_DAMAGE, RestoreSettings(strength=0))
    assert (result.image == PHOTO).all()
    assert result.unchanged


def test_half_strength_is_half_way(restorer: Restorer) -> None:
    full = restorer.restore(PHOTO, SOME_DAMAGE).image.astype(float)
    half = restorer.restore(PHOTO, SOME_DAMAGE, RestoreSettings(strength=0.5)).image
    assert np.abs(half - (full + PHOTO) / 2).max() <= 1  # both were rounded to a grey level


def test_a_given_mask_is_taken_as_it_is(restorer: Restorer) -> None:
    result = restorer.restore(PHOTO, SOME_DAMAGE.astype(np.uint8) * 255)
    assert (result.mask == SOME_DAMAGE).all()
    assert result.damaged_fraction == pytest.approx(SOME_DAMAGE.mean())


def test_no_scratches_looks_for_none(restorer: Restorer) -> None:
    assert not restorer.restore(PHOTO, settings=RestoreSettings(scratches=False)).mask.any()


def test_the_threshold_decides_what_is_damaged(restorer: Restorer) -> None:
    low, high = (restorer.restore(PHOTO, settings=RestoreSettings(threshold=t)).mask for t in (0.0, 1.0))
    assert low.all()
    assert not high.any()


def test_stretched_tone_reaches_black_and_white(restorer: Restorer) -> None:
    result = restorer.restore(PHOTO, SOME_DAMAGE, RestoreSettings(tone="stretch")).image
    assert (result.min(), result.max()) == (0, 255)


def test_a_small_budget_gives_the_same_photo(restorer: Restorer) -> None:
    """At most one grey level where rounding falls the other way."""
    image = RNG.integers(0, 256, (300, 520, 3), dtype=np.uint8)
    mask = np.zeros(image.shape[:2], bool)
    mask[50:55] = True
    whole = restorer.restore(image, mask).image
    restorer.max_memory_bytes = 1  # the smallest bands
    by_bands = restorer.restore(image, mask).image
    restorer.max_memory_bytes = None
    assert np.abs(whole.astype(int) - by_bands).max() <= 1


@pytest.mark.parametrize("beside_each_other", [False, True])
def test_several_photos_come_out_as_each_alone(
    restorer: Restorer, beside_each_other: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Computed on the CPU: what a GPU changes is only that they are computed in threads."""
    monkeypatch.setattr(Restorer, "shares_device", beside_each_other)
    grey = PHOTO[:40, :50, 0]
    together = restorer.restore_all([PHOTO, grey], [SOME_DAMAGE, None], RestoreSettings(strength=0.5))
    alone = [restorer.restore(PHOTO, SOME_DAMAGE, RestoreSettings(strength=0.5))]
    alone.append(restorer.restore(grey, settings=RestoreSettings(strength=0.5)))
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.mask, other.mask)


def test_patch_attention_is_refused_by_name_where_the_model_has_none(restorer: Restorer) -> None:
    with pytest.raises(UsageProblem, match="tiny has no patch attention"):
        restorer.restore(PHOTO, SOME_DAMAGE, RestoreSettings(attention="patch"))


@pytest.mark.parametrize(
    "image",
    [
        PHOTO.astype(np.float32),
        np.zeros((4, 5, 2), np.uint8),
        np.zeros(7, np.uint8),
        np.zeros((0, 5, 3), np.uint8),
        PHOTO.tolist(),
        Image.fromarray(PHOTO),
    ],
)
def test_other_arrays_are_refused(restorer: Restorer, image: Any) -> None:
    with pytest.raises(UsageProblem, match="an image"):
        restorer.restore(image)


def test_a_limit_that_a_wide_photo_cannot_keep_is_told(tiny_model: Path, caplog: pytest.LogCaptureFixture) -> None:
    limited = Restorer.load(tiny_model, device="cpu", precision="fp32", max_memory_bytes=1)
    limited.restore(PHOTO, SOME_DAMAGE)
    assert "--max-memory cannot be kept for a photo of this width" in caplog.text


def test_several_photos_want_as_many_masks(restorer: Restorer) -> None:
    assert restorer.restore_all([]) == []
    with pytest.raises(UsageProblem, match="2 photos and 1 masks"):
        restorer.restore_all([PHOTO, PHOTO], [SOME_DAMAGE])


def test_a_mask_of_another_size_is_refused(restorer: Restorer) -> None:
    with pytest.raises(UsageProblem, match="mask"):
        restorer.restore(PHOTO, SOME_DAMAGE[:-1])
    with pytest.raises(UsageProblem, match="mask"):
        restorer.restore(PHOTO, SOME_DAMAGE.tolist())


def test_a_model_without_mapping_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"format": 1, "name": "x", "branches": {}, "sha256": {}}')
    with pytest.raises(WeightsMissing, match="mapping"):
        Restorer.load(tmp_path)


@pytest.mark.parametrize("wrong", [{"strength": 1.5}, {"threshold": -0.1}, {"min_face_px": 0}, {"tone": "warm"}])
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageProblem, match=next(iter(wrong))):
        RestoreSettings(**wrong)
