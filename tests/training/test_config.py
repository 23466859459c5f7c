import math
from dataclasses import asdict
from pathlib import Path

import pytest

from restore_cli.errors import UsageProblem
from restore_cli.networks import MAPPING_PATCH, MAPPING_QUALITY, MAPPING_SCRATCH, UNET_RELEASED, VAE_RELEASED
from restore_cli.training.config import (
    CONFIGS,
    DataConfig,
    LoopConfig,
    from_table,
    merged,
    read_config,
    read_toml,
    shipped,
)
from restore_cli.training.runs import STAGE_CONFIGS
from restore_cli.training.stage_detector import DetectorStageConfig
from restore_cli.training.stage_fusion import FusionStageConfig
from restore_cli.training.stage_mapping import MappingStageConfig


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_files_fit(file: Path) -> None:
    table = read_config(file, file.stem.split("_")[1])
    from_table(LoopConfig, table["loop"], "loop")
    from_table(DataConfig, table["data"], "data")
    from_table(STAGE_CONFIGS[file.stem.split("_")[1]], table["stage"], "stage")


@pytest.mark.parametrize("detector", ["small_detector", "long_detector"])
@pytest.mark.parametrize("second_look", ["small_second-look", "finetune_second-look"])
def test_the_second_look_learns_from_photos_that_the_detector_has_not_seen(detector: str, second_look: str) -> None:
    first, second = (
        read_config(CONFIGS / f"{name}.toml", name.split("_")[1])["data"]["part"] for name in (detector, second_look)
    )
    assert first[1] <= second[0]


@pytest.mark.parametrize(
    ("table", "word"),
    [({"step": 5}, "step"), ({"steps": "many"}, "steps"), ({"steps": True}, "steps"), ({"betas": [0.5, "x"]}, "betas")],
)
def test_what_does_not_belong_is_named(table: dict[str, object], word: str) -> None:
    with pytest.raises(UsageProblem, match=word):
        from_table(LoopConfig, table, "loop")


def test_an_impossible_network_is_a_usage_problem() -> None:
    with pytest.raises(UsageProblem, match=r"stage\.network"):
        from_table(STAGE_CONFIGS["detector"], {"network": {"base": 0}}, "stage")


def test_whole_numbers_are_welcome_where_floats_are_meant() -> None:
    assert from_table(LoopConfig, {"lr": 1}, "loop").lr == 1.0


@pytest.mark.parametrize(
    ("name", "stage", "stem"),
    [
        ("published", "stage1", "published_stage1"),
        ("published", "stage2", "published_stage2"),
        ("published_stage2_patch", "stage2", "published_stage2_patch"),
        ("published_stage2_patch", "stage1", None),
        ("unknown", "stage1", None),
    ],
)
def test_shipped_files_go_by_their_names(name: str, stage: str, stem: str | None) -> None:
    found = shipped(name, stage)
    assert (found.stem if found else None) == stem


def test_a_file_is_laid_over_its_base(tmp_path: Path) -> None:
    """Without a base over the bundled model's, so that a file of two lines is enough."""
    file = tmp_path / "mine.toml"
    file.write_text("[loop]\nsteps = 7\n")
    small = read_toml(CONFIGS / "small_stage1.toml")
    assert read_config(file, "stage1") == merged(small, {"loop": {"steps": 7}})
    file.write_text('base = "published"\n[loop]\nsteps = 7\n')
    laid = read_config(file, "stage1")
    assert (laid["loop"]["steps"], laid["loop"]["batch_size"], laid["stage"]["gan"]) == (7, 100, 1.0)
    file.write_text('base = "pulished"\n')
    with pytest.raises(UsageProblem, match="pulished") as caught:
        read_config(file, "stage1")
    assert "published_stage1" in caught.value.hint


