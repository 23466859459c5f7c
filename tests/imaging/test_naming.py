from __future__ import annotations

import os
from pathlib import Path

from restore_cli.imaging.naming import shown


def test_any_name_becomes_one_printable_line() -> None:
    """Line breaks would forge messages, lone surrogates break the terminal's encoding."""
    name = Path(os.fsdecode(b"Gro\xc3\x9fmutter\n\x1b[31m \xff.jpg"))
    assert shown(name) == "Großmutter\\n\\x1b[31m \\xff.jpg"
