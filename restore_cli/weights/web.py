"""Pieces of files over HTTP: what is at an address, and the bytes from here to there of it.

Uses urllib, as nothing more is needed: redirects, proxies (http_proxy, no_proxy) and certificates are handled there.
"""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from restore_cli import __version__

_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class SourceError(Exception):
    """An address does not give the file, and asking again would not help."""


class TransientError(Exception):
    """The connection broke, stalled, or the server is busy: asking again may help."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a file is asked for."""

    url: str
    token: str | None = None
    """Sent to this address only, never to where it redirects."""


@dataclass(frozen=True, kw_only=True)
class Remote:
    """What a server says about a file."""

    size: int | None
    """Bytes, None if the server does not say."""
    takes_ranges: bool
    etag: str | None
    """The server's name for this very content."""
    sha256: str | None
    """Hash of the content, from a model hub; other servers do not say."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait for servers."""

    timeout_seconds: float = 30.0
    """Silence after which a connection counts as stalled."""
    retries: int = 4
    """Attempts after the first that may go by without a single new byte."""
    pause_seconds: float = 1.0
    """Before the first retry; doubles with each."""


class Stream:
    """The bytes of a response."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end. Raises TransientError when the connection breaks or stalls."""
        try:
            # Not read(): when a connection stalls, that loses what had come of the block.
            return self._response.read1(size)
        except TimeoutError as problem:
            raise TransientError("the server stopped sending") from problem
        except (OSError, http.client.HTTPException) as problem:
            raise TransientError(f"the connection broke ({type(problem).__name__})") from problem


def probe(address: Address, patience: Patience) -> Remote:
    """Ask for the first byte of a file, which tells its size and whether ranges work. Reads none of the rest.

    Raises SourceError, TransientError.
    """
    hops = _Hops()
    with _opened(address, "bytes=0-0", patience, hops) as response:
        whole = _total(response)
        plain = response.headers.get("ETag")
    etag = (hops.linked or plain or "").removeprefix("W/").strip('"')
    return Remote(
        size=hops.linked_size if whole is None else whole,
        takes_ranges=response.status == 206,
        etag=etag or None,
        # Only the hub's own word is a sha256; other servers' tags may look like one.
        sha256=etag if hops.linked and re.fullmatch("[0-9a-f]{64}", etag) else None,
    )


@contextmanager
def body(address: Address, start: int, stop: int | None, patience: Patience) -> Iterator[tuple[int, Stream]]:
    """Open bytes start..stop (None: to the end) of a file. Gives the offset that the server really begins at, 0 if it
    ignores ranges, and a stream that raises TransientError when it breaks.
    """
    wanted = f"bytes={start}-{'' if stop is None else stop - 1}" if start or stop is not None else None
    with _opened(address, wanted, patience, _Hops()) as response:
        offset = 0
        if response.status == 206:
            found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
            if not found or int(found[1]) != start:
                raise SourceError("the server answers with other bytes than were asked for")
            offset = start
        yield offset, Stream(response)


@dataclass
class _Hops:
    """What a model hub says about a file on the way to it, while redirecting to where the bytes are."""

    linked: str | None = None
    linked_size: int | None = None

    def note(self, headers: http.client.HTTPMessage) -> None:
        if tag := headers.get("X-Linked-Etag"):
            self.linked = tag
        if (size := headers.get("X-Linked-Size", "")).isdecimal():
            self.linked_size = int(size)


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, hops: _Hops) -> None:
        self._hops = hops

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Note what the headers of this hop tell, and follow it."""
        self._hops.note(headers)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _opened(address: Address, wanted: str | None, patience: Patience, hops: _Hops) -> Iterator[Any]:
    try:
        request = urllib.request.Request(address.url, headers={"User-Agent": f"oldphoto/{__version__}"})
    except ValueError as problem:
        raise SourceError(f"that is no address ({problem})") from problem
    # A compressed answer would count other bytes than ranges do.
    request.add_header("Accept-Encoding", "identity")
    if wanted:
        request.add_header("Range", wanted)
    if address.token:
        request.add_unredirected_header("Authorization", f"Bearer {address.token}")
    opener = urllib.request.build_opener(_Redirects(hops))
    try:
        response = opener.open(request, timeout=patience.timeout_seconds)
    except urllib.error.HTTPError as problem:
        problem.close()
        if problem.code in _TRANSIENT_STATUS:
            raise TransientError(f"HTTP {problem.code} {problem.reason}") from problem
        raise SourceError(f"HTTP {problem.code} {problem.reason}") from problem
    except urllib.error.URLError as problem:
        if isinstance(problem.reason, (TimeoutError, ConnectionResetError, ConnectionAbortedError)):
            raise TransientError(str(problem.reason)) from problem
        raise SourceError(str(problem.reason)) from problem
    except TimeoutError as problem:
        raise TransientError("the server does not answer") from problem
    except http.client.InvalidURL as problem:
        raise SourceError(f"that is no address ({problem})") from problem
    except (ConnectionError, http.client.HTTPException) as problem:
        raise TransientError(f"the connection broke ({type(problem).__name__})") from problem
    with response:
        hops.note(response.headers)
        yield response


def _total(response: Any) -> int | None:
    """Size of the whole file from a response's headers."""
    if response.status == 206:
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
        return int(total) if total.isdigit() else None
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None
