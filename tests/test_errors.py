"""Errors of libraries are told apart where they come to the user."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from restore_cli.errors import is_out_of_memory

GREEDY = """
import resource, cv2, numpy as np
from restore_cli.errors import is_out_of_memory
resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
try:
    cv2.resize(np.zeros((8, 8, 3), np.uint8), (2**15, 2**17))
except cv2.error as error:
    print(is_out_of_memory(error), error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on a process's memory is Linux's")
def test_opencv_out_of_memory_is_out_of_memory() -> None:
    ran = subprocess.run([sys.executable, "-c", GREEDY], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("True "), ran.stdout


def test_pytorch_out_of_memory_is_out_of_memory_and_other_errors_are_not() -> None:
    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**58)
    assert is_out_of_memory(refused.value)
    with pytest.raises(RuntimeError) as mismatch:
        torch.zeros(2) + torch.zeros(3)
    assert not is_out_of_memory(mismatch.value)
    assert not is_out_of_memory(ValueError("a value"))
