"""`oldphoto weights` as the shell sees it."""

from __future__ import annotations

import functools
import http.server
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from restore_cli.cli.main import main
from restore_cli.weights.places import home, models_folder

Output = pytest.CaptureFixture[str]


@pytest.fixture
def write_vae() -> Callable[[Path], Path]:
    """Writes a VAE of the released size in the released layout."""
    import torch

    from restore_cli.networks import VAE, VAE_RELEASED
    from restore_cli.weights.released_keys import released_key

    def write(path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        state = VAE(VAE_RELEASED).state_dict()
        torch.save({released_key(VAE_RELEASED, key): tensor for key, tensor in state.items()}, path)
        return path

    return write


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder served by the standard library's server, which knows no ranges, and a catalogue that points to it."""
    served = tmp_path / "served"
    served.mkdir()
    (served / "yunet.onnx").write_bytes(b"any bytes will do")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    handler = functools.partial(Quiet, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        catalogue = tmp_path / "catalogue.toml"
        catalogue.write_text(
            "format = 1\n[models.small]\ntitle = ''\nlicence = ''\nbundled = true\n"
            "[models.face-detector]\ntitle = 'faces'\nlicence = ''\n[[models.face-detector.files]]\n"
            f"part = 'yunet'\nsize_mb = 1\nurl = 'http://127.0.0.1:{server.server_port}/yunet.onnx'\n"
        )
        monkeypatch.setenv("OLDPHOTO_CATALOGUE", str(catalogue))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.delenv("HF_HUB_OFFLINE")
        yield served
        server.shutdown()
        thread.join()


def test_download_installs_and_says_from_where(mirror: Path, capsys: Output) -> None:
    assert main(["weights", "download", "face-detector"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "face-detector yunet: installed from http://127.0.0.1" in err
    assert (models_folder() / "face-detector" / "yunet_n_320_320.onnx").read_bytes() == b"any bytes will do"
    assert main(["weights", "download"]) == 0
    assert "was installed already" in capsys.readouterr().err
    catalogue = Path(os.environ["OLDPHOTO_CATALOGUE"])
    catalogue.write_text(
        catalogue.read_text() + "\n[models.vgg19]\ntitle = ''\nlicence = ''\nfor_training = true\n"
        "[[models.vgg19.files]]\npart = 'vgg19'\nsize_mb = 1\nurl = 'http://127.0.0.1:9/'\n"
    )
    assert main(["weights", "download"]) == 0, "what only training needs has to be asked for"


def test_download_of_what_is_not_there_is_3_and_leaves_nothing(mirror: Path, capsys: Output) -> None:
    (mirror / "yunet.onnx").unlink()
    assert main(["weights", "download", "face-detector"]) == 3
    assert "HTTP 404" in capsys.readouterr().err
    assert not models_folder().exists()


@pytest.mark.parametrize("offline", [["--offline"], []])
def test_download_offline_is_3_and_says_how_to_go_on(
    mirror: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch, offline: list[str]
) -> None:
    if not offline:
        monkeypatch.setenv("OLDPHOTO_OFFLINE", "1")
    assert main(["weights", "download", "face-detector", *offline]) == 3
    err = capsys.readouterr().err
    assert "offline" in err
    assert "oldphoto weights import" in err


def test_download_of_an_unknown_model_is_2(capsys: Output) -> None:
    assert main(["weights", "download", "wan2021"]) == 2
    assert "choose from small, wan2020, wan2020-faces, face-detector" in capsys.readouterr().err


def test_download_of_the_bundled_model_says_that_it_is_there(capsys: Output) -> None:
    assert main(["weights", "download", "small"]) == 0
    assert "comes with the package" in capsys.readouterr().err


def test_import_list_and_verify(tmp_path: Path, capsys: Output, write_vae: Callable[[Path], Path]) -> None:
    write_vae(tmp_path / "VAE_A_quality" / "latest_net_G.pth")
    assert main(["weights", "import", str(tmp_path)]) == 0
    assert "wan2020 vae_a_quality: installed from" in capsys.readouterr().err

    assert main(["weights", "list"]) == 0
    out, err = capsys.readouterr()
    (row,) = [line for line in out.splitlines() if line.startswith("wan2020 ")]
    assert row.split()[1:5] == ["1", "of", "7", "3.5"]
    assert row.endswith("detector, vae_b_quality, vae_b_scratch, mapping_quality, mapping_scratch, mapping_patch")
    assert err == ""

    assert main(["weights", "list", "--json"]) == 0
    models = {model["name"]: model for model in map(json.loads, capsys.readouterr().out.splitlines())}
    assert models["wan2020"]["files"] == ["vae_a_quality.safetensors"]
    assert models["wan2020"]["installed"] is False
    assert models["wan2020"]["folder"] == str(models_folder() / "wan2020")

    installed = models_folder() / "wan2020" / "vae_a_quality.safetensors"
    assert main(["weights", "verify"]) == 0
    assert f"ok\t{installed}" in capsys.readouterr().out
    content = bytearray(installed.read_bytes())
    content[-1] ^= 1
    installed.write_bytes(content)
    assert main(["weights", "verify"]) == 3
    out, err = capsys.readouterr()
    assert f"damaged\t{installed}" in out
    assert "oldphoto weights download wan2020" in err


def test_import_of_a_hostile_pickle_is_3_and_runs_nothing(tmp_path: Path, capsys: Output) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
            return Path.touch, (tmp_path / "trace",)

    (tmp_path / "VAE_A_quality.pth").write_bytes(pickle.dumps(Hostile(), protocol=2))
    assert main(["weights", "import", str(tmp_path / "VAE_A_quality.pth")]) == 3
    assert "nothing in it was executed" in capsys.readouterr().err
    assert not (tmp_path / "trace").exists()
    assert not models_folder().exists()


def test_import_of_strangers_alone_is_3(tmp_path: Path, capsys: Output) -> None:
    import torch

    torch.save({"conv.weight": torch.ones(3)}, tmp_path / "foreign.pth")
    assert main(["weights", "import", str(tmp_path)]) == 3
    err = capsys.readouterr().err
    assert "left out" in err
    assert "none of the 1 files is a released one" in err


def test_import_of_nothing_is_a_usage_error() -> None:
    assert main(["weights", "import"]) == 2


def test_path_is_the_folder_and_nothing_else(capsys: Output) -> None:
    assert main(["weights", "path"]) == 0
    assert capsys.readouterr().out == f"{home()}\n"


def test_list_does_not_wait_for_torch() -> None:
    program = (
        "import sys; from restore_cli.cli.main import main; code = main(['weights', 'list']);"
        "sys.exit(code or 10 * ('torch' in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ.copy())
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("NAME")
