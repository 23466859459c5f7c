from __future__ import annotations

import hashlib
import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from restore_cli.batch import journal as module
from restore_cli.batch.journal import NAME, Entry, Journal, WrittenFile, fingerprint
from restore_cli.errors import PhotoUnwritable


def entry(key: str = "a.jpg", *, content: bytes = b"x") -> Entry:
    return Entry(
        output=key,
        input=f"in/{key}",
        input_sha256="in",
        settings_sha256="set",
        files=(WrittenFile(path=key, bytes=len(content), sha256=hashlib.sha256(content).hexdigest()),),
        status="done",
        size=(3, 2),
        damaged_fraction=0.5,
        faces=({"box": [1, 2, 3, 4], "score": 0.9, "action": "refined"},),
        seconds=1.0,
    )


def test_an_entry_comes_back(tmp_path: Path) -> None:
    written = entry("new\nline \udcff ü.jpg")
    Journal(tmp_path).add(written)
    assert Journal(tmp_path).find(written.output) == written


def test_a_line_that_only_counts_faces_is_still_known(tmp_path: Path) -> None:
    """As 0.1.0 wrote it: what it did is not done again."""
    Journal(tmp_path).add(entry())
    line = json.loads((tmp_path / NAME).read_text())
    (tmp_path / NAME).write_text(json.dumps({**line, "faces": 2}) + "\n")
    assert Journal(tmp_path).find("a.jpg") == replace(entry(), faces=None)


def test_all_that_was_ever_written_under_a_name_is_known(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for content in (b"x", b"y"):
        journal.add(entry(content=content))
    assert journal.versions("a.jpg") == {hashlib.sha256(content).hexdigest() for content in (b"x", b"y")}
    assert not journal.versions("a_mask.png")


def test_a_last_line_without_its_end_counts_if_it_is_whole(tmp_path: Path) -> None:
    """As editors leave it."""
    Journal(tmp_path).add(entry("a.jpg"))
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes()[:-1])
    journal = Journal(tmp_path)
    assert journal.find("a.jpg") == entry("a.jpg")
    journal.add(entry("b.jpg"))
    for reader in (journal, Journal(tmp_path)):
        assert reader.find("a.jpg") == entry("a.jpg")
        assert reader.find("b.jpg") == entry("b.jpg")


def test_a_torn_last_line_is_left_out_and_the_next_one_whole(tmp_path: Path) -> None:
    Journal(tmp_path).add(entry("a.jpg"))
    whole = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole + whole[:40])
    journal = Journal(tmp_path)
    journal.add(entry("b.jpg"))
    for reader in (journal, Journal(tmp_path)):
        assert reader.find("a.jpg") is not None
        assert reader.find("b.jpg") is not None


@pytest.mark.parametrize("line", [b"[]", b"{}", b'{"version": 9}', b"\xff\xfe", b"null", b'{"version": 1, "files": 3}'])
def test_lines_from_elsewhere_are_left_out_and_told(
    tmp_path: Path, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / NAME).write_bytes(line + b"\n")
    journal = Journal(tmp_path)
    journal.add(entry())
    assert journal.find("a.jpg") == entry()
    assert f"{tmp_path / NAME}: a line cannot be read" in caplog.text


@pytest.mark.parametrize("wrong", [{"damaged_fraction": "x"}, {"faces": [1]}, {"size": ["a", 2]}, {"seconds": None}])
def test_values_of_another_kind_are_left_out(tmp_path: Path, wrong: dict[str, object]) -> None:
    Journal(tmp_path).add(entry())
    line = json.loads((tmp_path / NAME).read_text())
    (tmp_path / NAME).write_text(json.dumps({**line, **wrong}) + "\n")
    assert Journal(tmp_path).find("a.jpg") is None


def test_what_another_run_adds_is_seen(tmp_path: Path) -> None:
    mine, other = Journal(tmp_path), Journal(tmp_path)
    assert mine.find("a.jpg") is None
    other.add(entry())
    assert mine.find("a.jpg") is not None


def test_a_deleted_journal_is_empty(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add(entry())
    journal.add(entry("b.jpg"))
    (tmp_path / NAME).unlink()
    assert journal.find("a.jpg") is None
    journal.add(entry("c.jpg"))
    assert journal.find("c.jpg") is not None


def _add_many(folder: Path, name: str) -> None:
    journal = Journal(folder)
    for number in range(15):
        journal.add(entry(f"{name}-{number}.jpg"))


def test_processes_do_not_disturb_each_others_lines(tmp_path: Path) -> None:
    processes = [multiprocessing.Process(target=_add_many, args=(tmp_path, name)) for name in "abc"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    journal = Journal(tmp_path)
    assert all(journal.find(f"{name}-{number}.jpg") for name in "abc" for number in range(15))
    assert len((tmp_path / NAME).read_bytes().splitlines()) == 45


def test_a_short_write_leaves_no_fragment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up in the middle of a line."""
    journal = Journal(tmp_path)
    journal.add(entry("a.jpg"))
    before = (tmp_path / NAME).read_bytes()
    really_write = module.os.write
    monkeypatch.setattr(module.os, "write", lambda descriptor, data: really_write(descriptor, data[:10]))
    with pytest.raises(PhotoUnwritable, match="journal"):
        journal.add(entry("b.jpg"))
    assert (tmp_path / NAME).read_bytes() == before


def test_fingerprint_ignores_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 2, "b": 1})
