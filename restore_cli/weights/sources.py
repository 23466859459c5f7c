"""The places that a released file is to be had from, each giving the same file its own way.

The hub is asked through huggingface_hub for address, endpoint (HF_ENDPOINT) and token. The bytes are fetched here: its
own download throws a partial file away when the process ends (version 2), and 441 MB are worth resuming.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from restore_cli.weights.catalogue import CatalogueFile, CatalogueModel
from restore_cli.weights.remote_zip import find_member, unpack
from restore_cli.weights.transfer import fetch, patiently, require_space
from restore_cli.weights.web import Address, Patience, SourceError, probe

Tell = Callable[[int, int | None], None]
"""Told how many bytes of how many (None: unknown) have arrived."""


class Source(Protocol):
    """One place that gives one file."""

    @property
    def label(self) -> str:
        """What to call it in messages and records."""

    def bring(self, target: Path, sha256: str | None, patience: Patience, tell: Tell) -> str | None:
        """Write the file to `target`, going on with a partial file beside it if there is one for the same content.

        sha256: what the content must be, as far as that is known; the caller checks it. Returns the hash that the
        source promises, if it does. Raises SourceError, WeightsUnwritable; a partial file stays.
        """


@dataclass(frozen=True)
class _PlainSource:
    """A file that lies at an address by itself, on the hub or elsewhere."""

    address: Address

    @property
    def label(self) -> str:
        return self.address.url

    def bring(self, target: Path, sha256: str | None, patience: Patience, tell: Tell) -> str | None:
        """As `Source.bring`; asks for the size and hash first."""
        remote = patiently(lambda: probe(self.address, patience), patience)
        if sha256 and remote.sha256 and remote.sha256 != sha256:
            raise SourceError(f"it offers another file (sha256 {remote.sha256}, expected {sha256})")
        partial = partial_path(target, sha256 or remote.sha256 or remote.etag or "unknown")
        if remote.size is not None:
            require_space(target.parent, 2 * remote.size - _size(partial))
        fetch(
            self.address,
            partial,
            start=0,
            length=remote.size,
            patience=patience,
            tell=lambda done: tell(done, remote.size),
        )
        partial.replace(target)
        return remote.sha256


@dataclass(frozen=True)
class _ZipSource:
    """A member of a zip; nothing else of the zip is read but its directory."""

    address: Address
    member: str

    @property
    def label(self) -> str:
        return f"{self.address.url}/{self.member}"

    def bring(self, target: Path, sha256: str | None, patience: Patience, tell: Tell) -> str | None:
        """As `Source.bring`; takes the member's bytes out of the archive, not the archive."""
        member = patiently(lambda: find_member(self.address, self.member, patience), patience)
        partial = partial_path(target, f"crc{member.crc:08x}")
        require_space(target.parent, member.packed_bytes - _size(partial) + 2 * member.size)
        fetch(
            self.address,
            partial,
            start=member.start,
            length=member.packed_bytes,
            patience=patience,
            tell=lambda done: tell(done, member.packed_bytes),
        )
        try:
            unpack(member, partial, target)
        except SourceError:
            partial.unlink()
            raise
        partial.unlink()
        return None


def sources(model: CatalogueModel, file: CatalogueFile) -> Iterator[Source]:
    """Where to look for a file, best first."""
    if file.url:
        yield _PlainSource(Address(url=file.url))
    if model.hub and file.hub_path:
        yield _PlainSource(_hub_address(model.hub, file.hub_path))
    if file.zip_member:
        for url in model.zips:
            yield _ZipSource(Address(url=url), file.zip_member)


def partial_path(target: Path, content: str) -> Path:
    """Where a download of `target` waits until it is whole. `content` names what is being downloaded, so that bytes of
    two different files are never joined.
    """
    return target.with_name(f"{target.name}.{re.sub('[^A-Za-z0-9]', '', content)[:16]}.part")


def _hub_address(repository: str, path: str) -> Address:
    from huggingface_hub import get_token, hf_hub_url

    return Address(url=hf_hub_url(repository, path, endpoint=os.environ.get("HF_ENDPOINT")), token=get_token())


def _size(partial: Path) -> int:
    return partial.stat().st_size if partial.exists() else 0
