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


def intact(journal: Journal, *names: str) -> bool:
    found = journal.find("a.jpg")
    return found is not None and journal.is_intact(found, set(names))


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


def test_a_result_is_intact_while_its_bytes_are_those_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add(entry())
    assert not intact(journal, "a.jpg")  # the line is written before the file has its name
    for content, is_intact in ((b"x", True), (b"y", False), (b"xx", False)):
        (tmp_path / "a.jpg").write_bytes(content)
        assert intact(journal, "a.jpg") is is_intact


def test_a_file_wanted_now_but_not_written_then_is_not_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add(entry())
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "a_mask.png").write_bytes(b"x")
    assert not intact(journal, "a.jpg", "a_mask.png")
    assert journal.knows("a.jpg")
    assert not journal.knows("a_mask.png")


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
def test_lines_from_elsewhere_are_left_out(tmp_path: Path, line: bytes) -> None:
    (tmp_path / NAME).write_bytes(line + b"\n")
    journal = Journal(tmp_path)
    journal.add(entry())
    assert journal.find("a.jpg") == entry()


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
