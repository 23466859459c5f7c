"""Downloads that are broken off, stalled, refused, wrong, raced; against a server on this machine."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from restore_cli.errors import DownloadFailed, WeightsUnwritable
from restore_cli.weights import face_detector_path
from restore_cli.weights.catalogue import Catalogue
from restore_cli.weights.download import download
from restore_cli.weights.places import downloads_folder, home, models_folder
from restore_cli.weights.web import Patience

CONTENT = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MEMBER = "checkpoints/faces/yunet.onnx"
NAMES = ("face-detector",)

Make = Callable[..., Catalogue]


def leftovers() -> list[str]:
    """What lies in the download folder, locks aside."""
    return sorted(p.name for p in downloads_folder().rglob("*") if p.is_file() and p.suffix != ".lock")


def test_a_file_of_the_hub_is_installed(server, detector_catalogue: Make, patience: Patience) -> None:
    server.put_on_hub("faces/yunet.onnx", CONTENT)
    catalogue = detector_catalogue(hub_path="faces/yunet.onnx")
    (arrival,) = download(NAMES, catalogue=catalogue, patience=patience)
    installed = face_detector_path()
    assert installed is not None
    assert installed.read_bytes() == CONTENT
    assert arrival.origin == f"{server.url}/someone/old-photos/resolve/main/faces/yunet.onnx"
    assert leftovers() == []


def test_what_is_installed_is_not_fetched_again(server, detector_catalogue: Make, patience: Patience) -> None:
    server.put("yunet.onnx", CONTENT)
    catalogue = detector_catalogue(url="yunet.onnx")
    download(NAMES, catalogue=catalogue, patience=patience)
    server.requests.clear()
    (arrival,) = download(NAMES, catalogue=catalogue, patience=patience)
    assert arrival.origin is None
    assert server.requests == []


def test_a_damaged_file_is_fetched_again(server, detector_catalogue: Make, patience: Patience) -> None:
    server.put("yunet.onnx", CONTENT)
    catalogue = detector_catalogue(url="yunet.onnx")
    download(NAMES, catalogue=catalogue, patience=patience)
    installed = models_folder() / "face-detector" / "yunet_n_320_320.onnx"
    installed.write_bytes(CONTENT[:-1])
    download(NAMES, catalogue=catalogue, patience=patience)
    assert installed.read_bytes() == CONTENT


def test_the_next_run_goes_on_where_a_broken_one_stopped(
    server, detector_catalogue: Make, patience: Patience, impatience: Patience
) -> None:
    file = server.put_on_hub("faces/yunet.onnx", CONTENT, break_after=[200_000])
    catalogue = detector_catalogue(hub_path="faces/yunet.onnx")
    with pytest.raises(DownloadFailed, match="200000 of 300000 bytes"):
        download(NAMES, catalogue=catalogue, patience=impatience)
    assert leftovers() == [f"yunet.onnx.{file.sha256[:16]}.part"]
    server.bytes_sent = 0
    download(NAMES, catalogue=catalogue, patience=patience)
    assert face_detector_path().read_bytes() == CONTENT
    assert server.bytes_sent == 100_000 + 1  # the rest, and the first byte to ask for size and hash
    assert leftovers() == []


def test_broken_connections_are_taken_up_again(server, detector_catalogue: Make, patience: Patience) -> None:
    server.put("yunet.onnx", CONTENT, break_after=[1000, 70_000, 5])
    download(NAMES, catalogue=detector_catalogue(url="yunet.onnx", sha256=SHA256), patience=patience)
    spans = [asked.span for asked in server.requests]
    assert spans == ["bytes=0-0", "bytes=0-299999", "bytes=1000-299999", "bytes=71000-299999", "bytes=71005-299999"]


def test_a_stalled_connection_is_taken_up_again(server, detector_catalogue: Make, patience: Patience) -> None:
    server.put("yunet.onnx", CONTENT, stall_after=[65_536])
    download(NAMES, catalogue=detector_catalogue(url="yunet.onnx", sha256=SHA256), patience=patience)
    assert server.requests[-1].span == "bytes=65536-299999"


def test_a_busy_server_is_asked_again(server, detector_catalogue: Make, patience: Patience) -> None:
    server.put("yunet.onnx", CONTENT, faults=[lambda h: h.answer(503), lambda h: h.answer(503)])
    download(NAMES, catalogue=detector_catalogue(url="yunet.onnx", sha256=SHA256), patience=patience)
    assert face_detector_path() is not None


def test_a_server_that_stays_busy_is_given_up(server, detector_catalogue: Make, patience: Patience) -> None:
    server.put("yunet.onnx", CONTENT, faults=[lambda h: h.answer(503)] * 9)
    with pytest.raises(DownloadFailed, match="gave up after 3 attempts: HTTP 503"):
        download(NAMES, catalogue=detector_catalogue(url="yunet.onnx"), patience=patience)
    assert len(server.requests) == 1 + 3


def test_a_missing_file_is_asked_for_once(server, detector_catalogue: Make, patience: Patience) -> None:
    with pytest.raises(DownloadFailed, match="HTTP 404"):
        download(NAMES, catalogue=detector_catalogue(url="yunet.onnx"), patience=patience)
    assert len(server.requests) == 1


def test_a_server_that_ignores_ranges_makes_the_file_start_over(
    server, detector_catalogue: Make, patience: Patience
) -> None:
    server.put("yunet.onnx", CONTENT, takes_ranges=False, break_after=[1, 100_000])
    download(NAMES, catalogue=detector_catalogue(url="yunet.onnx", sha256=SHA256), patience=patience)
    assert face_detector_path().read_bytes() == CONTENT


def test_a_file_of_unknown_size_arrives(server, detector_catalogue: Make, patience: Patience) -> None:
    server.put("yunet.onnx", CONTENT, takes_ranges=False, tells_size=False)
    download(NAMES, catalogue=detector_catalogue(url="yunet.onnx", sha256=SHA256), patience=patience)
    assert face_detector_path().read_bytes() == CONTENT


def test_a_wrong_hash_is_refused_and_leaves_nothing(server, detector_catalogue: Make, patience: Patience) -> None:
    server.put("yunet.onnx", OTHER)
    with pytest.raises(DownloadFailed, match=f"sha256 .*{hashlib.sha256(OTHER).hexdigest()}, expected {SHA256}"):
        download(NAMES, catalogue=detector_catalogue(url="yunet.onnx", sha256=SHA256), patience=patience)
    assert face_detector_path() is None
    assert leftovers() == []


def test_another_file_on_the_hub_is_refused_before_it_is_fetched(
    server, detector_catalogue: Make, patience: Patience
) -> None:
    server.put_on_hub("faces/yunet.onnx", OTHER)
    catalogue = detector_catalogue(hub_path="faces/yunet.onnx", sha256=SHA256)
    with pytest.raises(DownloadFailed, match="offers another file"):
        download(NAMES, catalogue=catalogue, patience=patience)
    assert server.bytes_sent <= 1


def test_bytes_that_are_not_what_the_hub_promised_are_refused(
    server, detector_catalogue: Make, patience: Patience
) -> None:
    server.put_on_hub("faces/yunet.onnx", OTHER, sha256=SHA256)
    with pytest.raises(DownloadFailed, match="gave another file"):
        download(NAMES, catalogue=detector_catalogue(hub_path="faces/yunet.onnx"), patience=patience)
    assert face_detector_path() is None


def test_the_first_download_is_recorded_and_later_ones_are_held_to_it(
    server, detector_catalogue: Make, patience: Patience
) -> None:
    server.put("yunet.onnx", CONTENT)
    catalogue = detector_catalogue(url="yunet.onnx")
    download(NAMES, catalogue=catalogue, patience=patience)
    assert SHA256 in (home() / "known_hashes.json").read_text()
    face_detector_path().unlink()
    server.put("yunet.onnx", OTHER)
    with pytest.raises(DownloadFailed, match=f"expected {SHA256}"):
        download(NAMES, catalogue=catalogue, patience=patience)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_404_on_the_hub_falls_to_the_zip_of_which_one_member_is_read(
    server, detector_catalogue: Make, patience: Patience, make_zip: Callable[..., bytes], method: int
) -> None:
    archive = make_zip({"checkpoints/big.pth": OTHER * 4, MEMBER: CONTENT, "z.pth": OTHER * 2}, method)
    server.put("faces.zip", archive)
    catalogue = detector_catalogue(hub_path="faces/yunet.onnx", zip_member=MEMBER, zips=["faces.zip"], sha256=SHA256)
    (arrival,) = download(NAMES, catalogue=catalogue, patience=patience)
    assert face_detector_path().read_bytes() == CONTENT
    assert arrival.origin == f"{server.url}/faces.zip/{MEMBER}"
    assert server.bytes_sent < len(CONTENT) + 3 * 65_536, "only the member and the directory at the end were read"
    assert leftovers() == []


def test_a_zip_that_is_not_there_falls_to_its_copy(
    server, detector_catalogue: Make, patience: Patience, make_zip: Callable[..., bytes]
) -> None:
    server.put("copy.zip", make_zip({MEMBER: CONTENT}))
    catalogue = detector_catalogue(zip_member=MEMBER, zips=["gone.zip", "copy.zip"])
    (arrival,) = download(NAMES, catalogue=catalogue, patience=patience)
    assert arrival.origin is not None
    assert "copy.zip" in arrival.origin


@pytest.mark.parametrize("url", ["hf-mirror.com/yunet.onnx", "http://[half/yunet.onnx", "http://a b/yunet.onnx"])
def test_what_is_no_address_falls_to_the_next_source(
    server, detector_catalogue: Make, patience: Patience, make_zip: Callable[..., bytes], url: str
) -> None:
    server.put("faces.zip", make_zip({MEMBER: CONTENT}))
    (model,) = detector_catalogue(zip_member=MEMBER, zips=["faces.zip"]).models
    files = tuple(replace(file, url=url) for file in model.files)
    (arrival,) = download(NAMES, catalogue=Catalogue((replace(model, files=files),)), patience=patience)
    assert arrival.origin == f"{server.url}/faces.zip/{MEMBER}"


def test_a_zip_on_a_server_without_ranges_is_refused_with_a_reason(
    server, detector_catalogue: Make, patience: Patience, make_zip: Callable[..., bytes]
) -> None:
    server.put("faces.zip", make_zip({MEMBER: CONTENT}), takes_ranges=False)
    with pytest.raises(DownloadFailed, match="ignores ranges"):
        download(NAMES, catalogue=detector_catalogue(zip_member=MEMBER, zips=["faces.zip"]), patience=patience)


def test_a_member_that_broke_off_goes_on_where_it_stopped(
    server, detector_catalogue: Make, patience: Patience, impatience: Patience, make_zip: Callable[..., bytes]
) -> None:
    archive = make_zip({MEMBER: CONTENT, "big.pth": OTHER * 10})
    file = server.put("faces.zip", archive)
    catalogue = detector_catalogue(zip_member=MEMBER, zips=["faces.zip"], sha256=SHA256)
    directory_requests = _requests_until_member(server, catalogue, patience, file)
    file.break_after = [1 << 20] * directory_requests + [200_000]
    with pytest.raises(DownloadFailed, match="200000 of 300000 bytes"):
        download(NAMES, catalogue=catalogue, patience=impatience)
    server.requests.clear()
    download(NAMES, catalogue=catalogue, patience=patience)
    first = archive.index(CONTENT)
    assert server.requests[-1].span == f"bytes={first + 200_000}-{first + 299_999}"


def _requests_until_member(server, catalogue: Catalogue, patience: Patience, file) -> int:
    """How many requests for more than a byte the zip's directory takes. Leaves nothing installed."""
    server.requests.clear()
    download(NAMES, catalogue=catalogue, patience=patience)
    face_detector_path().unlink()
    return len([asked for asked in server.requests if asked.span != "bytes=0-0"]) - 1


