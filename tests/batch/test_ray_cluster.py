"""What --engine ray says where there is no Ray, no cluster, or a cluster that is not set up alike."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from restore_cli.batch.ray_cluster import RayOptions
from restore_cli.cli.main import main
from restore_cli.errors import UsageProblem


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    path.write_bytes(b"never looked at")
    return path


def test_without_ray_the_command_says_how_to_install_it(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["restore", "--engine", "ray", str(photo), str(tmp_path / "out")]) == 2
    assert "pip install 'oldphoto[ray]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:x"])
def test_a_cluster_that_does_not_answer(address: str) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'oldphoto[ray]'")
    look = f"from restore_cli.batch.ray_cluster import connect; connect({address!r})"
    ran = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=False, timeout=300)
    assert f"UsageProblem: the Ray cluster {address} cannot be reached" in ran.stderr


def test_a_head_node_that_is_silent() -> None:
    """Ray alone would wait for a quarter of an hour."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'oldphoto[ray]'")
    with socket.create_server(("", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        look = "from restore_cli.batch import ray_cluster as c; c.CONNECT_SECONDS[''] = 0.5; "
        look += f"c.connect({address!r})"
        ran = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=False, timeout=300)
    assert f"UsageProblem: the Ray cluster {address} cannot be reached: no answer" in ran.stderr


def test_ray_is_not_imported_unless_it_is_asked_for() -> None:
    look = "import sys, restore_cli.cli.main, restore_cli.batch.ray_engine; print('ray' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


@pytest.mark.parametrize("options", [{"workers": 0}, {"gpus_per_worker": -1.0}, {"gpus_per_worker": 1.5}])
def test_impossible_workers(options: dict[str, float]) -> None:
    with pytest.raises(UsageProblem):
        RayOptions(**options)  # type: ignore[arg-type]


def test_options_for_a_cluster_need_the_engine(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["restore", "--workers", "2", str(photo), str(tmp_path / "out")]) == 2
    assert "--engine ray" in capsys.readouterr().err
