from dataclasses import asdict
from pathlib import Path

import pytest

from restore_cli.errors import UsageProblem
from restore_cli.training.config import CONFIGS, DataConfig, LoopConfig, from_table, merged, read_config, read_toml
from restore_cli.training.runs import STAGE_CONFIGS


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_files_fit(file: Path) -> None:
    table = read_config(file, file.stem.split("_")[1])
    from_table(LoopConfig, table["loop"], "loop")
    from_table(DataConfig, table["data"], "data")
    from_table(STAGE_CONFIGS[file.stem.split("_")[1]], table["stage"], "stage")


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


def test_tables_are_laid_over_one_another() -> None:
    assert merged({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}, "b": 4}) == {"a": {"x": 1, "y": 3}, "b": 4}


def test_a_broken_file_is_a_usage_problem(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("[loop\n")
    with pytest.raises(UsageProblem, match=r"broken\.toml"):
        read_toml(tmp_path / "broken.toml")


def test_defaults_survive_a_round_trip() -> None:
    defaults = asdict(LoopConfig())
    assert from_table(LoopConfig, {**defaults, "betas": list(defaults["betas"])}, "loop") == LoopConfig()
