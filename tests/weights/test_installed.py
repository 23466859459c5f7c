"""What is installed, and whether it is still what was installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from restore_cli.weights.catalogue import load_catalogue
from restore_cli.weights.importing import import_files
from restore_cli.weights.installed import check_files, model_states
from restore_cli.weights.network_file import Header
from restore_cli.weights.places import models_folder

Write = Callable[..., Path]


def test_states_name_what_is_there_and_what_is_not(
    tmp_path: Path, released_file: Write, layouts: Mapping[str, Header]
) -> None:
    import_files([released_file("detector", tmp_path / "FT_Epoch_latest.pt")], layouts=layouts)
    states = {state.model.name: state for state in model_states(load_catalogue())}
    released = states["wan2020"]
    assert released.present == ("detector.safetensors",)
    assert "detector" not in released.missing
    assert len(released.missing) == 6
    assert released.size_bytes == (models_folder() / "wan2020" / "detector.safetensors").stat().st_size
    assert not released.is_complete
    assert states["face-detector"].missing == ("yunet",)


def test_checks_find_a_changed_byte_and_a_lost_file(
    tmp_path: Path, released_file: Write, layouts: Mapping[str, Header]
) -> None:
    for part, name in (("detector", "FT_Epoch_latest.pt"), ("vae_a_quality", "VAE_A_quality.pth")):
        import_files([released_file(part, tmp_path / name)], layouts=layouts)
    folder = models_folder() / "wan2020"
    assert [check.problem for check in check_files(["wan2020"])] == [None, None]
    content = bytearray((folder / "detector.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "detector.safetensors").write_bytes(content)
    (folder / "vae_a_quality.safetensors").unlink()
    problems = {check.path.name: check.problem or "" for check in check_files(["wan2020"])}
    assert "recorded was" in problems["detector.safetensors"]
    assert "not there" in problems["vae_a_quality.safetensors"]


def test_an_unreadable_model_json_is_a_finding_not_a_crash() -> None:
    folder = models_folder() / "wan2020"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text("{")
    (check,) = check_files(["wan2020"])
    assert check.path == folder / "model.json"
    assert check.problem is not None
