"""What this machine's CPU can do."""

from __future__ import annotations

import torch


def has_amx() -> bool:
    """Whether it has units for matrices of bfloat16 (AMX), many times as fast as its float32."""
    return torch.cpu._is_amx_tile_supported()


def multiplies_bfloat16() -> bool:
    """Whether it multiplies bfloat16 faster than float32; others emulate it, slower by orders of magnitude."""
    return torch.cpu._is_avx512_bf16_supported() or has_amx()
