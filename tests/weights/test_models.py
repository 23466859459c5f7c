"""Finding models, and refusing those whose parts do not belong together."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from torch import nn

from restore_cli.errors import WeightsDamaged, WeightsMissing
from restore_cli.networks import VAE, Mapping, MappingConfig, ScratchUNet, UNetConfig, VAEConfig
from restore_cli.networks.spade import FaceGenerator, SpadeConfig
from restore_cli.weights import (
    face_detector_path,
    face_model_paths,
    resolve_model,
    save_network,
    write_manifest,
)
from restore_cli.weights.catalogue import load_catalogue
from restore_cli.weights.installed import check_files, model_states
from restore_cli.weights.places import models_folder


def vae(latent: int = 4) -> nn.Module:
    return VAE(VAEConfig(width=4, latent=latent, blocks=1))


def mapping(latent: int = 4) -> nn.Module:
    return Mapping(MappingConfig(latent=latent, width=8, ramp=2, blocks=1))


def write_model(folder: Path, networks: dict[str, nn.Module], name: str = "mine") -> Path:
    """A model folder with one file for each role."""
    for role, network in networks.items():
        save_network(network, folder / f"{role}.safetensors")
    write_manifest(folder, name=name, roles={role: f"{role}.safetensors" for role in networks})
    return folder


def whole() -> dict[str, nn.Module]:
    return {
        "detector": ScratchUNet(UNetConfig(base=2, levels=1)),
        "encoder": vae(),
        "scratch.mapping": mapping(),
        "scratch.decoder": vae(),
    }


def test_a_folder_resolves_to_the_files_of_its_roles(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "run", whole())
    model = resolve_model(folder)
    assert (model.name, model.folder, model.branches) == ("mine", folder, ("scratch",))
    assert model.path("scratch.mapping") == folder / "scratch.mapping.safetensors"
    assert model.detector == model.path("detector")
    assert json.loads((folder / "model.json").read_text())["branches"] == {
        "scratch": {"mapping": "scratch.mapping.safetensors", "decoder": "scratch.decoder.safetensors"}
    }


def test_a_role_that_is_absent_is_missing_only_when_it_is_asked_for(tmp_path: Path) -> None:
    model = resolve_model(write_model(tmp_path, {"encoder": vae(), "quality.mapping": mapping()}))
    assert model.branches == ()
    assert model.detector is None
    with pytest.raises(WeightsMissing, match=r"has no quality\.decoder"):
        model.path("quality.decoder")


def test_the_identity_changes_with_any_file_and_only_then(tmp_path: Path) -> None:
    networks = whole()
    identity = resolve_model(write_model(tmp_path, networks)).sha256
    assert resolve_model(write_model(tmp_path, networks)).sha256 == identity
    assert resolve_model(write_model(tmp_path, networks | {"scratch.decoder": vae()})).sha256 != identity


def test_auto_takes_the_released_model_once_it_can_restore(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("restore_cli.weights.places.bundled_folder", lambda: tmp_path)
    write_model(tmp_path / "small", whole(), "small")
    released = whole()
    decoder = released.pop("scratch.decoder")
    write_model(models_folder() / "wan2020", released, "wan2020")
    assert resolve_model("auto").name == "small"
    write_model(models_folder() / "wan2020", released | {"scratch.decoder": decoder}, "wan2020")
    assert resolve_model("auto").name == "wan2020"


@pytest.mark.skipif(os.name == "nt", reason="rights are others there")
def test_a_weights_folder_that_may_not_be_looked_into_holds_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a container that runs as another user: the bundled model still works."""
    monkeypatch.setenv("OLDPHOTO_HOME", str(tmp_path / "locked"))
    (tmp_path / "locked").mkdir()
    really_stat = Path.stat

    def stat(path: Path, **how: bool) -> os.stat_result:
        if path.is_relative_to(tmp_path / "locked"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return really_stat(path, **how)

    monkeypatch.setattr(Path, "stat", stat)  # made up, as nothing is forbidden to root
    assert resolve_model("auto").name == "small"
    assert [state.model.name for state in model_states(load_catalogue()) if state.present] == ["small"]
    assert all(check.model == "small" for check in check_files(load_catalogue().names))


def test_a_model_that_is_not_installed_names_the_command_that_installs_it() -> None:
    with pytest.raises(WeightsMissing, match="wan2020 is not installed") as caught:
        resolve_model("wan2020")
    assert "oldphoto weights download wan2020" in caught.value.hint


def test_an_unknown_name_tells_what_there_is() -> None:
    with pytest.raises(WeightsMissing, match="no model 'big'") as caught:
        resolve_model("big")
    assert "auto, small, wan2020" in caught.value.hint


def test_a_folder_without_model_json_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"holds no model\.json"):
        resolve_model(tmp_path)


