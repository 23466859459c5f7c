"""Every test gets an empty cache folder, no colour, a fixed width and no model hub.

Files of tests run beside each other (pytest-xdist), each on its share of the cores.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

workers = os.environ.get("PYTEST_XDIST_WORKER_COUNT")
if workers is not None:  # not in the process that starts them, whose environment they inherit
    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // int(workers), 1)))


@pytest.fixture(autouse=True)
def quiet_and_isolated(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The empty folder that stands for the user's cache during this test."""
    home = tmp_path_factory.mktemp("oldphoto_home")
    monkeypatch.setenv("OLDPHOTO_HOME", str(home))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return home
