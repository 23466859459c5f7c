"""`oldphoto doctor`."""

from __future__ import annotations

import json
import os

import pytest
import torch

from restore_cli import __version__
from restore_cli.cli.main import main
from restore_cli.weights.places import home, models_folder


def test_json_says_what_this_machine_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["versions"]["oldphoto"] == __version__
    assert facts["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert {"python", "opencv", "pillow"} < facts["versions"].keys()
    assert facts["devices"]["cpu_cores"] == os.cpu_count()
    assert len(facts["devices"]["cuda"]) == torch.cuda.device_count()
    assert facts["memory"]["free_gb"] > 0
    assert facts["memory"]["free_on_disk_gb"] > 0
    assert facts["weights"]["folder"] == str(home())
    assert facts["weights"]["wan2020"] == "not installed"


def test_text_has_a_line_for_each_fact(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["versions", "devices", "memory", "weights"]
    assert f"  folder: {home()}" in lines


def test_a_damaged_installation_is_a_finding_not_a_crash(capsys: pytest.CaptureFixture[str]) -> None:
    folder = models_folder() / "wan2020"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text("{")
    assert main(["doctor"]) == 0
    assert "auto: none: " in capsys.readouterr().out
