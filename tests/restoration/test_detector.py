from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from restore_cli.errors import UsageProblem, WeightsMissing
from restore_cli.networks import ScratchUNet, SecondLook, SecondLookConfig, UNetConfig
from restore_cli.networks.second_look import SEEN_ONCE_DOUBT, SEEN_ONCE_PX
from restore_cli.restoration.detector import ScratchDetector

PHOTO = np.random.default_rng(0).integers(0, 256, (150, 187, 3), dtype=np.uint8)


@pytest.fixture(params=["grey", "folded", "twice"])
def detector(request: pytest.FixtureRequest, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> ScratchDetector:
    if request.param == "grey":
        return ScratchDetector.load(tiny_model, device="cpu", precision="fp32")
    torch.manual_seed(0)
    network = ScratchUNet(UNetConfig(base=4, levels=2, colours=3, fold=2)).eval()
    if request.param == "folded":
        return ScratchDetector(network, device=torch.device("cpu"))
    torch.nn.init.normal_(network.last.weight)  # or nothing would be sure, and no colour counted
    second_look = SecondLook(SecondLookConfig(base=4, levels=1)).eval()
    torch.nn.init.normal_(second_look.last.weight)
    for limit in ("FARTHEST_PX", "SEEN_ONCE_PX"):
        monkeypatch.setattr(f"restore_cli.networks.second_look.{limit}", 32)  # three octaves
    return ScratchDetector(network, second_look, device=torch.device("cpu"))


def difference_allowed(detector: ScratchDetector) -> float:
    """Of probabilities: the first look's logits are kept in float16, and rounding may fall to either side."""
    return 1e-6 if detector.looks.second is None else 2e-3


def test_bands_find_what_the_whole_finds(detector: ScratchDetector) -> None:
    detector.band_rows = 192
    whole = detector.probability(PHOTO)
    detector.band_rows = 16
    assert whole.std() > 1e-3
    np.testing.assert_allclose(detector.probability(PHOTO), whole, atol=difference_allowed(detector))


def test_a_photo_too_small_to_be_seen_from_afar_is_called_damaged_with_more_doubt() -> None:
    torch.manual_seed(0)
    first = ScratchUNet(UNetConfig(base=4, levels=2, colours=3)).eval()
    changes_nothing = SecondLook(SecondLookConfig(base=4, levels=1)).eval()
    once, twice = (ScratchDetector(first, second, device=torch.device("cpu")) for second in (None, changes_nothing))
    for side, doubt in ((160, SEEN_ONCE_DOUBT), (SEEN_ONCE_PX, 0.0)):
        photo = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
        alone, both = (torch.from_numpy(detector.probability(photo)).logit() for detector in (once, twice))
        np.testing.assert_allclose(both, alone - doubt, atol=5e-3)


def test_a_paper_margin_is_no_damage_to_models_of_our_own(detector: ScratchDetector) -> None:
    """The released detector gives what it gave, margin or not."""
    scan = PHOTO.copy()
    scan[:, :12] = 250
    found = detector.probability(scan)
    assert (found[:, 12:] > 0).all()
    assert (found[:, :12] > 0).all() == (detector.looks.second is None)
    assert (found[:, :12] == 0).all() == (detector.looks.second is not None)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 300), (65, 64)])
def test_any_size(detector: ScratchDetector, size: tuple[int, int]) -> None:
    found = detector.probability(np.full(size, 100, np.uint8))
    assert found.shape == size
    assert ((found >= 0) & (found <= 1)).all()


def test_16_bit_is_seen_like_8_bit(detector: ScratchDetector) -> None:
    allowed = 10 * difference_allowed(detector)
    np.testing.assert_allclose(
        detector.probability(PHOTO.astype(np.uint16) * 257), detector.probability(PHOTO), atol=allowed
    )


def test_reduced_resolution_has_the_photos_size(detector: ScratchDetector) -> None:
    assert detector.probability(PHOTO, 64).shape == PHOTO.shape[:2]


def test_a_strip_is_not_enlarged_without_end(detector: ScratchDetector) -> None:
    strip = np.zeros((3, 40_000, 3), np.uint8)
    assert detector._reduced(strip, 256).nbytes < 100e6  # at 256 px of the short side it would be ten thousand million
    assert detector.probability(strip[:, :900], 256).shape == (3, 900)


@pytest.mark.parametrize("resolution", [0, -3, "half"])
def test_other_resolutions_are_refused(detector: ScratchDetector, resolution: Any) -> None:
    with pytest.raises(UsageProblem, match="resolution is"):
        detector.probability(np.zeros((40, 40, 3), np.uint8), resolution)


def test_reduced_resolution_comes_in_bands_too(detector: ScratchDetector) -> None:
    """--resolution may be larger than the photo."""
    detector.band_rows = 512
    whole = detector.probability(PHOTO, 400)
    detector.band_rows = 16
    np.testing.assert_allclose(detector.probability(PHOTO, 400), whole, atol=difference_allowed(detector))


def test_what_overflows_in_low_precision_is_looked_at_again_in_float32(
    tiny_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """float16 ends at 65,504."""
    low, exact = (ScratchDetector.load(tiny_model, device="cpu", precision=name) for name in ("fp16", "fp32"))
    for detector in (low, exact):
        detector.looks.first.last.weight.data *= 1e8
    np.testing.assert_array_equal(low.probability(PHOTO), exact.probability(PHOTO))
    assert "float32" in caplog.text


def test_a_model_without_detector_says_so(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"format": 1, "name": "x", "branches": {}, "sha256": {}}')
    with pytest.raises(WeightsMissing, match="detector"):
        ScratchDetector.load(tmp_path)
