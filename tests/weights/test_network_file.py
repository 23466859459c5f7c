"""Our own weights files: round trips, and every way in which a file can be bad."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from restore_cli.errors import WeightsDamaged, WeightsMissing, WeightsUnwritable
from restore_cli.networks import VAE, Mapping, MappingConfig, ScratchUNet, UNetConfig, VAEConfig
from restore_cli.networks.spade import FaceGenerator, SpadeConfig
from restore_cli.weights import load_network, save_network
from restore_cli.weights.places import models_folder

SMALL: dict[str, Callable[[], nn.Module]] = {
    "unet": lambda: ScratchUNet(UNetConfig(base=2, levels=2)),
    "vae": lambda: VAE(VAEConfig(width=4, latent=48, blocks=1, norm="none", patch_skip=True)),
    "mapping": lambda: Mapping(MappingConfig(latent=4, width=8, ramp=2, blocks=1, attention="non_local")),
    "spade": lambda: FaceGenerator(SpadeConfig(face_px=32, width=1, hidden_width=2)),
}


def test_what_a_killed_process_left_goes_with_the_next_writing(tmp_path: Path) -> None:
    path, leftover, others = (tmp_path / name for name in ("vae.safetensors", ".vae.safetensors.0a.tmp", ".b.0a.tmp"))
    for file in (leftover, others):
        file.write_bytes(b"half")
    save_network(SMALL["vae"](), path)
    assert leftover.exists(), "somebody may be writing it"
    for file in (leftover, others):
        os.utime(file, (0, 0))
    save_network(SMALL["vae"](), path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [others.name, path.name]


@pytest.fixture
def vae_file(tmp_path: Path) -> Path:
    path = tmp_path / "vae_a.safetensors"
    save_network(VAE(VAEConfig(width=4, latent=4, blocks=1)), path)
    return path


@pytest.mark.parametrize("kind", SMALL)
def test_loading_uses_up_no_random_number_of_the_caller(kind: str, tmp_path: Path) -> None:
    save_network(SMALL[kind](), tmp_path / "network.safetensors")
    before = torch.get_rng_state()
    load_network(tmp_path / "network.safetensors")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", SMALL)
def test_a_network_comes_back_as_it_was(kind: str, tmp_path: Path) -> None:
    network = SMALL[kind]()
    save_network(network, tmp_path / "network.safetensors")
    loaded = load_network(tmp_path / "network.safetensors")
    assert type(loaded) is type(network)
    assert loaded.config == network.config
    expected = dict(network.named_parameters()) | dict(network.named_buffers())
    found = dict(loaded.named_parameters()) | dict(loaded.named_buffers())
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def test_a_loaded_network_is_ready_for_inference(vae_file: Path) -> None:
    network = load_network(vae_file)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    reconstruction, latent = network(torch.zeros(1, 3, 8, 8))
    assert reconstruction.shape == (1, 3, 8, 8)
    assert latent.shape == (1, 4, 2, 2)


def test_half_precision_on_disk_is_float32_in_memory(tmp_path: Path) -> None:
    network = ScratchUNet(UNetConfig(base=2, levels=1))
    save_network(network, tmp_path / "half.safetensors", dtype=torch.float16)
    assert load_file(tmp_path / "half.safetensors")["first.weight"].dtype == torch.float16
    loaded = load_network(tmp_path / "half.safetensors")
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert loaded.state_dict()["down_path.0.norm1.num_batches_tracked"].dtype == torch.int64


def test_what_half_precision_cannot_hold_stays_whole(tmp_path: Path) -> None:
    """A batch norm's variance beyond 65,504 would become infinite, and its channel silent, without a word."""
    network = ScratchUNet(UNetConfig(base=2, levels=1))
    variance = network.down_path[0].norm1.running_var
    variance.fill_(1e6)
    save_network(network, tmp_path / "half.safetensors", dtype=torch.float16)
    loaded = load_network(tmp_path / "half.safetensors")
    assert torch.equal(loaded.state_dict()["down_path.0.norm1.running_var"], variance)


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"none\.safetensors is not there"):
        load_network(tmp_path / "none.safetensors")


