from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_cli.batch.names import Naming, first_clash, folded, ignores_case

NAMES = st.text(alphabet=st.sampled_from("abAB. _-\u00e9\n"), min_size=1, max_size=12).filter(lambda t: t.strip("."))
SUFFIXES = st.sampled_from([".jpg", ".JPG", ".png", ".tif", ".gif", ".heic", ".dat", ""])


@pytest.mark.parametrize(
    ("given_name", "naming", "result"),
    [
        ("a.jpg", Naming(), "a.jpg"),
        ("a.JPG", Naming(suffix="_x"), "a_x.JPG"),
        ("a.b.tif", Naming(format="png"), "a.b.png"),
        ("a.jpeg", Naming(format="jpg"), "a.jpeg"),
        ("a.gif", Naming(), "a.png"),
        ("photo", Naming(), "photo"),
        ("photo.dat", Naming(), "photo.dat"),
        ("a.jpg", Naming(as_mask=True), "a_mask.png"),
    ],
)
def test_result_names(given_name: str, naming: Naming, result: str) -> None:
    assert naming.result_name(given_name) == result


def test_what_is_written_beside_a_result() -> None:
    everything = Naming(save_mask=True, sidecar=True, overlay=True)
    beside = everything.beside(Path("out/a_x.jpg"))
    assert {role: path.name for role, path in beside.items()} == {
        "mask": "a_x_mask.png",
        "sidecar": "a_x.json",
        "overlay": "a_x_overlay.png",
    }
    assert Naming(as_mask=True, overlay=True).beside(Path("a_mask.png"))["overlay"].name == "a_overlay.png"


@given(NAMES, SUFFIXES, st.sampled_from(["same", "png", "jpg", "tiff", "webp"]), st.sampled_from(["", "_r"]))
def test_a_result_stays_in_its_folder_and_keeps_its_stem(stem: str, ending: str, format: str, suffix: str) -> None:
    """Whatever a file is called, its output is called after it, and different stems stay different."""
    name = Path(stem + ending).name
    result = Naming(format=format, suffix=suffix).result_name(name)
    assert Path(result).name == result
    assert result.startswith(Path(name).stem + suffix)


@given(st.lists(st.sampled_from(["a", "A", "b", "\u00e9", "e\u0301"]), max_size=4))
def test_clashes_are_found_as_the_file_system_would(names: list[str]) -> None:
    targets = [(str(number), Path(name)) for number, name in enumerate(names)]
    assert (first_clash(targets, fold=False) is None) == (len(set(names)) == len(names))
    assert (first_clash(targets, fold=True) is None) == (len({folded(Path(name)) for name in names}) == len(names))


def test_a_folder_that_need_not_exist_is_probed_and_left_clean(tmp_path: Path) -> None:
    """This disk tells case apart; others are a matter of `folded`, tested above."""
    assert ignores_case(tmp_path / "not" / "yet") is False
    assert list(tmp_path.iterdir()) == []
