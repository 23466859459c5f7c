"""The catalogue file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from restore_cli.errors import UsageProblem
from restore_cli.weights.catalogue import load_catalogue
from restore_cli.weights.parts import PARTS


def test_the_bundled_catalogue_offers_every_part_once() -> None:
    catalogue = load_catalogue()
    assert catalogue.names == ("small", "wan2020", "wan2020-faces", "face-detector", "vgg19")
    offered = [(model.name, file.part) for model in catalogue.models for file in model.files]
    assert offered == [(part.model, part.name) for part in PARTS.values()]


def test_every_file_of_the_bundled_catalogue_can_be_had_somewhere() -> None:
    for model in load_catalogue().models:
        for file in model.files:
            assert file.url or (model.hub and file.hub_path and len(model.zips) == 2 and file.zip_member)
            assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)


def test_an_unknown_model_is_a_usage_problem_that_names_the_known_ones() -> None:
    with pytest.raises(UsageProblem, match="no model 'wan2021'") as caught:
        load_catalogue().model("wan2021")
    assert "wan2020-faces" in caught.value.hint


@pytest.mark.parametrize(
    "content", ["format = 2", "format =", "", "format = 1\n[models.a]\ntitle = 3", "format = 1\nmodels = 3", None]
)
def test_a_catalogue_that_cannot_be_used_is_named(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mirror.toml"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("OLDPHOTO_CATALOGUE", str(path))
    with pytest.raises(UsageProblem, match=r"mirror\.toml") as caught:
        load_catalogue()
    assert "OLDPHOTO_CATALOGUE" in caught.value.hint
