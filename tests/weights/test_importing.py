"""Import of the released files in each layout people have them in; networks of small size in the released layout."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from restore_cli.errors import WeightsDamaged, WeightsMissing
from restore_cli.weights import face_model_paths, load_network, resolve_model
from restore_cli.weights.importing import import_files
from restore_cli.weights.network_file import Header
from restore_cli.weights.places import downloads_folder, models_folder
from restore_cli.weights.released_keys import released_key

RELEASED_PATHS = {
    "detector": "detection/FT_Epoch_latest.pt",
    "vae_a_quality": "restoration/VAE_A_quality/latest_net_G.pth",
    "vae_b_quality": "restoration/VAE_B_quality/latest_net_G.pth",
    "vae_b_scratch": "restoration/VAE_B_scratch/latest_net_G.pth",
    "mapping_quality": "restoration/mapping_quality/latest_net_mapping_net.pth",
    "mapping_scratch": "restoration/mapping_scratch/latest_net_mapping_net.pth",
    "mapping_patch": "restoration/mapping_Patch_Attention/latest_net_mapping_net.pth",
}
FLAT_NAMES = {
    "detector": "FT_Epoch_latest.pt",
    "vae_a_quality": "VAE_A_quality_latest_net_G.pth",
    "vae_b_quality": "VAE_B_quality.pth",
    "vae_b_scratch": "vae_b_scratch.pth",
    "mapping_quality": "some_name.pth",
    "mapping_scratch": "another.pth",
    "mapping_patch": "third.pth",
}

Write = Callable[..., Path]
Layouts = Mapping[str, Header]


def assert_all_installed(released: Callable[[str], dict[str, Any]], layouts: Layouts) -> None:
    """The model is complete and each file holds the tensors of its own part."""
    model = resolve_model("wan2020")
    assert model.branches == ("quality", "scratch", "patch")
    assert resolve_model("auto").name == "wan2020"
    for part in RELEASED_PATHS:
        state = load_network(model.folder / f"{part}.safetensors").state_dict()
        expected = released(part)
        for key, tensor in state.items():
            assert torch.equal(tensor, expected[released_key(layouts[part].config, key)]), (part, key)


@pytest.mark.parametrize("prefix", ["Global/checkpoints", "checkpoints", "."])
def test_a_folder_in_the_released_layout(
    tmp_path: Path, released_file: Write, released: Callable[[str], dict[str, Any]], layouts: Layouts, prefix: str
) -> None:
    for part, path in RELEASED_PATHS.items():
        released_file(part, tmp_path / "got" / prefix / path)
    outcomes = import_files([tmp_path / "got"], layouts=layouts)
    assert {outcome.part.name for outcome in outcomes if outcome.part} == RELEASED_PATHS.keys()
    assert_all_installed(released, layouts)


def test_a_flat_folder_where_names_tell_only_what_shapes_cannot(
    tmp_path: Path, released_file: Write, released: Callable[[str], dict[str, Any]], layouts: Layouts
) -> None:
    for part, name in FLAT_NAMES.items():
        released_file(part, tmp_path / "flat" / name, legacy=True)
    import_files([tmp_path / "flat"], layouts=layouts)
    assert_all_installed(released, layouts)


def test_a_zip(
    tmp_path: Path, released_file: Write, released: Callable[[str], dict[str, Any]], layouts: Layouts
) -> None:
    with zipfile.ZipFile(tmp_path / "global_checkpoints.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for part, path in RELEASED_PATHS.items():
            archive.write(released_file(part, tmp_path / "one.pth"), f"checkpoints/{path}")
    import_files([tmp_path / "global_checkpoints.zip"], layouts=layouts)
    assert_all_installed(released, layouts)
    assert list(downloads_folder().iterdir()) == [], "unpacked files are gone"


def test_parts_may_come_one_by_one(tmp_path: Path, released_file: Write, layouts: Layouts) -> None:
    import_files([released_file("mapping_patch", tmp_path / "x.pth")], layouts=layouts)
    manifest = json.loads((models_folder() / "wan2020" / "model.json").read_text())
    assert manifest["branches"] == {"patch": {"mapping": "mapping_patch.safetensors"}}
    import_files([released_file("vae_b_scratch", tmp_path / "VAE_B_scratch.pth")], layouts=layouts)
    assert resolve_model("wan2020").branches == ("patch",)


def test_face_generators_are_told_apart_by_their_folders_and_folded(
    tmp_path: Path, released: Callable[[str], dict[str, Any]], layouts: Layouts
) -> None:
    """Spectral norm as the released files have it: weight = weight_orig / (u^T W v)."""
    for part, folder in (("faces_256", "Setting_9_epoch_100"), ("faces_512", "FaceSR_512")):
        state = {}
        for key, tensor in released(part).items():
            if ".conv_" in key and key.endswith(".weight"):
                matrix = tensor.flatten(1)
                u = torch.nn.functional.normalize(torch.ones(matrix.shape[0]), dim=0)
                v = torch.nn.functional.normalize(matrix.T @ u, dim=0)
                state |= {f"{key}_orig": 3 * tensor / (u @ matrix @ v), f"{key}_u": u, f"{key}_v": v}
            else:
                state[key] = tensor
        (tmp_path / folder).mkdir()
        torch.save(state, tmp_path / folder / "latest_net_G.pth")
    import_files([tmp_path], layouts=layouts)
    models = face_model_paths()
    assert models is not None
    assert models.face_512 is not None
    loaded = load_network(models.face_512).state_dict()
    expected = released("faces_512")["up_0.conv_s.weight"]
    matrix = expected.flatten(1)
    u = torch.nn.functional.normalize(torch.ones(matrix.shape[0]), dim=0)
    v = torch.nn.functional.normalize(matrix.T @ u, dim=0)
    torch.testing.assert_close(loaded["up_0.conv_s.weight"], expected / (u @ matrix @ v))


def test_a_vae_whose_name_does_not_say_which_is_refused_with_a_way_out(
    tmp_path: Path, released_file: Write, layouts: Layouts
) -> None:
    (outcome,) = import_files([released_file("vae_a_quality", tmp_path / "vae.pth")], layouts=layouts)
    assert "could be vae_a_quality, vae_b_quality or vae_b_scratch" in str(outcome.problem)
    assert outcome.problem is not None
    assert "vae_a_quality.pth" in outcome.problem.hint
    assert not models_folder().exists()


def test_one_renamed_tensor_is_refused_by_its_name(
    tmp_path: Path, released: Callable[[str], dict[str, Any]], layouts: Layouts
) -> None:
    state = released("mapping_scratch")
    state["NL.teta.bias"] = state.pop("NL.theta.bias")
    torch.save(state, tmp_path / "mapping_scratch.pth")
    (outcome,) = import_files([tmp_path / "mapping_scratch.pth"], layouts=layouts)
    assert "not the released mapping_scratch" in str(outcome.problem)
    assert "1 missing: NL.theta.bias; 1 unexpected: NL.teta.bias" in str(outcome.problem)
    assert not models_folder().exists()


def test_a_foreign_checkpoint_in_a_folder_is_left_out_and_the_rest_imported(
    tmp_path: Path, released_file: Write, layouts: Layouts
) -> None:
    torch.save({"conv.weight": torch.ones(3)}, tmp_path / "foreign.pth")
    released_file("detector", tmp_path / "FT_Epoch_latest.pt")
    outcomes = {outcome.candidate.name.name: outcome for outcome in import_files([tmp_path], layouts=layouts)}
    assert outcomes["foreign.pth"].is_stranger
    assert outcomes["FT_Epoch_latest.pt"].part is not None


def test_a_foreign_checkpoint_under_a_released_name_is_refused(
    tmp_path: Path, released_file: Write, layouts: Layouts
) -> None:
    (tmp_path / "VAE_A_quality").mkdir()
    torch.save({"conv.weight": torch.ones(3)}, tmp_path / "VAE_A_quality" / "latest_net_G.pth")
    (outcome,) = import_files([tmp_path], layouts=layouts)
    assert isinstance(outcome.problem, WeightsDamaged)
    assert not outcome.is_stranger


def test_a_truncated_file_does_not_touch_what_is_installed(
    tmp_path: Path, released_file: Write, layouts: Layouts
) -> None:
    path = released_file("detector", tmp_path / "FT_Epoch_latest.pt")
    import_files([path], layouts=layouts)
    before = resolve_model("wan2020").sha256
    path.write_bytes(path.read_bytes()[:-500])
    (outcome,) = import_files([path], layouts=layouts)
    assert "truncated" in str(outcome.problem)
    assert resolve_model("wan2020").sha256 == before


def test_the_same_file_imported_twice_is_the_same_model(tmp_path: Path, released_file: Write, layouts: Layouts) -> None:
    path = released_file("detector", tmp_path / "FT_Epoch_latest.pt")
    import_files([path], layouts=layouts)
    before = resolve_model("wan2020").sha256
    import_files([path], layouts=layouts)
    assert resolve_model("wan2020").sha256 == before


def test_an_unknown_face_detector_is_refused(tmp_path: Path) -> None:
    (tmp_path / "yunet.onnx").write_bytes(b"onnx")
    (outcome,) = import_files([tmp_path / "yunet.onnx"])
    assert "not the face detector that is known here" in str(outcome.problem)


def test_a_truncated_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "global_checkpoints.zip").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(WeightsDamaged, match=r"global_checkpoints\.zip is truncated or no zip"):
        import_files([tmp_path / "global_checkpoints.zip"])


def test_nothing_to_import_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="is not there"):
        import_files([tmp_path / "nowhere"])
    with pytest.raises(WeightsMissing, match="holds no released weights"):
        import_files([tmp_path])
