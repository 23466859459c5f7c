"""Read one member of a zip on a server, and only that: its directory and the member's own bytes, by HTTP ranges."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restore_cli.weights.files import replacing
from restore_cli.weights.web import Address, Patience, SourceError, TransientError, body, probe

_DIRECTORY_BLOCK_BYTES = 1 << 16
_LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Signature, lengths of name and extra field; 30 bytes before them (APPNOTE.TXT 4.3.7)."""
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Member:
    """Where a member's bytes lie in its zip, and what they must become."""

    start: int
    """Offset of the first compressed byte."""
    packed_bytes: int
    size: int
    """Bytes when unpacked."""
    crc: int
    deflated: bool


def find_member(address: Address, name: str, patience: Patience) -> Member:
    """Look a member up in the zip's directory, by its path or the end of it.

    Raises SourceError: no such member, no zip, no ranges, packed by a method unknown here. Raises TransientError.
    """
    remote = probe(address, patience)
    if not remote.takes_ranges or remote.size is None:
        raise SourceError("the server ignores ranges, so that a part of the zip cannot be read alone")
    raw = _RangeReader(address, remote.size, patience)
    try:
        with io.BufferedReader(raw, _DIRECTORY_BLOCK_BYTES) as file, zipfile.ZipFile(file) as archive:
            info = _by_end_of_path(archive, name)
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise SourceError(f"{info.filename} is packed by a method ({info.compress_type}) unknown here")
            file.seek(info.header_offset)
            signature, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    except (zipfile.BadZipFile, struct.error) as problem:
        raise SourceError(f"no readable zip: {problem}") from problem
    if signature != b"PK\x03\x04":
        raise SourceError("the zip's directory points to where no member begins")
    return Member(
        start=info.header_offset + _LOCAL_HEADER.size + name_bytes + extra_bytes,
        packed_bytes=info.compress_size,
        size=info.file_size,
        crc=info.CRC,
        deflated=info.compress_type == zipfile.ZIP_DEFLATED,
    )


def unpack(member: Member, packed: Path, target: Path) -> None:
    """Unpack a member's downloaded bytes. Raises SourceError if they are not what the zip says, WeightsUnwritable."""
    crc = size = 0
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    with packed.open("rb") as source, replacing(target) as temporary, temporary.open("wb") as out:
        while chunk := source.read(_CHUNK_BYTES):
            try:
                # One byte more than promised is enough to tell that the promise is broken.
                plain = inflate.decompress(chunk, member.size - size + 1) if member.deflated else chunk
            except zlib.error as problem:
                raise SourceError(f"the zip's member is damaged: {problem}") from problem
            crc, size = zlib.crc32(plain, crc), size + len(plain)
            if size > member.size:
                break
            out.write(plain)
        if (crc, size) != (member.crc, member.size):
            raise SourceError("the zip's member is damaged: its checksum or size is wrong")


def _by_end_of_path(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    found = [info for info in archive.infolist() if f"/{info.filename}".endswith(f"/{name}")]
    if not found:
        raise SourceError(f"the zip holds no {name}")
    return found[0]


class _RangeReader(io.RawIOBase):
    """A file on a server as a seekable stream; every read is one request."""

    def __init__(self, address: Address, size: int, patience: Patience) -> None:
        self._address = address
        self._size = size
        self._patience = patience
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        if self._at < 0:
            raise ValueError(f"offset {self._at} is before the beginning")
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer from here on by one request for a range; returns how many bytes came. Raises SourceError."""
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        with body(self._address, self._at, self._at + wanted, self._patience) as (offset, stream):
            if offset != self._at:
                raise SourceError("the server stopped taking ranges")
            count = 0
            while count < wanted and (chunk := stream.read(wanted - count)):
                buffer[count : count + len(chunk)] = chunk
                count += len(chunk)
        if not count:
            raise TransientError("the connection ended early")
        self._at += count
        return count
