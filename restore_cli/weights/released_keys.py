"""Our tensor names next to those of the released checkpoints.

Source: the keys of the released files. They number the layers of nn.Sequential, paddings and activations included, so
that a convolution is followed by the next one three places on. The face generator keeps the released names (after
spectral norm is folded, see `spectral`).
"""

from __future__ import annotations

from itertools import accumulate

from restore_cli.networks import MappingConfig, UNetConfig, VAEConfig, VGGConfig
from restore_cli.networks.vgg import CONVS_A_LEVEL

_DOUBLE_CONV = {"conv1": "block.1", "norm1": "block.2", "conv2": "block.5", "norm2": "block.6"}
_RES_BLOCK = {"conv1": "conv_block.1", "conv2": "conv_block.5"}
_STEP = 3
"""Convolution, norm and activation: three places in a released Sequential."""
_VGG_UNUSED = ("classifier.", "features.30.", "features.32.", "features.34.")
"""Of VGG-19: all that comes after relu5_1."""


def is_unused(key: str) -> bool:
    """Whether a released tensor is left out: the detector's fixed blur kernels, the end of VGG-19."""
    return key.endswith(".filt") or key.startswith(_VGG_UNUSED)


def released_key(config: object, key: str) -> str:
    """The released name of one of our tensors, for a network of that config; of a face generator's, the name itself."""
    if isinstance(config, UNetConfig):
        return _renamed(key, _unet(config.levels))
    if isinstance(config, VAEConfig):
        return _renamed(key, _vae(config))
    if isinstance(config, MappingConfig):
        return _renamed(key, _mapping(config))
    if isinstance(config, VGGConfig):
        return _renamed(key, _vgg())
    return key


def _renamed(key: str, modules: dict[str, str]) -> str:
    """`key` with the longest of our module names that it starts with replaced by the released one."""
    for ours in sorted(modules, key=len, reverse=True):
        if key.startswith(ours + "."):
            return modules[ours] + key[len(ours) :]
    raise KeyError(key)


def _unet(levels: int) -> dict[str, str]:
    modules = {"first": "first.1", "last": "last.1"}
    for i in range(levels):
        modules |= {f"down_sample.{i}.conv": f"down_sample.{i}.1", f"down_sample.{i}.norm": f"down_sample.{i}.2"}
        modules[f"up_path.{i}.conv"] = f"up_path.{i}.up.2"
        for ours, released in _DOUBLE_CONV.items():
            modules[f"down_path.{i}.{ours}"] = f"down_path.{i}.{released}"
            modules[f"up_path.{i}.merge.{ours}"] = f"up_path.{i}.conv_block.{released}"
    return modules


def _vae(config: VAEConfig) -> dict[str, str]:
    modules = {"encoder.stem.conv": "encoder.1", "encoder.down1.conv": "encoder.4", "encoder.down2.conv": "encoder.7"}
    for i in range(config.blocks):
        modules |= _res_block(f"encoder.blocks.{i}", f"encoder.{10 + i}")
        modules |= _res_block(f"decoder.blocks.{i}", f"decoder.{i}")
    up = config.blocks
    modules |= {"decoder.up1.conv": f"decoder.{up}", "decoder.up2.conv": f"decoder.{up + _STEP}"}
    modules["decoder.head"] = f"decoder.{up + 2 * _STEP + 1}"  # one further for the padding before it
    return modules


def _mapping(config: MappingConfig) -> dict[str, str]:
    """The trunk's layers lie in one list here; the released files cut it into pieces with names of their own."""
    first = "model" if config.attention == "none" else "before_NL"
    last = "model" if config.attention == "none" else "after_NL"
    modules = {f"ramp_in.{i}.conv": f"{first}.{_STEP * i}" for i in range(config.ramp)}
    after = _STEP * config.ramp
    if config.attention == "none":
        modules |= _row_of_blocks(range(config.blocks), "model", start=after)
        after += config.blocks
    elif config.attention == "non_local":
        modules |= {f"trunk.0.{name}": f"NL.{name}" for name in ("g", "W", "theta", "phi")}
        for i in range(config.non_local_blocks):
            modules |= _res_block(f"trunk.0.res_block.{i}", f"NL.res_block.{i}")
        modules |= _row_of_blocks(range(1, 1 + config.blocks), "after_NL", start=0)
        after = config.blocks
    else:
        modules |= _row_of_blocks(range(0, 2), "before_NL", start=after)
        for scale, index in enumerate((2, 5, 8), 1):
            modules[f"trunk.{index}.combine"] = f"NL_scale_{scale}.F_Combine"
            modules |= _res_block(f"trunk.{index}.res_block", f"NL_scale_{scale}.res_block.0")
            following = range(index + 1, index + 3)
            modules |= _row_of_blocks(following, f"res_block_{scale}" if scale < 3 else "after_NL", start=0)
        after = 2
    modules |= {f"ramp_out.{i}.conv": f"{last}.{after + _STEP * i}" for i in range(config.ramp - 1)}
    modules["last"] = f"{last}.{after + _STEP * (config.ramp - 1)}"
    return modules


def _vgg() -> dict[str, str]:
    """Convolution and activation are two places in the released Sequential, the pooling after a level is one."""
    starts = accumulate((2 * count + 1 for count in CONVS_A_LEVEL[:-1]), initial=0)
    return {
        f"levels.{level}.{place}": f"features.{start + 2 * place}"
        for level, start in enumerate(starts)
        for place in range(CONVS_A_LEVEL[level])
    }


def _row_of_blocks(trunk: range, released: str, *, start: int) -> dict[str, str]:
    modules: dict[str, str] = {}
    for place, index in enumerate(trunk, start):
        modules |= _res_block(f"trunk.{index}", f"{released}.{place}")
    return modules


def _res_block(ours: str, released: str) -> dict[str, str]:
    return {f"{ours}.{a}": f"{released}.{b}" for a, b in _RES_BLOCK.items()}
