"""Every test gets an empty cache folder, no colour, a fixed width and no model hub."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def quiet_and_isolated(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The empty folder that stands for the user's cache during this test."""
    home = tmp_path_factory.mktemp("oldphoto_home")
    monkeypatch.setenv("OLDPHOTO_HOME", str(home))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return home
