"""Read a released checkpoint without executing anything in it.

A .pth file is a pickle, and a pickle can call any function. Only torch's restricted reader is used: it builds tensors
and plain containers and refuses the rest.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from restore_cli.errors import WeightsDamaged

if TYPE_CHECKING:
    from torch import Tensor

_WRAPPERS = ("model_state", "state_dict")
"""Entries under which training code keeps the weights beside its optimiser's state."""
_UNREADABLE = (OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, struct.error)
"""torch's reader meets a cut or overwritten file with whichever of these it runs into first."""
_GET_AGAIN = "get the file again, or run `oldphoto weights download`"


def read_checkpoint(path: Path, name: PurePath | None = None) -> dict[str, Tensor]:
    """The tensors of a .pth or .pt file by name, on the CPU; mapped into memory where the file's format allows it.

    name: what errors call the file, if not by its path.
    Raises WeightsDamaged if the file is truncated, holds something other than tensors, or asks to run code.
    """
    name = name or path
    content = _loaded(path, name)
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    return _tensors(name, content)


def _loaded(path: Path, name: PurePath) -> Any:
    import torch

    try:
        is_archive = zipfile.is_zipfile(path)
        with torch.serialization.safe_globals(_numpy_scalars()):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_archive)
    except pickle.UnpicklingError as problem:
        raise WeightsDamaged(
            f"{name} asks to run code, or is damaged beyond telling; it was refused and nothing in it was executed",
            hint="use the released files only; " + _GET_AGAIN,
            path=name,
        ) from problem
    except _UNREADABLE as problem:
        raise WeightsDamaged(
            f"{name} is truncated or no PyTorch checkpoint ({type(problem).__name__})", hint=_GET_AGAIN, path=name
        ) from problem


def _tensors(name: PurePath, content: Any) -> dict[str, Tensor]:
    import torch

    if not isinstance(content, Mapping) or not content:
        raise _foreign(name, f"holds a {type(content).__name__}, not a table of tensors")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise _foreign(name, f"holds a {type(value).__name__} under {key!r}, where a tensor should be")
    return dict(content)


def _foreign(name: PurePath, reason: str) -> WeightsDamaged:
    return WeightsDamaged(f"{name} {reason}", hint="import the released files only", path=name)


def _numpy_scalars() -> list[Any]:
    """What training code's best scores are pickled with. They are numbers; nothing here calls back into the file."""
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(code)) for code in ("f4", "f8", "i8")]
    return [(scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar"), np.dtype, *kinds]