def test_a_file_that_model_json_names_must_be_there(tmp_path: Path) -> None:
    folder = write_model(tmp_path, whole())
    (folder / "encoder.safetensors").unlink()
    with pytest.raises(WeightsMissing, match=r"encoder\.safetensors is not there"):
        resolve_model(folder)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"format": 2}',
        '{"format": 1, "name": "x"}',
        '{"format": 1, "name": "x", "branches": 3, "sha256": {}}',
        '{"format": 1, "name": "x", "encoder": "../../elsewhere.safetensors", "sha256": {}}',
    ],
)
def test_a_model_json_that_says_nothing_usable_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(WeightsDamaged, match=r"model\.json does not describe a model"):
        resolve_model(tmp_path)


def test_latents_of_different_widths_are_refused_by_name(tmp_path: Path) -> None:
    folder = write_model(tmp_path, whole() | {"scratch.mapping": mapping(latent=8)})
    with pytest.raises(WeightsDamaged) as caught:
        resolve_model(folder)
    assert "encoder.safetensors (encoder) has a latent of 4 channels" in str(caught.value)
    assert "scratch.mapping.safetensors (scratch.mapping) one of 8" in str(caught.value)


def test_a_network_in_the_wrong_role_is_refused_by_name(tmp_path: Path) -> None:
    folder = write_model(tmp_path, whole() | {"detector": vae()})
    with pytest.raises(WeightsDamaged, match=r"detector\.safetensors is a vae, but its role detector needs a unet"):
        resolve_model(folder)


def test_face_models_are_found_where_they_are_installed() -> None:
    assert face_model_paths() is None
    assert face_detector_path() is None
    generator = FaceGenerator(SpadeConfig(face_px=32, width=1, hidden_width=2))
    folder = write_model(models_folder() / "wan2020-faces", {"faces.512": generator})
    assert face_model_paths() is None, "without the one for 256 px nothing can be done"
    write_model(folder, {"faces.256": generator, "faces.512": generator})
    models = face_model_paths()
    assert models is not None
    assert (models.face_256.name, models.face_512.name) == ("faces.256.safetensors", "faces.512.safetensors")


def test_a_models_own_face_generator_goes_before_the_installed_ones(tmp_path: Path) -> None:
    generator = FaceGenerator(SpadeConfig(face_px=32, width=1, hidden_width=2))
    write_model(models_folder() / "wan2020-faces", {"faces.256": generator})
    without = face_model_paths(resolve_model(write_model(tmp_path / "without", whole())))
    own = face_model_paths(resolve_model(write_model(tmp_path / "with", whole() | {"faces.512": generator})))
    assert without == face_model_paths()
    assert own is not None
    assert (own.face_256, own.face_512) == (None, tmp_path / "with" / "faces.512.safetensors")


def test_a_folder_with_a_face_generator_alone_is_completed_by_auto(tmp_path: Path) -> None:
    """As `oldphoto train faces` leaves it; its identity changes with either part."""
    generator = FaceGenerator(SpadeConfig(face_px=32, width=1, hidden_width=2))
    folder = write_model(tmp_path / "run", {"faces.256": generator})
    model, small = resolve_model(folder), resolve_model("small")
    assert (model.name, model.folder, model.branches) == ("mine", folder, small.branches)
    assert model.roles == {**small.roles, "faces.256": folder / "faces.256.safetensors"}
    write_model(models_folder() / "wan2020", whole(), name="wan2020")
    other = resolve_model(folder)
    assert other.path("encoder").parent == models_folder() / "wan2020"
    assert len({model.sha256, other.sha256, small.sha256}) == 3
