"""How much memory a run may use."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from pathlib import Path

import torch

log = logging.getLogger(__name__)
AUTO_SHARE = 0.5
"""Of the free memory, what `--max-memory auto` takes."""
FALLBACK_BYTES = 2 * 2**30
TYPICAL_PROCESS_BYTES = 2**29
"""Where the system does not tell what a process holds: Python, PyTorch and the bundled model."""


def free_bytes(device: torch.device) -> int:
    """Memory free on the device; for MPS and the CPU, of the machine."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return min(int(line.split()[1]) * 1024, _control_group_bytes())
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (OSError, ValueError, AttributeError):
        return FALLBACK_BYTES  # Windows has neither; a modest guess is better than none


def _control_group_bytes() -> int:
    """What a container may still use; no limit counts as very much."""
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 2**62
    return 2**62 if limit == "max" else max(int(limit) - used, 0)


def working_bytes(device: torch.device, asked: int | None, sharers: int = 1) -> int:
    """The budget for activations: what was asked for less what is already held, or a share of what is free; by that
    many photos at a time.
    """
    _give_back()
    budget = max(asked - held_bytes(device), 0) if asked is not None else int(free_bytes(device) * AUTO_SHARE)
    return budget // sharers


def warn_if_held(device_name: str, asked: int | None) -> None:
    """Say that a limit cannot be kept where the process holds as much before the first photo."""
    if asked is not None and asked <= (held := held_bytes(torch.device(device_name))):
        log.warning(
            "--max-memory cannot be kept: the program itself holds %.1f GB; photos are done in the smallest pieces",
            held / 1e9,
        )


def _give_back() -> None:
    """What was freed, to the system: glibc keeps some of it, which would count as held."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)


def held_bytes(device: torch.device) -> int:
    """What this process holds on the device: its tensors, or on a CPU and on MPS all its resident memory."""
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return TYPICAL_PROCESS_BYTES
