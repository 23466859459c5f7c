from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restore_cli.cli.main import main
from restore_cli.training.ageing import AgeingSettings, AgeingTargets, age_file
from restore_cli.training.config import CONFIGS
from restore_cli.training.recipes import from_table
from restore_cli.training.request import TrainRequest, resolved
from restore_cli.training.samples import SampleSettings


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """A folder with two photos, and one in a subfolder."""
    folder = tmp_path / "clean"
    (folder / "sub").mkdir(parents=True)
    ramp = np.linspace(30, 200, 48 * 40 * 3).reshape(40, 48, 3).astype(np.uint8)
    for number, name in enumerate(("a.jpg", "b.png", "sub/c.png")):
        Image.fromarray(np.roll(ramp, 13 * number, axis=1)).save(folder / name)
    return folder


def written(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_photo_gets_an_old_version_and_a_mask(clean: Path, tmp_path: Path) -> None:
    assert main(["degrade", str(clean), str(tmp_path / "old")]) == 0
    assert sorted(written(tmp_path / "old")) == ["a.png", "a_mask.png", "b.png", "b_mask.png"]
    mask = np.asarray(Image.open(tmp_path / "old" / "b_mask.png"))
    old = np.asarray(Image.open(tmp_path / "old" / "b.png"))
    assert mask.shape == (40, 48)
    assert set(np.unique(mask)) == {0, 255}
    assert (old[mask == 255] == 255).all()  # the published recipe's holes are white


def test_runs_repeat_and_seeds_differ(clean: Path, tmp_path: Path) -> None:
    for output, options in (("one", []), ("two", ["--seed", "0"]), ("three", ["--seed", "1"])):
        assert main(["degrade", str(clean), str(tmp_path / output), *options]) == 0
    assert written(tmp_path / "one") == written(tmp_path / "two")
    assert written(tmp_path / "one")["a.png"] != written(tmp_path / "three")["a.png"]


def test_a_photo_ages_alone_as_it_does_among_others(clean: Path, tmp_path: Path) -> None:
    assert main(["degrade", str(clean), str(tmp_path / "all")]) == 0
    assert main(["degrade", str(clean / "b.png"), str(tmp_path / "one")]) == 0
    assert written(tmp_path / "one")["b.png"] == written(tmp_path / "all")["b.png"]


def test_subfolders_on_request_keep_the_tree(clean: Path, tmp_path: Path) -> None:
    assert main(["degrade", "-r", str(clean), str(tmp_path / "old")]) == 0
    assert {"sub/c.png", "sub/c_mask.png"} <= set(written(tmp_path / "old"))


def test_targets_are_what_a_restoration_should_give(
    clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--recipe", "realistic", "--seed", "4"]
    assert main(["degrade", str(clean), str(tmp_path / "old"), *options, "--targets", str(tmp_path / "new")]) == 0
    assert sorted(written(tmp_path / "new")) == ["a.png", "b.png"]
    assert capsys.readouterr().out == ""


def test_what_a_training_run_saw_can_be_shown(clean: Path, tmp_path: Path) -> None:
    """By the name of a shipped configuration, by a file, or by what a run has written down; with its seed."""
    (tmp_path / "my_own_stage2.toml").write_text("[loop]\nseed = 5\n[data.recipe]\nholes_chance = 0.0\n")
    request = TrainRequest(stage="stage2", output=tmp_path, config=tmp_path / "my_own_stage2.toml")
    loop, data, _ = resolved(request)
    facts = {"settings": {"loop": asdict(loop), "data": asdict(data)}}
    (tmp_path / "stage2.run.json").write_text(json.dumps(facts))
    for output, config in (("toml", tmp_path / "my_own_stage2.toml"), ("run", tmp_path / "stage2.run.json")):
        assert main(["degrade", str(clean), str(tmp_path / output), "--config", str(config)]) == 0
    assert written(tmp_path / "toml") == written(tmp_path / "run")
    expected = AgeingTargets(photo=tmp_path / "b.png", mask=tmp_path / "b_mask.png")
    age_file(clean / "b.png", expected, AgeingSettings(recipe=from_table(data.recipe), seed=5))
    assert written(tmp_path / "toml")["b.png"] == expected.photo.read_bytes()


@pytest.mark.parametrize("name", [path.stem for path in CONFIGS.glob("*.toml")])
def test_each_shipped_configuration_shows_the_recipe_that_training_uses(name: str) -> None:
    stage = name.split("_")[1]
    _, data, _ = resolved(TrainRequest(stage=stage, output=Path("run"), config=CONFIGS / f"{name}.toml"))
    assert SampleSettings.of(name).recipe == from_table(data.recipe)


def test_what_somebody_else_wrote_is_never_replaced(
    clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written(clean)
    assert main(["degrade", str(clean / "b.png"), str(clean)]) == 2
    assert "never written to" in capsys.readouterr().err
    (tmp_path / "a.jpg").write_bytes((clean / "a.jpg").read_bytes())
    (tmp_path / "a_mask.png").write_bytes((clean / "b.png").read_bytes())  # drawn by hand
    assert main(["degrade", str(tmp_path / "a.jpg"), str(tmp_path)]) == 1
    assert "a_mask.png exists already" in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()
    assert main(["degrade", str(clean), str(clean / "sub" / "old"), "--config", "small_stage2", "--samples", "1"]) == 2
    assert written(clean) == before


def test_a_later_run_replaces_what_an_earlier_one_wrote(clean: Path, tmp_path: Path) -> None:
    for seed in ("1", "2"):
        assert main(["degrade", str(clean), str(tmp_path / "old"), "--seed", seed]) == 0
    assert main(["degrade", str(clean), str(tmp_path / "other"), "--seed", "2"]) == 0
    assert written(tmp_path / "old") == written(tmp_path / "other")


@pytest.mark.parametrize("seed", [None, 5])
def test_samples_are_those_of_the_data_loader_pixel_by_pixel(clean: Path, tmp_path: Path, seed: int | None) -> None:
    from restore_cli.training.config import DataConfig
    from restore_cli.training.data import AgedCrops
    from restore_cli.training.photo_folder import PhotoFolder

    data = DataConfig(crop=32, context=8, scale=(0.6, 1.0), recipe={"name": "mixed"}, validation_photos=1)
    (tmp_path / "stage2.run.json").write_text(json.dumps({"settings": {"data": asdict(data), "loop": {"seed": 3}}}))
    options = ["--config", str(tmp_path / "stage2.run.json"), "--samples", "4", "--targets", str(tmp_path / "new")]
    options += [] if seed is None else ["--seed", str(seed)]
    assert main(["degrade", str(clean), str(tmp_path / "old"), *options]) == 0
    crops = AgedCrops(PhotoFolder.find(clean, validation=1).training, data, seed=3 if seed is None else seed)
    for number in range(4):
        files = {"aged": f"old/{number:06}.png", "mask": f"old/{number:06}_mask.png", "clean": f"new/{number:06}.png"}
        for key, name in files.items():
            pixels = np.atleast_3d(np.asarray(Image.open(tmp_path / name), np.float32)).transpose(2, 0, 1)
            expected = crops[number][key].numpy()
            assert np.array_equal(pixels / 255 if key == "mask" else pixels / 127.5 - 1, expected), name


def test_outlines_from_a_folder_are_used(clean: Path, tmp_path: Path) -> None:
    outlines = tmp_path / "outlines"
    outlines.mkdir()
    Image.fromarray(np.tri(60, dtype=np.uint8) * 255).save(outlines / "one.png")
    for output, options in (("without", []), ("with", ["--damage", str(outlines)])):
        assert main(["degrade", str(clean), str(tmp_path / output), *options]) == 0
    assert written(tmp_path / "without") != written(tmp_path / "with")


def test_a_bad_photo_fails_alone(clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clean / "broken.png").write_bytes(b"no picture")
    assert main(["degrade", str(clean), str(tmp_path / "old")]) == 1
    assert "broken.png" in capsys.readouterr().err
    assert sorted(written(tmp_path / "old")) == ["a.png", "a_mask.png", "b.png", "b_mask.png"]


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["{clean}", "{clean}/old"], 2, "inside"),
        (["{clean}", "{tmp}/old", "--targets", "{clean}/new"], 2, "inside"),
        (["{clean}"], 2, "destination"),
        (["{tmp}/absent", "{tmp}/old"], 2, "absent"),
        (["{clean}/a.jpg", "{clean}/sub/../a.jpg", "{tmp}/old"], 2, "both"),
        (["{tmp}/empty", "{tmp}/old"], 4, "no photos"),
        (["{clean}", "{tmp}/old", "--damage", "{tmp}/empty"], 4, "outlines"),
        (["{clean}", "{tmp}/old", "--targets", "{tmp}/old"], 2, "both"),
        (["{clean}", "{tmp}/old", "--recipe", "sepia"], 2, "sepia"),
        (["{clean}", "{tmp}/old", "--seed", "-1"], 2, "seed"),
        (["{clean}", "{tmp}/old", "--config", "small_stage9"], 2, "small_stage9"),
        (["{clean}", "{tmp}/old", "--config", "{tmp}/mine.toml"], 2, "which stage"),
        (["{clean}", "{tmp}/old", "--config", "{tmp}/none.json"], 2, "none.json"),
        (["{clean}", "{tmp}/old", "--samples", "2"], 2, "--config"),
        (["{clean}/a.jpg", "{tmp}/old", "--samples", "2", "--config", "small_stage2"], 2, "one folder"),
        (["{clean}", "{tmp}/old", "--samples", "2", "--config", "{tmp}/none.json"], 2, "none.json"),
        (["{clean}", "{tmp}/old", "--samples", "2", "--config", "none"], 2, "cannot read"),
        (["{clean}", "{tmp}/old", "--samples", "2", "--config", "small_faces"], 2, "faces"),
        (["{tmp}/empty", "{tmp}/old", "--samples", "2", "--config", "small_stage2"], 4, "no photos"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, word: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine.toml").write_text("[data.recipe]\nholes_chance = 0.0\n")
    filled = [argument.format(clean=clean, tmp=tmp_path) for argument in arguments]
    assert main(["degrade", *filled]) == code
    assert word in capsys.readouterr().err
    assert not (tmp_path / "old").exists()
    assert not (clean / "old").exists()
