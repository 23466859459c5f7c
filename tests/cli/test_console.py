from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from restore_cli.batch.current import current_photo
from restore_cli.cli.console import Talk, configure, printable, say, shows_bars


@pytest.fixture(autouse=True)
def _as_before() -> object:
    yield
    configure(Talk())


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb", "a\\nb"), ("\x1b[31m", "\\x1b[31m"), ("\udcff.png", "\\udcff.png"), ("ü [b] 😀", "ü [b] 😀")],
)
def test_names_cannot_change_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Talk(quiet=True))
    say("chatter")
    assert capsys.readouterr().err == ""


def test_long_lines_and_brackets_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Talk())
    say("[red] " + "x" * 300)
    assert capsys.readouterr().err == "[red] " + "x" * 300 + "\n"


def test_no_bars_without_a_terminal() -> None:
    assert not shows_bars()


def test_no_bars_on_a_terminal_that_only_shows_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for terminal, draws in (("xterm", True), ("dumb", False)):
        monkeypatch.setenv("TERM", terminal)
        assert shows_bars() == draws


def test_log_records_name_their_photo(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Talk())
    token = current_photo.set("in/a.png")
    logging.getLogger("restore_cli.anything").warning("odd")
    logging.getLogger("restore_cli.anything").debug("detail")
    current_photo.reset(token)
    assert capsys.readouterr().err == "in/a.png: odd\n"


def test_data_is_kept_apart_from_whatever_else_prints() -> None:
    """Also from C code, which knows nothing of sys.stdout."""
    code = (
        "import os, sys\nfrom restore_cli.cli.console import data_stdout\n"
        "print('before')\n"
        "with data_stdout() as data:\n"
        "    print('python'); os.write(1, b'C code\\n'); data.write(b'data\\n')\n"
        "print('after')"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env={**os.environ})
    assert ran.stdout == b"before\ndata\nafter\n"
    assert sorted(ran.stderr.splitlines()) == [b"C code", b"python"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_messages_that_cannot_be_written_end_nothing() -> None:
    code = (
        "from restore_cli.cli.console import Talk, complain, configure, say\n"
        "from restore_cli.errors import OldPhotoError\n"
        "configure(Talk())\n"
        "say('one'); say('two'); complain(OldPhotoError('three')); print('still here')"
    )
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=full)
    assert (ended.returncode, ended.stdout) == (0, b"still here\n")
