"""A web server that misbehaves on request, small networks in the released layout, and catalogues that point to both."""

from __future__ import annotations

import hashlib
import http.server
import io
import re
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from restore_cli.weights.catalogue import Catalogue, CatalogueFile, CatalogueModel
from restore_cli.weights.network_file import Header
from restore_cli.weights.web import Patience

HUB = "someone/old-photos"


@dataclass
class Served:
    """One file on the server, and what goes wrong with it."""

    content: bytes
    sha256: str = ""
    takes_ranges: bool = True
    tells_size: bool = True
    faults: list[Callable[[Handler], bool]] = field(default_factory=list)
    """One is used up by each request for more than a byte; True: it has answered the request."""
    break_after: list[int] = field(default_factory=list)
    """Bytes after which the next answers end with a broken connection."""
    stall_after: list[int] = field(default_factory=list)
    """Bytes after which the next answers stop coming."""
    pace_seconds: float = 0.0
    """Pause between blocks of 64 KiB."""


@dataclass(frozen=True)
class Asked:
    """One request that came in."""

    path: str
    span: str | None
    authorization: str | None


class FileServer:
    """Files by path, the requests that came in and how many bytes of content went out."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, Served] = {}
        self.hub_files: dict[str, str] = {}
        self.requests: list[Asked] = []
        self.bytes_sent = 0
        self.closing = threading.Event()

    def put(self, path: str, content: bytes, **behaviour: Any) -> Served:
        """Serve `content` at /path."""
        self.files[path] = Served(content, **behaviour)
        return self.files[path]

    def put_on_hub(self, path: str, content: bytes, *, sha256: str | None = None, **behaviour: Any) -> Served:
        """Serve `content` as a large file of the hub: a redirect that tells its hash, then the bytes elsewhere."""
        sha256 = sha256 or hashlib.sha256(content).hexdigest()
        self.hub_files[f"{HUB}/resolve/main/{path}"] = f"cdn/{sha256}"
        return self.put(f"cdn/{sha256}", content, sha256=sha256, **behaviour)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET and HEAD the way a hub and its content network do."""

    state: FileServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.lstrip("/")
        span = self.headers.get("Range")
        self.state.requests.append(Asked(path, span, self.headers.get("Authorization")))
        if path in self.state.hub_files:
            self._redirect(self.state.hub_files[path])
        elif path in self.state.files:
            self._serve(self.state.files[path], span)
        else:
            self.answer(404)

    def answer(self, status: int) -> bool:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _redirect(self, target: str) -> None:
        file = self.state.files[target]
        self.send_response(302)
        # Another host, as with the real hub; a client takes redirects on the same host for moved repositories.
        self.send_header("Location", f"{self.state.url}/{target}".replace("127.0.0.1", "localhost"))
        self.send_header("X-Linked-Etag", f'"{file.sha256}"')
        self.send_header("X-Linked-Size", str(len(file.content)))
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{file.sha256[:40]}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _serve(self, file: Served, span: str | None) -> None:
        is_probe = span == "bytes=0-0"
        if not is_probe and file.faults and file.faults.pop(0)(self):
            return
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", span or "") if file.takes_ranges else None
        start = int(found[1]) if found else 0
        stop = int(found[2]) + 1 if found and found[2] else len(file.content)
        self.send_response(206 if found else 200)
        if found:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(file.content)}")
        if file.tells_size:
            self.send_header("Content-Length", str(stop - start))
        else:
            self.send_header("Connection", "close")
        self.send_header("ETag", f'"{hashlib.md5(file.content).hexdigest()}"')
        self.end_headers()
        if self.command == "GET":
            self._send(file, file.content[start:stop], is_probe=is_probe)

    def _send(self, file: Served, content: bytes, *, is_probe: bool) -> None:
        limit = len(content)
        stalls = not is_probe and bool(file.stall_after)
        if stalls:
            limit = file.stall_after.pop(0)
        elif not is_probe and file.break_after:
            limit = file.break_after.pop(0)
        for at in range(0, min(limit, len(content)), 1 << 16):
            block = content[at : min(at + (1 << 16), limit)]
            self.state.bytes_sent += len(block)
            try:
                self.wfile.write(block)
            except OSError:  # the client has seen enough
                self.close_connection = True
                return
            time.sleep(file.pace_seconds)
        if stalls:
            self.wfile.flush()
            self.state.closing.wait(10)
        if limit < len(content) or not file.tells_size:
            self.close_connection = True
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)


