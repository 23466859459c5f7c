"""What a released file's name says about it."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from restore_cli.weights.parts import claims_to_be, part_named_by


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("Global/checkpoints/detection/FT_Epoch_latest.pt", "detector"),
        ("checkpoints/restoration/VAE_B_scratch/latest_net_G.pth", "vae_b_scratch"),
        ("restoration/mapping_Patch_Attention/latest_net_mapping_net.pth", "mapping_patch"),
        ("Face_Enhancement/checkpoints/FaceSR_512/latest_net_G.pth", "faces_512"),
        ("detection/mapping_quality.pth", "mapping_quality"),
        ("somewhere/weights.pth", None),
    ],
)
def test_the_file_name_comes_before_its_folders(path: str, part: str | None) -> None:
    named = part_named_by(PurePath(path))
    assert (named.name if named else None) == part


def test_only_released_names_claim_to_be_a_part() -> None:
    """A discriminator that lies beside a VAE is not a damaged VAE."""
    assert claims_to_be(PurePath("VAE_A_quality/latest_net_D.pth")) is None
    assert claims_to_be(PurePath("VAE_A_quality/latest_net_G.pth")) is not None
    assert claims_to_be(PurePath("elsewhere/vae_a_quality.pth")) is not None
