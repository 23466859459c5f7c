from __future__ import annotations

import pytest

from restore_cli.imaging import format_of_suffix, output_suffix


@pytest.mark.parametrize(
    ("suffix", "requested", "expected"),
    [
        (".JPG", "same", ".JPG"),
        (".jpeg", "jpg", ".jpeg"),
        (".tif", "tiff", ".tif"),
        (".tif", "png", ".png"),
        (".png", "jpg", ".jpg"),
        (".gif", "same", ".png"),
        (".jp2", "same", ".png"),
        ("", "same", ".png"),
        (".unknown", "same", ".png"),
    ],
)
def test_an_output_keeps_its_suffix_where_the_format_stays(suffix: str, requested: str, expected: str) -> None:
    assert output_suffix(suffix, requested) == expected


def test_suffixes_are_known_in_either_case() -> None:
    assert format_of_suffix(".TIFF") == "tiff"
    assert format_of_suffix(".txt") is None


@pytest.mark.parametrize("suffix", [".mpo", ".jfi", ".apng", ".pbm", ".pnm", ".j2c", ".jpx", ".hif", ".avifs"])
def test_rarer_suffixes_of_known_formats_are_photos_of_a_folder(suffix: str) -> None:
    assert format_of_suffix(suffix) is not None