class _Threads(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may hang up."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server on 127.0.0.1 that is also the hub."""
    with _Threads(("127.0.0.1", 0), Handler) as listener:
        state = FileServer(f"http://127.0.0.1:{listener.server_port}")
        listener.RequestHandlerClass = type("BoundHandler", (Handler,), {"state": state})
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", state.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
        monkeypatch.delenv("HF_HUB_OFFLINE")
        yield state
        state.closing.set()
        listener.shutdown()
        thread.join()


@pytest.fixture
def patience() -> Patience:
    """Short: a stalled connection shows after half a second, retries come at once."""
    return Patience(timeout_seconds=0.5, retries=2, pause_seconds=0.01)


@pytest.fixture
def impatience() -> Patience:
    """No retries, as if the program had been stopped at the first fault."""
    return Patience(timeout_seconds=0.5, retries=0, pause_seconds=0.0)


@pytest.fixture
def detector_catalogue(server: FileServer) -> Callable[..., Catalogue]:
    """A catalogue with only the face detector: the one part that is installed as it comes, whatever its bytes are."""

    def make(**where: Any) -> Catalogue:
        zips = tuple(f"{server.url}/{name}" for name in where.pop("zips", ()))
        hub = HUB if "hub_path" in where else None
        if "url" in where:
            where["url"] = f"{server.url}/{where['url']}"
        file = CatalogueFile(part="yunet", size_mb=1, **where)
        model = CatalogueModel(name="face-detector", title="", licence="", hub=hub, zips=zips, files=(file,))
        return Catalogue((model,))

    return make


@pytest.fixture(scope="session")
def layouts() -> Mapping[str, Header]:
    """Small networks in the place of the released ones."""
    from restore_cli.networks import MappingConfig, UNetConfig, VAEConfig
    from restore_cli.networks.spade import SpadeConfig

    vae = Header("vae", VAEConfig(width=4, latent=4, blocks=1))
    faces = Header("spade", SpadeConfig(face_px=32, width=1, hidden_width=2))
    sizes: dict[str, Any] = {"latent": 4, "width": 8, "ramp": 2}
    return {
        "detector": Header("unet", UNetConfig(base=2, levels=2)),
        "vae_a_quality": vae,
        "vae_b_quality": vae,
        "vae_b_scratch": vae,
        "mapping_quality": Header("mapping", MappingConfig(blocks=1, **sizes)),
        "mapping_scratch": Header("mapping", MappingConfig(attention="non_local", blocks=1, **sizes)),
        "mapping_patch": Header("mapping", MappingConfig(attention="patch", blocks=8, blocks_before=2, **sizes)),
        "faces_256": faces,
        "faces_512": faces,
    }


@pytest.fixture(scope="session")
def released(layouts: Mapping[str, Header]) -> Callable[[str], dict[str, Any]]:
    """Makes the tensors of a part under the released names, different ones for each part."""
    import torch

    from restore_cli.networks import NETWORKS
    from restore_cli.weights.released_keys import released_key

    def make(part: str) -> dict[str, Any]:
        torch.manual_seed(sorted(layouts).index(part))
        header = layouts[part]
        state = NETWORKS[header.kind][1](header.config).state_dict()
        return {released_key(header.config, key): tensor for key, tensor in state.items()}

    return make


@pytest.fixture
def released_file(released: Callable[[str], dict[str, Any]]) -> Callable[..., Path]:
    """Writes a part as a released checkpoint."""
    import torch

    def write(part: str, path: Path, *, legacy: bool = False) -> Path:
        content: Any = released(part)
        if part == "detector":
            content = {"epoch": 3, "model_state": content, "optimizer_state": {"state": {}}}
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
        return path

    return write


def zip_bytes(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip with these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def make_zip() -> Callable[..., bytes]:
    """See `zip_bytes`."""
    return zip_bytes
