from __future__ import annotations

import pytest

from restore_cli.imaging import iptc


def test_records_survive_each_wrapping(iptc_records: bytes) -> None:
    assert iptc.records_of(iptc.resource_block(iptc_records)) == iptc_records
    unwrapped = iptc.of_raw_profile(iptc.raw_profile(iptc_records))
    assert unwrapped is not None
    assert iptc.records_of(unwrapped) == iptc_records
    assert iptc.records_of(iptc_records) == iptc_records


def test_records_are_found_behind_other_resources(iptc_records: bytes) -> None:
    other = b"8BIM\x03\xed\x04name\0\0\0\0\x03abc\0"
    assert iptc.records_of(other + iptc.resource_block(iptc_records)) == iptc_records


def test_long_records_go_into_several_segments() -> None:
    """A JPEG segment ends at 64 KB; readers join the parts again."""
    segments = iptc.app13_segments(bytes(100_000))
    assert segments.count(b"Photoshop 3.0\0") == 2
    assert all(len(part) <= 65_535 for part in segments.split(b"\xff\xed")[1:])


@pytest.mark.parametrize("text", ["", "\niptc\n", "\niptc\n 5\nnot hexadecimal"])
def test_a_damaged_profile_text_is_no_profile(text: str) -> None:
    assert iptc.of_raw_profile(text) is None
