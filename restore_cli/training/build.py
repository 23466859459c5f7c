"""From a request to the stage it asks for, with the networks that it starts from."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from restore_cli.errors import UsageProblem, WeightsDamaged, WeightsMissing
from restore_cli.networks import VAE, VGG19, Fusion, Mapping, ScratchUNet, SecondLook, ToneNet
from restore_cli.training.config import DataConfig, LoopConfig
from restore_cli.training.request import TrainRequest
from restore_cli.training.stage import Stage
from restore_cli.training.stage_detector import DetectorStage
from restore_cli.training.stage_faces import FaceStage
from restore_cli.training.stage_fusion import FusionStage, RestoringNetworks
from restore_cli.training.stage_mapping import MappingStage
from restore_cli.training.stage_second_look import SecondLookStage
from restore_cli.training.stage_tone import ToneStage
from restore_cli.training.stage_vae import VAEStage
from restore_cli.weights import load_network, perceptual_path, resolve_model
from restore_cli.weights.hashes import sha256_of
from restore_cli.weights.manifest import FILE_NAME, read_manifest

log = logging.getLogger(__name__)
Network = TypeVar("Network", bound=nn.Module)


def build(request: TrainRequest, loop: LoopConfig, data: DataConfig, config: Any) -> Stage:
    """The stage. Raises UsageProblem for folders that are missing from the request or hold something else."""
    if request.stage == "detector":
        return _detector(request, loop, data, config)
    if request.clean is None:
        raise UsageProblem("training needs clean photos", hint="give --clean, a folder of photos")
    common: dict[str, Any] = {"config": config, "loop": loop, "data": data}
    if request.stage == "faces":
        return FaceStage(**common, crops=request.clean)
    common |= {"clean": request.clean, "damage": request.damage}
    if request.stage == "second-look":
        return _second_look(request, common)
    if request.stage == "tone":
        return _tone(request, common)
    if request.stage == "fusion":
        return _fusion(request, common)
    if request.stage == "stage1":
        return VAEStage(**common, old=request.old, vgg=_vgg(config.perceptual))
    if request.vae is None:
        raise UsageProblem("stage 2 maps between two VAEs", hint="give --vae, the folder that stage 1 wrote")
    return MappingStage(
        **common,
        vae_a=_part(request.vae, "vae_a", VAE),
        vae_b=_part(request.vae, "vae_b", VAE),
        detector=_optional_part(request.vae, "detector", ScratchUNet),
        second_look=_optional_part(request.vae, "second_look", SecondLook),
        tone=_optional_part(request.vae, "tone", ToneNet),
        start=_optional_part(request.vae, f"mapping_{config.branch}", Mapping),
        vgg=_vgg(config.perceptual),
    )


def refuse_mixture(request: TrainRequest, config: Any) -> None:
    """Refuse an output whose other parts would no longer fit what this run writes. Raises UsageProblem, naming them."""
    folder = request.output
    if not (folder / FILE_NAME).is_file():
        return
    manifest = read_manifest(folder)
    own = f"{config.branch}.mapping" if request.stage == "stage2" else ""
    mappings = {role: file for role, file in manifest.roles.items() if role.endswith(".mapping") and role != own}
    if not mappings or request.stage not in ("stage1", "stage2"):
        return
    if request.stage == "stage2" and not config.joint and request.vae is not None:
        names = ("vae_a.safetensors", "vae_b.safetensors")
        given = {name: request.vae / name for name in names if (request.vae / name).is_file()}
        if all(manifest.sha256.get(name) == sha256_of(path) for name, path in given.items()):
            return
    raise UsageProblem(
        f"{folder} holds {', '.join(sorted(mappings.values()))}, which would not fit the VAEs of this run",
        hint="choose another --output",
        path=folder,
    )


def _detector(request: TrainRequest, loop: LoopConfig, data: DataConfig, config: Any) -> Stage:
    if (request.clean is None) == (request.pairs is None):
        raise UsageProblem(
            "the detector learns from clean photos that are aged, or from photos with masks",
            hint="give either --clean or --pairs",
        )
    start = None
    if request.init is not None:
        given = Path(request.init)
        path = given if given.is_file() else resolve_model(request.init).path("detector")
        start = _of_kind(path, ScratchUNet)
        config = replace(config, network=start.config)
    return DetectorStage(
        config=config,
        loop=loop,
        data=data,
        clean=request.clean,
        damage=request.damage,
        pairs=request.pairs,
        start=start,
    )


def _second_look(request: TrainRequest, common: dict[str, Any]) -> Stage:
    if request.init is None:
        raise UsageProblem("a second look needs a first", hint="give --init, a model with a detector")
    model = resolve_model(request.init)
    detector = _of_kind(model.path("detector"), ScratchUNet)
    if model.second_look is None:
        return SecondLookStage(**common, detector=detector)
    start = _of_kind(model.second_look, SecondLook)
    common["config"] = replace(common["config"], network=start.config)
    return SecondLookStage(**common, detector=detector, start=start)


def _tone(request: TrainRequest, common: dict[str, Any]) -> Stage:
    if request.init is None:
        return ToneStage(**common)
    model = resolve_model(request.init)
    start = _of_kind(model.path("tone"), ToneNet)
    common["config"] = replace(common["config"], network=start.config)
    return ToneStage(**common, start=start)


def _fusion(request: TrainRequest, common: dict[str, Any]) -> Stage:
    if request.init is None:
        raise UsageProblem("fusion is of what a model restores", hint="give --init, a model that restores")
    model = resolve_model(request.init)
    restoring = RestoringNetworks(
        vae_a=_of_kind(model.path("encoder"), VAE),
        mapping=_of_kind(model.path("scratch.mapping"), Mapping),
        vae_b=_of_kind(model.path("scratch.decoder"), VAE),
        detector=_of_kind(model.detector, ScratchUNet) if model.detector else None,
        second_look=_of_kind(model.second_look, SecondLook) if model.second_look else None,
        tone=_of_kind(model.tone, ToneNet) if model.tone else None,
    )
    if model.fusion is None:
        return FusionStage(**common, restoring=restoring)
    start = _of_kind(model.fusion, Fusion)
    common["config"] = replace(common["config"], network=start.config)
    return FusionStage(**common, restoring=restoring, start=start)


def _vgg(weight: float) -> VGG19 | None:
    """VGG-19 if the perceptual loss has a weight and the network is installed; without it training says so."""
    if not weight:
        return None
    path = perceptual_path()
    if path is None:
        log.warning(
            "VGG-19 is not installed: training without the perceptual loss. `oldphoto weights download vgg19` gets it, "
            "`oldphoto weights import vgg19-dcbb9e9d.pth` takes torchvision's file"
        )
        return None
    return _of_kind(path, VGG19)


def _part(folder: Path, name: str, kind: type[Network]) -> Network:
    part = _optional_part(folder, name, kind)
    if part is None:
        hint = "--vae wants the folder of stage 1"
        raise WeightsMissing(f"{folder} holds no {name}.safetensors", hint=hint, path=folder)
    return part


def _optional_part(folder: Path, name: str, kind: type[Network]) -> Network | None:
    path = folder / f"{name}.safetensors"
    return _of_kind(path, kind) if path.is_file() else None


def _of_kind(path: Path, kind: type[Network]) -> Network:
    network = load_network(path)
    if not isinstance(network, kind):
        raise WeightsDamaged(
            f"{path} holds a {type(network).__name__}, where a {kind.__name__} is needed",
            hint="write it again with `oldphoto train`, or name another folder",
            path=path,
        )
    return network
