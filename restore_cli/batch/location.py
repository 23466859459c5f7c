"""Where photos lie: paths, or addresses such as s3://bucket/photos in a store that fsspec reaches.

`UrlPath` has as much of pathlib's interface as plans, readers and ledgers use, so that they need not know which of the
two they hold. Stores differ from disks in three ways: nothing can be appended to, nothing locked, and (in object
stores) there are no folders, only names with slashes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from restore_cli.errors import UsageProblem

OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "oss", "memory"})
"""Here an object appears whole or not at all, and renaming means copying; elsewhere a file gets its name at the end."""
HEAD_BLOCK_BYTES = 2**16
"""Most photos say within it how large they are; stores' own blocks are as long as whole photos."""
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True)
class UrlPath:
    """A file or folder in a store. Whatever goes wrong there is raised as an OSError with the store's own words."""

    url: str
    """Without a slash at its end."""

    def __str__(self) -> str:
        return self.url

    @property
    def scheme(self) -> str:
        """ "s3", "gs"..."""
        return self.url.partition("://")[0]

    @property
    def name(self) -> str:
        """The last part."""
        return self.url.partition("://")[2].rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """ ".jpg" of "a.jpg"."""
        return PurePosixPath(self.name).suffix

    @property
    def on_disk(self) -> Path | None:
        """The path that it is another name for: fsspec knows this machine's disks as a store, too."""
        return Path(self._inside) if self.scheme == "local" else None

    @property
    def parent(self) -> UrlPath:
        """The folder it lies in."""
        return UrlPath(self.url.removesuffix(self.name).removesuffix("/"))

    def with_name(self, name: str) -> UrlPath:
        """Another name in the same folder."""
        return self.parent / name

    def __truediv__(self, below: Path | str) -> UrlPath:
        below = below if isinstance(below, str) else below.as_posix()
        return UrlPath(f"{self.url.rstrip('/')}/{below}")

    def is_below(self, folder: UrlPath) -> bool:
        """Whether it is the folder or lies anywhere in it."""
        return f"{self.url}/".startswith(f"{folder.url}/")

    def is_dir(self) -> bool:
        """Whether there is a folder, or any object whose name begins so."""
        with _store_errors(self):
            return bool(self._store.isdir(self._inside))

    def exists(self) -> bool:
        """Whether there is a file or a folder of this name."""
        with _store_errors(self):
            return bool(self._store.exists(self._inside))

    def files(self, *, recursive: bool) -> list[PurePosixPath]:
        """All files in it, relative to it, in no special order."""
        with _store_errors(self):
            found = self._store.find(self._inside, maxdepth=None if recursive else 1)
            # What this process lists now, others may have changed by the time it looks again.
            self._store.invalidate_cache()
        return [PurePosixPath(name).relative_to(self._inside) for name in found]

    def open(self, mode: str) -> BinaryIO:
        """Read in small blocks, as fits somebody who wants the head only. mode: "rb"."""
        with _store_errors(self):
            return self._store.open(self._inside, mode, block_size=HEAD_BLOCK_BYTES)  # type: ignore[no-any-return]

    def read_bytes(self) -> bytes:
        """The whole content."""
        with _store_errors(self):
            content = self._store.cat_file(self._inside)
            return bytes(content)

    def write_bytes(self, content: bytes) -> None:
        """Replace or make the file, which appears whole or not at all."""
        with _store_errors(self):
            if self.scheme in OBJECT_STORES:
                self._store.pipe_file(self._inside, content)
                return
            self._store.makedirs(self.parent._inside, exist_ok=True)
            temporary = self.with_name(f".{self.name}.oldphoto-{secrets.token_hex(4)}.tmp")
            try:
                self._store.pipe_file(temporary._inside, content)
                self._store.mv(temporary._inside, self._inside)
            except BaseException:
                with contextlib.suppress(Exception):
                    self._store.rm_file(temporary._inside)
                raise

    @property
    def _store(self) -> Any:
        """The file system behind it; fsspec keeps one for each store and thread pool."""
        from fsspec.core import url_to_fs

        scheme, _, rest = self.url.partition("://")
        return url_to_fs(f"{scheme}://{rest.partition('/')[0]}")[0]  # no more of it: names may hold what fsspec parses

    @property
    def _inside(self) -> str:
        """The name by which the store knows it."""
        return str(self._store._strip_protocol(self.url))


Location = Path | UrlPath


def parse_location(text: str) -> Location:
    """A path, or the address of a store; file:// is a path. Raises UsageProblem if nothing here reaches the store."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return Path(text)
    if match["scheme"].lower() == "file":
        return Path(urllib.request.url2pathname(match["rest"]))
    if "::" in text:
        raise UsageProblem(f"{text} is an address within an address", hint="Unpack it first, or mount it as a folder.")
    url = UrlPath(f"{match['scheme'].lower()}://{match['rest'].rstrip('/')}")
    try:
        _ = url._store
    except ImportError as error:
        raise UsageProblem(f"{text} cannot be reached from here: {error}", hint=_plugin_hint(url.scheme)) from error
    except ValueError as error:
        raise UsageProblem(f"{text} is no address fsspec knows: {error}", hint="Is its beginning right?") from error
    return url


def exists(location: Location) -> bool:
    """Whether there is anything of this name, be it a link to nowhere."""
    return location.exists() if isinstance(location, UrlPath) else os.path.lexists(location)


def _plugin_hint(scheme: str) -> str:
    package = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}.get(scheme)
    package = package or ("adlfs" if scheme in ("az", "abfs", "abfss") else None)
    return f"Install its plugin on every machine: pip install {package}" if package else "Install its fsspec plugin."


@contextlib.contextmanager
def _store_errors(url: UrlPath) -> Iterator[None]:
    """The edge of a store: plugins raise exceptions of their own for a lost network, a wrong key, a missing bucket."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url.url) from error
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