def test_the_published_recipes_are_as_published() -> None:
    """Numbers of the paper and of the released code, so that nobody edits them by accident."""
    tables = {path.stem: read_config(path, path.stem.split("_")[1]) for path in CONFIGS.glob("published_*.toml")}
    stage1 = from_table(STAGE_CONFIGS["stage1"], tables["published_stage1"]["stage"], "stage")
    assert stage1.network == VAE_RELEASED
    assert (stage1.kl, stage1.l1, stage1.gan, stage1.feature_matching, stage1.perceptual) == (1, 10, 1, 10, 10)
    wanted = {
        "published_stage2": (MAPPING_SCRATCH, (0.5, 0.999), 1.0, 1.0, True, 36),
        "published_stage2_quality": (MAPPING_QUALITY, (0.0, 0.9), 0.5, 2.0, False, 80),
        "published_stage2_patch": (MAPPING_PATCH, (0.5, 0.999), 1.0, 1.0, True, 36),
    }
    for name, (network, betas, mapping_lr, judge_lr, spectral, batch) in wanted.items():
        loop = from_table(LoopConfig, tables[name]["loop"], "loop")
        stage = from_table(STAGE_CONFIGS["stage2"], tables[name]["stage"], "stage")
        assert (stage.network, loop.betas, loop.batch_size) == (network, betas, batch)
        assert (stage.mapping_lr, stage.discriminator_lr) == (mapping_lr, judge_lr)
        assert (stage.discriminator.spectral_norm, stage.latent_l1, loop.lr) == (spectral, 60, 2e-4)
        assert loop.decay_share * 250 == pytest.approx(100)  # of 250 passes the last 100 fall to zero
    detector = from_table(STAGE_CONFIGS["detector"], tables["published_detector"]["stage"], "stage")
    assert (detector.network, detector.balanced, detector.focal) == (UNET_RELEASED, 1, 10)


@pytest.mark.parametrize(
    ("kind", "table", "word"),
    [
        (LoopConfig, {"steps": 0}, "steps"),
        (LoopConfig, {"batch_size": 3, "accumulate": 2}, "accumulate"),
        (LoopConfig, {"ema": 1.0}, "ema"),
        (DataConfig, {"crop": 50}, "crop"),
        (DataConfig, {"scale": [1.0, 0.5]}, "scale"),
        (DataConfig, {"part": [0.7, 0.7]}, "part"),
        (DataConfig, {"part": [0.0, 1.5]}, "part"),
        (DataConfig, {"scale": [0.5]}, "scale"),
        (DataConfig, {"scale": [0.5, 1.0, 2.0]}, "scale"),
        (DataConfig, {"validation_photos": -3}, "validation_photos"),
        (DataConfig, {"validation_crop": 33}, "validation_crop"),
        (DataConfig, {"context": -8}, "context"),
        (DataConfig, {"grey_share": 2}, "grey_share is 2.0, not from 0 to 1"),
        (LoopConfig, {"seed": -1}, "seed is -1, not from 0"),
        (LoopConfig, {"lr": math.nan}, "lr"),
        (LoopConfig, {"lr": math.inf}, "lr"),
        (LoopConfig, {"betas": [0.9, 1.0]}, "betas"),
        (DetectorStageConfig, {"focal": -5}, "focal is -5.0, not at least 0"),
        (DetectorStageConfig, {"balanced": 0, "focal": 0}, "all 0"),
        (MappingStageConfig, {"latent_l1": 0}, "all 0"),
        (MappingStageConfig, {"threshold": [0.6, 0.3]}, "threshold"),
        (FusionStageConfig, {"octaves": 1}, "octaves"),
    ],
)
def test_impossible_values_are_usage_problems(kind: type, table: dict[str, object], word: str) -> None:
    with pytest.raises(UsageProblem, match=word):
        from_table(kind, table, "x")


def test_tables_are_laid_over_one_another() -> None:
    assert merged({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}, "b": 4}) == {"a": {"x": 1, "y": 3}, "b": 4}


@pytest.mark.parametrize("text", ["[loop\n", "loop = 3\n", "[lop]\nsteps = 3\n", "steps = 3\n"])
def test_a_broken_file_is_a_usage_problem(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.toml").write_text(text)
    with pytest.raises(UsageProblem, match=r"broken\.toml"):
        read_toml(tmp_path / "broken.toml")


def test_defaults_survive_a_round_trip() -> None:
    defaults = asdict(LoopConfig())
    assert from_table(LoopConfig, {**defaults, "betas": list(defaults["betas"])}, "loop") == LoopConfig()
