"""The parts of the released models: what each is for, the file it is kept in, how a released file is told by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True, kw_only=True)
class Part:
    """One released network, the face detector, or what training judges pictures with."""

    name: str
    model: str
    """The model it belongs to."""
    file: str
    """Its name in the model folder."""
    roles: tuple[str, ...]
    """What model.json calls it, see `manifest`."""
    aliases: tuple[str, ...]
    """Lower-case names of released files or of the folders that hold them."""


PARTS: dict[str, Part] = {
    part.name: part
    for part in (
        Part(
            name="detector",
            model="wan2020",
            file="detector.safetensors",
            roles=("detector",),
            aliases=("ft_epoch_latest", "detection", "detector"),
        ),
        Part(
            name="vae_a_quality",
            model="wan2020",
            file="vae_a_quality.safetensors",
            roles=("encoder",),
            aliases=("vae_a_quality",),
        ),
        Part(
            name="vae_b_quality",
            model="wan2020",
            file="vae_b_quality.safetensors",
            roles=("quality.decoder",),
            aliases=("vae_b_quality",),
        ),
        Part(
            name="vae_b_scratch",
            model="wan2020",
            file="vae_b_scratch.safetensors",
            roles=("scratch.decoder", "patch.decoder"),
            aliases=("vae_b_scratch",),
        ),
        Part(
            name="mapping_quality",
            model="wan2020",
            file="mapping_quality.safetensors",
            roles=("quality.mapping",),
            aliases=("mapping_quality",),
        ),
        Part(
            name="mapping_scratch",
            model="wan2020",
            file="mapping_scratch.safetensors",
            roles=("scratch.mapping",),
            aliases=("mapping_scratch",),
        ),
        Part(
            name="mapping_patch",
            model="wan2020",
            file="mapping_patch.safetensors",
            roles=("patch.mapping",),
            aliases=("mapping_patch_attention", "mapping_patch"),
        ),
        Part(
            name="faces_256",
            model="wan2020-faces",
            file="faces_256.safetensors",
            roles=("faces.256",),
            aliases=("setting_9_epoch_100", "faces_256"),
        ),
        Part(
            name="faces_512",
            model="wan2020-faces",
            file="faces_512.safetensors",
            roles=("faces.512",),
            aliases=("facesr_512", "faces_512"),
        ),
        Part(
            name="yunet",
            model="face-detector",
            file="yunet_n_320_320.onnx",
            roles=("face_detector",),
            aliases=("yunet",),
        ),
        Part(
            name="vgg19",
            model="vgg19",
            file="vgg19.safetensors",
            roles=("perceptual",),
            aliases=("vgg19",),
        ),
    )
}


def part_named_by(path: PurePath) -> Part | None:
    """The part that a path's file name names, else the nearest of its folders that names one; None if none does."""
    for name in (path.name, *(folder.name for folder in path.parents)):
        for part in PARTS.values():
            if any(alias in name.lower() for alias in part.aliases):
                return part
    return None


def claims_to_be(path: PurePath) -> Part | None:
    """The part that a file means to be, having a released file's name or a part's. None for other files."""
    if path.name.lower() in ("latest_net_g.pth", "latest_net_mapping_net.pth"):
        return part_named_by(path)
    return part_named_by(PurePath(path.name))
