"""Tell which released network a checkpoint holds, and keep it as our own file.

A checkpoint is recognised by its keys and shapes, never by its name alone. Some have the same: the three VAEs, and the
two face generators. There the name of the file or of a folder around it decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from restore_cli.errors import WeightsDamaged
from restore_cli.networks import (
    MAPPING_PATCH,
    MAPPING_QUALITY,
    MAPPING_SCRATCH,
    SPADE_256,
    SPADE_512,
    UNET_RELEASED,
    VAE_RELEASED,
    VGG_RELEASED,
)
from restore_cli.weights.checkpoint import read_checkpoint
from restore_cli.weights.differences import Shapes, differences
from restore_cli.weights.network_file import Header, blank_network, fill_network, save_network
from restore_cli.weights.parts import PARTS, Part, part_named_by
from restore_cli.weights.released_keys import is_unused, released_key
from restore_cli.weights.spectral import fold_spectral_norm

if TYPE_CHECKING:
    from torch import Tensor

LAYOUTS: dict[str, Header] = {
    "detector": Header("unet", UNET_RELEASED),
    "vae_a_quality": Header("vae", VAE_RELEASED),
    "vae_b_quality": Header("vae", VAE_RELEASED),
    "vae_b_scratch": Header("vae", VAE_RELEASED),
    "mapping_quality": Header("mapping", MAPPING_QUALITY),
    "mapping_scratch": Header("mapping", MAPPING_SCRATCH),
    "mapping_patch": Header("mapping", MAPPING_PATCH),
    "faces_256": Header("spade", SPADE_256),
    "faces_512": Header("spade", SPADE_512),
    "vgg19": Header("vgg", VGG_RELEASED),
}
"""The network in each released part."""


class ForeignCheckpoint(WeightsDamaged):
    """A sound checkpoint that is none of the released networks, or does not say which."""


@dataclass(frozen=True)
class Recognised:
    """A checkpoint that was read, and the part it is."""

    part: Part
    state: Mapping[str, Tensor]
    """Its tensors under the released names, spectral norm folded."""


def recognise(path: Path, name: PurePath | None = None, *, layouts: Mapping[str, Header] = LAYOUTS) -> Recognised:
    """Read the checkpoint at `path`; `name` is what it was called where it came from, if not that.

    Raises WeightsDamaged if it cannot be read safely, ForeignCheckpoint if it is none of the released networks or only
    its name could say which one it is and does not.
    """
    name = name or path
    state = _plain(name, read_checkpoint(path, name))
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    named = part_named_by(name)
    fitting = [part for part, header in layouts.items() if not differences(_released_shapes(header), shapes)]
    if not fitting:
        raise _foreign(name, named, shapes, layouts)
    if named and named.name in fitting:
        return Recognised(named, state)
    if len(fitting) > 1:
        raise _ambiguous(name, fitting)
    return Recognised(PARTS[fitting[0]], state)


def convert(found: Recognised, target: Path, *, layouts: Mapping[str, Header] = LAYOUTS) -> None:
    """Write a recognised checkpoint as our own safetensors file. Raises WeightsUnwritable."""
    header = layouts[found.part.name]
    module, needed = blank_network(header)
    fill_network(module, {key: found.state[released_key(header.config, key)] for key in needed})
    save_network(module, target)


def _plain(name: PurePath, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without what our networks have no use for, and with spectral norm folded."""
    weights = {key: tensor for key, tensor in state.items() if not is_unused(key)}
    try:
        return fold_spectral_norm(weights)
    except (KeyError, RuntimeError) as problem:
        raise WeightsDamaged(
            f"{name} holds spectral norm that does not fit its weights: {problem}",
            hint="import the released file",
            path=name,
        ) from problem


@cache
def _released_shapes(header: Header) -> Shapes:
    _, needed = blank_network(header)
    return {released_key(header.config, key): shape for key, shape in needed.items()}


def _ambiguous(name: PurePath, fitting: Sequence[str]) -> ForeignCheckpoint:
    names = [PARTS[part].aliases[0] for part in fitting]
    return ForeignCheckpoint(
        f"{name} could be {', '.join(names[:-1])} or {names[-1]}: they differ in nothing but their values",
        hint=f"put it into a folder of that name, or name it so, for example {names[0]}{name.suffix}",
        path=name,
    )


def _foreign(name: PurePath, named: Part | None, shapes: Shapes, layouts: Mapping[str, Header]) -> ForeignCheckpoint:
    """The error for a checkpoint that is not what it should be, compared with what it was closest to."""
    expected = {part: _released_shapes(header) for part, header in layouts.items()}
    if named and named.name in expected:
        closest = named.name
    else:
        closest = max(expected, key=lambda part: len(expected[part].keys() & shapes.keys()))
    return ForeignCheckpoint(
        f"{name} is not the released {closest} ({differences(expected[closest], shapes)})",
        hint="import the released files unchanged, under their own names",
        path=name,
    )
