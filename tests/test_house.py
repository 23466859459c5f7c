"""The house: which room may know which."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "restore_cli"
MAY_IMPORT = {
    "networks": set(),
    "imaging": set(),
    "weights": {"networks"},
    "restoration": {"weights", "networks", "imaging"},
    "training": {"weights", "networks", "imaging"},
    "batch": {"restoration", "weights", "imaging"},
    "cli": {"batch", "restoration", "training", "weights", "networks", "imaging"},
}


def rooms_imported(file: Path) -> set[str]:
    """Names of the package's rooms that a file imports anywhere in it, for types alone too."""
    rooms = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        modules = []
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        for module in modules:
            parts = module.split(".")
            if parts[0] == "restore_cli" and len(parts) > 1 and parts[1] in MAY_IMPORT:
                rooms.add(parts[1])
    return rooms


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_run_one_way(room: str) -> None:
    files = sorted((PACKAGE / room).rglob("*.py"))
    assert files
    for file in files:
        foreign = rooms_imported(file) - MAY_IMPORT[room] - {room}
        assert not foreign, f"{file.relative_to(PACKAGE)} imports {foreign}"


def test_imaging_knows_no_torch() -> None:
    for file in (PACKAGE / "imaging").rglob("*.py"):
        assert "import torch" not in file.read_text(encoding="utf-8"), file


@pytest.mark.parametrize("script", sorted((PACKAGE.parent / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_benchmarks_find_what_they_import(script: Path) -> None:
    """They are not run by the tests, but renamed names would break them unseen."""
    missing = [
        f"{node.module}.{name.name}"
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("restore_cli")
        for name in node.names
        if not hasattr(importlib.import_module(node.module), name.name)
        and importlib.util.find_spec(f"{node.module}.{name.name}") is None
    ]
    assert missing == []