def test_a_damaged_member_is_refused(
    server, detector_catalogue: Make, patience: Patience, make_zip: Callable[..., bytes]
) -> None:
    archive = bytearray(make_zip({MEMBER: CONTENT}))
    archive[archive.index(CONTENT) + 1000] ^= 1
    server.put("faces.zip", bytes(archive))
    with pytest.raises(DownloadFailed, match="checksum"):
        download(NAMES, catalogue=detector_catalogue(zip_member=MEMBER, zips=["faces.zip"]), patience=patience)
    assert leftovers() == []


def test_a_member_that_the_zip_has_not_is_named(
    server, detector_catalogue: Make, patience: Patience, make_zip: Callable[..., bytes]
) -> None:
    server.put("faces.zip", make_zip({"other.pth": CONTENT}))
    with pytest.raises(DownloadFailed, match=f"holds no {MEMBER}"):
        download(NAMES, catalogue=detector_catalogue(zip_member=MEMBER, zips=["faces.zip"]), patience=patience)


def test_offline_fails_before_any_socket(
    server, detector_catalogue: Make, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("yunet.onnx", CONTENT)

    def no_socket(*args: object, **kwargs: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", no_socket)
    catalogue = detector_catalogue(url="yunet.onnx")
    with pytest.raises(DownloadFailed, match="offline") as caught:
        download(NAMES, catalogue=catalogue, patience=patience, offline=True)
    assert "import" in caught.value.hint
    monkeypatch.setenv("OLDPHOTO_OFFLINE", "1")
    with pytest.raises(DownloadFailed, match="offline"):
        download(NAMES, catalogue=catalogue, patience=patience)


def test_the_hub_token_is_not_sent_to_where_the_hub_redirects(
    server, detector_catalogue: Make, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    server.put_on_hub("faces/yunet.onnx", CONTENT)
    download(NAMES, catalogue=detector_catalogue(hub_path="faces/yunet.onnx"), patience=patience)
    tokens = {asked.authorization for asked in server.requests if asked.path.startswith("cdn/")}
    assert tokens == {None}
    assert {asked.authorization for asked in server.requests} == {None, "Bearer hf_secret"}


def test_huggingface_hub_reads_the_same_from_the_test_hub(server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the tests above would prove something about a hub that does not exist."""
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    server.put_on_hub("faces/yunet.onnx", CONTENT)
    url = huggingface_hub.hf_hub_url("someone/old-photos", "faces/yunet.onnx", endpoint=server.url)
    remote = huggingface_hub.get_hf_file_metadata(url)
    assert (remote.etag, remote.size) == (SHA256, len(CONTENT))


def test_two_processes_download_once(server, detector_catalogue: Make, tmp_path: Path) -> None:
    """The second waits for the first and finds the file installed."""
    server.put("yunet.onnx", CONTENT, pace_seconds=0.1)
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(
        "format = 1\n[models.face-detector]\ntitle = 'YuNet'\nlicence = ''\n"
        f"[[models.face-detector.files]]\npart = 'yunet'\nsize_mb = 1\nurl = '{server.url}/yunet.onnx'\n"
    )
    program = "from restore_cli.weights.download import download; download(['face-detector'])"
    environment = {**os.environ, "OLDPHOTO_CATALOGUE": str(catalogue)}
    runs = [subprocess.Popen([sys.executable, "-c", program], env=environment) for _ in range(2)]
    assert [run.wait(timeout=60) for run in runs] == [0, 0]
    assert face_detector_path().read_bytes() == CONTENT
    assert server.bytes_sent == len(CONTENT) + 1


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 400 kB as OLDPHOTO_HOME."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small disk needs root on Linux, and the right to mount")
    monkeypatch.setenv("OLDPHOTO_HOME", str(disk))
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_too_small_a_disk_is_told_before_the_download(
    server, detector_catalogue: Make, patience: Patience, small_disk: Path
) -> None:
    server.put("yunet.onnx", CONTENT)
    with pytest.raises(WeightsUnwritable, match=r"0\.6 MB needed, 0\.4 MB free") as caught:
        download(NAMES, catalogue=detector_catalogue(url="yunet.onnx"), patience=patience)
    assert "OLDPHOTO_HOME" in caught.value.hint
    assert server.bytes_sent <= 1


def test_a_disk_that_fills_up_on_the_way_is_told(
    server, detector_catalogue: Make, patience: Patience, small_disk: Path
) -> None:
    """The server does not say how large the file is, so nobody could know."""
    server.put("yunet.onnx", CONTENT + OTHER, takes_ranges=False, tells_size=False)
    with pytest.raises(WeightsUnwritable, match="No space left"):
        download(NAMES, catalogue=detector_catalogue(url="yunet.onnx"), patience=patience)
    assert face_detector_path() is None
