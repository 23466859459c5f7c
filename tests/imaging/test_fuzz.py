"""The reader on bytes that nobody meant: it answers with a photo or with PhotoUnreadable, soon, in little memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from restore_cli.errors import PhotoUnreadable
from restore_cli.imaging import Carried, Photo, Provenance, read, write
from restore_cli.imaging.exif import EMPTY, with_resolution
from restore_cli.imaging.plugins import prepare_pillow

LIMIT = 10**6
MEMORY_BYTES = 512 << 20
"""A photo of LIMIT pixels takes a few MB in any of its forms: who asks for this much has believed a mutated length."""
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")  # pytest undoes the reader's own filter


def _corpus() -> list[bytes]:
    down, across = np.mgrid[0:16, 0:24]
    pixels = np.stack([down * 15, across * 10, down + across], axis=2).astype(np.uint8)
    files: list[bytes] = []

    def pillow(format: str, mode: str = "RGB", **options: Any) -> None:
        stream = io.BytesIO()
        Image.fromarray(pixels).convert(mode).save(stream, format, **options)
        files.append(stream.getvalue())

    for format in ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "JPEG2000"):
        if format in prepare_pillow():
            pillow(format)
    pillow("PNG", "P")
    pillow("TIFF", "CMYK")
    pillow("TIFF", compression="jpeg")
    deep = pixels * np.uint16(257)
    files.extend(cv2.imencode(suffix, deep)[1].tobytes() for suffix in (".png", ".tiff"))
    provenance = Provenance(tool_version="1", model_name="m", model_sha256="0")
    carried = Carried(
        exif=with_resolution(EMPTY, (300.0, 300.0)), iptc=b"\x1c\x02\x78\x00\x05goose", dpi=(300.0, 300.0)
    )
    for name in ("png", "jpg", "tiff", "webp"):
        stream = io.BytesIO()
        write(Photo(deep, None, carried), stream, format=name, provenance=provenance)  # type: ignore[arg-type]
        files.append(stream.getvalue())
    return files


CORPUS = _corpus()
VALUES = st.sampled_from([b"\0", b"\xff", b"\x7f", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"II*\0"])


@pytest.fixture(scope="module", autouse=True)
def bounded_memory() -> Iterator[None]:
    """The process gets so much more address space and no byte beyond it."""
    resource = pytest.importorskip("resource")
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("needs Linux")
    used = int(statm.read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@settings(
    max_examples=250, deadline=timedelta(seconds=20), derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    which=st.integers(0, len(CORPUS) - 1),
    edits=st.lists(st.tuples(st.integers(0, 10**4), st.one_of(VALUES, st.binary(max_size=4)), st.integers(0, 6))),
    length=st.one_of(st.none(), st.integers(0, 10**4)),
)
def test_mutated_files_never_crash_the_reader(
    which: int, edits: list[tuple[int, bytes, int]], length: int | None
) -> None:
    data = CORPUS[which]
    for position, value, removed in edits:
        at = position % len(data) if data else 0
        data = data[:at] + value + data[at + removed :]
    try:
        photo = read(data[:length], max_pixels=LIMIT)
    except PhotoUnreadable as error:
        refusal = error.message
    else:
        refusal = ""
        _check(photo)
    assert "memory" not in refusal


def _check(photo: Photo) -> None:
    """It can be used like any other."""
    assert photo.pixels.shape[0] * photo.pixels.shape[1] <= LIMIT
    write(photo, io.BytesIO(), format="png")
