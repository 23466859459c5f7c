from __future__ import annotations

import io
from pathlib import Path

import pytest

from restore_cli.batch import source
from restore_cli.batch.source import read_source
from restore_cli.errors import PhotoUnreadable


def test_a_file_and_stdin(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"photo")
    assert read_source(tmp_path / "a", None) == b"photo"
    assert read_source(None, io.BytesIO(b"piped")) == b"piped"


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path, reason in ((tmp_path / "empty", "empty"), (tmp_path / "none", "No such file"), (tmp_path, "directory")):
        with pytest.raises(PhotoUnreadable, match=reason):
            read_source(path, None)


def test_an_endless_input_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_FILE_BYTES", 1 << 21)
    with pytest.raises(PhotoUnreadable, match="larger"):
        read_source(Path("/dev/zero"), None)
