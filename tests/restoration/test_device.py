from pathlib import Path

import pytest
import torch

from restore_cli.errors import UsageProblem
from restore_cli.restoration.device import resolve_device, resolve_precision
from restore_cli.restoration.memory import free_bytes, held_bytes, working_bytes

CPU = torch.device("cpu")


def test_auto_is_a_device_that_exists():
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")
    assert resolve_device("cpu") == CPU


@pytest.mark.parametrize("name", ["cuda:99", "meta", "toaster"])
def test_devices_that_are_not_there_are_refused(name):
    with pytest.raises(UsageProblem) as refused:
        resolve_device(name)
    assert "auto" in refused.value.hint


def test_precision_by_name():
    assert resolve_precision("bf16", CPU) == torch.bfloat16
    assert resolve_precision("auto", CPU) in (torch.float32, torch.bfloat16)


def test_an_unknown_precision_is_refused():
    with pytest.raises(UsageProblem, match="fp8"):
        resolve_precision("fp8", CPU)


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="reads what the CPU can do from Linux")
def test_auto_is_bfloat16_only_where_the_cpu_multiplies_it():
    flags = Path("/proc/cpuinfo").read_text().split()
    native = "avx512_bf16" in flags or "amx_tile" in flags
    assert resolve_precision("auto", CPU) == (torch.bfloat16 if native else torch.float32)


def test_a_budget_that_was_asked_for_includes_what_is_held_already():
    working_bytes(CPU, 0)  # gives back what was freed
    held = held_bytes(CPU)
    a_little = 2**20  # pages come and go meanwhile
    assert abs(working_bytes(CPU, held + 2**30) - 2**30) < a_little
    assert working_bytes(CPU, 1) == 0
    assert 0 < working_bytes(CPU, None) < free_bytes(CPU)