def test_a_damaged_file_of_an_installed_model_names_the_command_that_repairs_it() -> None:
    path = models_folder() / "wan2020" / "detector.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not weights")
    with pytest.raises(WeightsDamaged) as caught:
        load_network(path)
    assert "oldphoto weights download wan2020" in caught.value.hint


@pytest.mark.parametrize("kept", [0, 7, 100, 5000])
def test_a_truncated_file_is_refused(vae_file: Path, kept: int) -> None:
    vae_file.write_bytes(vae_file.read_bytes()[:kept])
    with pytest.raises(WeightsDamaged, match=r"vae_a\.safetensors is truncated"):
        load_network(vae_file)


def rewrite(path: Path, change: Callable[[dict[str, torch.Tensor]], None], **metadata: str) -> None:
    tensors = {key: tensor.clone() for key, tensor in load_file(path).items()}
    change(tensors)
    config = json.dumps({"width": 4, "latent": 4, "blocks": 1})
    save_file(tensors, path, {"kind": "vae", "config": config} | metadata)


def test_one_renamed_tensor_is_named(vae_file: Path) -> None:
    rewrite(vae_file, lambda t: t.update({"decoder.haed.bias": t.pop("decoder.head.bias")}))
    with pytest.raises(WeightsDamaged, match=r"1 missing: decoder\.head\.bias; 1 unexpected: decoder\.haed\.bias"):
        load_network(vae_file)


def test_a_tensor_of_another_shape_is_named_with_both_shapes(vae_file: Path) -> None:
    rewrite(vae_file, lambda t: t.update({"decoder.head.bias": torch.zeros(4)}))
    with pytest.raises(WeightsDamaged, match=r"1 of another shape: decoder\.head\.bias is \[4\], not \[3\]"):
        load_network(vae_file)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"kind": "transformer"}, "does not say which network it holds"),
        ({"config": "{"}, "impossible network"),
        ({"config": '{"colour": 3}'}, "impossible network"),
        ({"config": '{"latent": 4, "patch_skip": true}'}, "latent of at least 48"),
    ],
)
def test_a_header_that_describes_no_network_is_refused(vae_file: Path, metadata: dict[str, str], reason: str) -> None:
    rewrite(vae_file, lambda t: None, **metadata)
    with pytest.raises(WeightsDamaged, match=reason):
        load_network(vae_file)


def test_a_file_without_our_header_is_refused(vae_file: Path) -> None:
    save_file({"a": torch.zeros(1)}, vae_file)
    with pytest.raises(WeightsDamaged, match="does not say which network"):
        load_network(vae_file)


def test_saving_where_nothing_can_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WeightsUnwritable, match="cannot write"):
        save_network(VAE(VAEConfig(width=4, latent=4, blocks=1)), tmp_path / "file" / "vae.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_leaves_the_file_as_it_was(vae_file: Path) -> None:
    """No file may grow beyond a size, which is what a full disk does to a process."""
    before, limits = vae_file.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(WeightsUnwritable, match="cannot write"):
            save_network(VAE(VAEConfig(width=4, latent=4, blocks=1)), vae_file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert vae_file.read_bytes() == before
    assert list(vae_file.parent.iterdir()) == [vae_file]


def test_others_may_read_a_file_as_far_as_the_umask_lets_them(vae_file: Path, tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    assert vae_file.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_saving_again_replaces_the_file_and_leaves_no_temporary(vae_file: Path) -> None:
    save_network(VAE(VAEConfig(width=8, latent=4, blocks=1)), vae_file)
    assert load_network(vae_file).config.width == 8
    assert [path.name for path in vae_file.parent.iterdir()] == ["vae_a.safetensors"]
