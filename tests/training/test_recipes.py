from __future__ import annotations

import pytest

from restore_cli.errors import UsageProblem
from restore_cli.training.recipes import MIXED, PUBLISHED, REALISTIC, by_name, from_table


def test_recipes_go_by_their_names() -> None:
    assert [by_name(recipe.name) for recipe in (PUBLISHED, REALISTIC, MIXED)] == [PUBLISHED, REALISTIC, MIXED]


def test_an_unknown_recipe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageProblem, match="sepia") as caught:
        by_name("sepia")
    assert "realistic" in caught.value.hint


def test_a_table_replaces_single_settings() -> None:
    recipe = from_table({"name": "realistic", "grey_chance": 0, "opacity": [0.5, 0.5]})
    assert (recipe.grey_chance, recipe.opacity) == (0.0, (0.5, 0.5))
    assert recipe.scratch_rate == REALISTIC.scratch_rate
    assert recipe.published_share == 0


def test_an_empty_table_is_the_mixed_recipe() -> None:
    assert from_table({}) == MIXED


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"scratchiness": 1}, "scratchiness"),
        ({"grey_chance": "often"}, "number"),
        ({"grey_chance": True}, "number"),
        ({"opacity": 0.5}, "pair"),
        ({"opacity": [1, 0]}, "pair"),
        ({"opacity": [0, "x"]}, "number"),
        ({"name": "sepia"}, "sepia"),
        ({"grey_chance": 5}, "grey_chance is 5.0, not from 0 to 1"),
        ({"jpeg_quality": [200, 500]}, "jpeg_quality"),
        ({"enlarge": [0, 1]}, "enlarge"),
        ({"severity": [-1, 1]}, "severity"),
        ({"hole_coverage": [0, 0.1]}, "hole_coverage"),
    ],
)
def test_a_wrong_table_says_which_setting(table: dict[str, object], word: str) -> None:
    with pytest.raises(UsageProblem, match=word):
        from_table(table)
