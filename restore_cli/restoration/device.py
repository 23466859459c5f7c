"""Which device and which precision a run uses."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from restore_cli.errors import OldPhotoError, UsageProblem
from restore_cli.networks.cpu import multiplies_bfloat16
from restore_cli.restoration.settings import Precision

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class NotANumberError(Exception):
    """A piece came out black or with values that are no numbers: a precision below float32 overflowed, or the weights
    are damaged.
    """


def no_numbers() -> OldPhotoError:
    """What to raise where float32 gives no numbers either, so that no black picture passes for a result."""
    return OldPhotoError(
        "the model gives values that are no numbers, in float32 too",
        hint="Its weights may be damaged, or the training that made them went astray: choose another --model.",
    )


def resolve_device(name: str) -> torch.device:
    """auto, cpu, cuda, cuda:N or mps to a device. auto takes CUDA, then MPS, then the CPU. Raises UsageProblem."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageProblem(f"no device is called {name!r}", hint="use auto, cpu, cuda, cuda:N or mps") from error
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise UsageProblem(
                f"{name} was asked for, and this machine has {count} CUDA devices", hint="use --device auto"
            )
    elif device.type == "mps":
        if not torch.backends.mps.is_available():
            raise UsageProblem("this machine has no MPS device", hint="use --device auto")
    elif device.type != "cpu":
        raise UsageProblem(f"oldphoto does not run on {name!r}", hint="use auto, cpu, cuda, cuda:N or mps")
    return device


def resolve_precision(name: Precision, device: torch.device) -> torch.dtype:
    """The dtype the convolutions run in. auto is bfloat16 where the hardware multiplies it faster than float32.

    Raises UsageProblem for another name.
    """
    if name in DTYPES:
        return DTYPES[name]
    if name != "auto":
        raise UsageProblem(f"no precision is called {name!r}", hint=f"use auto, {', '.join(DTYPES)}")
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type == "cpu" and multiplies_bfloat16():
        return torch.bfloat16
    return torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Run convolutions in `dtype`, norms and sums in float32."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype)
