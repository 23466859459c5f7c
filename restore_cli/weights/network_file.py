"""One network in one safetensors file: tensors, and in the header its kind and config.

The header's metadata is {"kind": "unet" | "vae" | "mapping" | "spade", "config": "<JSON of the config dataclass>"}.
Such a file holds nothing executable.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore_cli.errors import WeightsDamaged, WeightsMissing
from restore_cli.weights.differences import differences
from restore_cli.weights.files import replacing
from restore_cli.weights.places import bundled_folder, models_folder

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Header:
    """What a file says about the network in it."""

    kind: str
    config: Any
    """The config dataclass of that kind."""


def save_network(module: nn.Module, path: Path, *, dtype: torch.dtype | None = None) -> None:
    """Write a network whole or not at all. `module.config` is its frozen config dataclass.

    dtype: what floating-point tensors are stored as (loading gives float32 again), None: as they are. One that does
    not fit its range, such as a batch norm's variance in float16, stays as it is. The hash in model.json is written by
    `write_manifest`. Raises WeightsUnwritable.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = Path(path)
    tensors = {key: _stored(tensor.detach().cpu(), dtype).contiguous() for key, tensor in module.state_dict().items()}
    metadata = {"kind": _kind_of(module), "config": json.dumps(asdict(module.config))}  # type: ignore[call-overload]
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, metadata)
        except SafetensorError as problem:  # so it calls a full disk
            raise OSError(str(problem)) from problem
        _sort_metadata(temporary)


def _stored(tensor: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    if dtype is None or not tensor.is_floating_point():
        return tensor
    smaller = tensor.to(dtype)
    return smaller if bool((smaller.isfinite() == tensor.isfinite()).all()) else tensor


def load_network(path: Path) -> nn.Module:
    """The network in a file: float32, on the CPU, in eval mode, without gradients.

    Its tensors are views of the file, which is mapped into memory: they are read when they are used. Raises
    WeightsMissing if there is no such file, WeightsDamaged if it is truncated, foreign, or does not hold exactly the
    tensors of its network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    header = read_header(path)
    module, blank = blank_network(header)
    try:
        found = load_file(path)
    except (SafetensorError, OSError) as problem:
        raise _damaged(path, f"cannot be read: {problem}") from problem
    wrong = differences(blank, {key: tuple(tensor.shape) for key, tensor in found.items()})
    if wrong:
        raise _damaged(path, f"does not hold the network that its header describes ({wrong})")
    fill_network(module, found)
    return module


def blank_network(header: Header) -> tuple[nn.Module, dict[str, tuple[int, ...]]]:
    """A network whose weights are not filled in, and the shape of each tensor it needs. See `fill_network`.

    Its tensors are never touched, so they take no memory, and no random number of the caller's is used up. (On torch's
    meta device the detector's blur kernel, which no file holds, would be lost, and the first use of that device costs a
    second.)
    """
    import torch
    from torch.nn import init
    from torch.overrides import TorchFunctionMode

    from restore_cli.networks import NETWORKS

    fills = (init.kaiming_uniform_, init.uniform_, init.normal_, torch.Tensor.uniform_, torch.Tensor.normal_)

    class WithoutRandomFill(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func in fills:
                return args[0] if args else kwargs["tensor"]
            return func(*args, **(kwargs or {}))

    with WithoutRandomFill():
        module = NETWORKS[header.kind][1](header.config)
    return module, {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}


def fill_network(module: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Give a blank network its tensors, which must be exactly those it needs, and make it ready for inference."""
    blank = module.state_dict()
    module.load_state_dict({key: value.to(blank[key].dtype) for key, value in tensors.items()}, assign=True)
    module.eval().requires_grad_(False)


def read_header(path: Path) -> Header:
    """Kind and config of the network in a file, without its tensors. Raises WeightsMissing, WeightsDamaged."""
    from safetensors import SafetensorError, safe_open

    from restore_cli.networks import NETWORKS

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except FileNotFoundError as problem:
        raise WeightsMissing(f"{path} is not there", hint=repair_hint(path), path=path) from problem
    except (SafetensorError, OSError) as problem:
        raise _damaged(path, f"is truncated or no safetensors file: {problem}") from problem
    try:
        config_class = NETWORKS[metadata["kind"]][0]
        return Header(metadata["kind"], config_class(**json.loads(metadata["config"])))
    except KeyError as problem:
        raise _damaged(path, f"does not say which network it holds ({problem} in its header)") from problem
    except (ValueError, TypeError) as problem:
        raise _damaged(path, f"describes an impossible network: {problem}") from problem


def repair_hint(path: Path) -> str:
    """The command that brings back a damaged or missing file of a model folder."""
    folder = path.parent
    if folder.parent == models_folder():
        return f"run `oldphoto weights download {folder.name}`, or `oldphoto weights import PATH` if you have the files"
    if folder.parent == bundled_folder():
        return "the bundled model is part of the package: run `pip install --force-reinstall oldphoto`"
    return "name another folder with --model, or write this one again with `oldphoto train`"


def _sort_metadata(path: Path) -> None:
    """Make equal networks equal files: safetensors writes metadata in an order that changes from run to run."""
    with path.open("rb+") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) <= length:  # else it is spelled another way than expected; the order is not worth a failure
            file.seek(8)
            file.write(text.ljust(length))


def _kind_of(module: nn.Module) -> str:
    from restore_cli.networks import NETWORKS

    for kind, (_, module_class) in NETWORKS.items():
        if type(module) is module_class:
            return kind
    raise TypeError(f"{type(module).__name__} is none of the networks {', '.join(NETWORKS)}")


def _damaged(path: Path, reason: str) -> WeightsDamaged:
    return WeightsDamaged(f"{path} {reason}", hint=repair_hint(path), path=path)
