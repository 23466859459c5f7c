"""Splitting one work list over several processes or machines that do not talk to each other."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass

from restore_cli.errors import UsageProblem


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Part `index` of `count`, counted from 1."""

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise UsageProblem(
                f"there is no shard {self.index} of {self.count}", hint=f"Shards are 1/{self.count} to the last."
            )

    def holds(self, key: str) -> bool:
        """Whether the photo with this output name belongs here.

        By a hash of the name, not by position: a photo that appears or goes while shards start moves no other one.
        """
        digest = hashlib.sha256(os.fsencode(key)).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1


def parse_shard(text: str) -> Shard:
    """ "2/8" -> the second of eight. Raises UsageProblem."""
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
    if match is None:
        raise UsageProblem(f"--shard {text} is not of the form I/N", hint="For example --shard 2/8.")
    return Shard(index=int(match[1]), count=int(match[2]))
