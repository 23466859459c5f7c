from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from restore_cli.errors import PhotoUnreadable
from restore_cli.imaging import Carried, OutputFormat, Photo, pixel_bytes, read, read_mask, write, write_grey
from restore_cli.imaging.plugins import prepare_pillow

Encode = Callable[..., bytes]
LOSSLESS = ["PNG", "TIFF", "BMP", "WEBP", "PPM", "JPEG2000"]
FORMATS = ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "JPEG2000", "AVIF"]


def skip_without(format: str) -> None:
    if format not in prepare_pillow():
        pytest.skip(f"this Pillow has no {format}")


@pytest.mark.parametrize("format", LOSSLESS)
def test_pixels_are_those_of_the_file_whatever_its_suffix(
    tmp_path: Path, colours: NDArray[np.uint8], encoded: Encode, format: str
) -> None:
    skip_without(format)
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(colours, format, **({"lossless": True} if format == "WEBP" else {})))
    photo = read(path)
    assert np.array_equal(photo.pixels, colours)
    assert photo.alpha is None
    assert np.array_equal(read(str(path)).pixels, colours)
    assert photo.carried.format == {"JPEG2000": "jp2"}.get(format, format.lower())


@pytest.mark.parametrize("format", FORMATS)
def test_the_head_tells_what_the_pixels_will_take(colours: NDArray[np.uint8], encoded: Encode, format: str) -> None:
    skip_without(format)
    most = 4 / 3 if format == "GIF" else 1  # a palette may have alpha
    for pixels in (colours, colours[:, :, 0]):
        data = encoded(pixels, format)
        assert read(data).pixels.nbytes <= pixel_bytes(io.BytesIO(data)) <= most * colours.nbytes


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("format", ["png", "tiff"])
@pytest.mark.parametrize("alpha", [False, True])
def test_the_head_tells_16_bits_and_alpha(format: OutputFormat, channels: int, alpha: bool) -> None:
    pixels = np.full((24, 36, channels), 3000, np.uint16)
    stream = io.BytesIO()
    write(Photo(pixels, pixels[:, :, 0] if alpha else None, Carried(format=format)), stream)
    stream.seek(0)
    as_pillow_sees_it = 4 if (format, channels, alpha) == ("png", 1, True) else channels + alpha
    assert pixel_bytes(stream) == 24 * 36 * as_pillow_sees_it * 2


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_grey_stays_grey(colours: NDArray[np.uint8], encoded: Encode, format: str) -> None:
    assert read(encoded(colours[:, :, 0], format)).pixels.shape == (24, 36, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_orientation_is_applied_once(
    colours: NDArray[np.uint8], encoded: Encode, format: str, orientation: int
) -> None:
    upright = {1: "ROTATE_0", 2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE"}
    upright |= {6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90"}
    image, name = Image.fromarray(colours), upright[orientation]
    turned = image if orientation == 1 else image.transpose(Image.Transpose[name])
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    photo = read(encoded(colours, format, exif=exif, **options))
    assert np.array_equal(photo.pixels, np.asarray(turned))


@pytest.mark.parametrize("name", [b"line\nbreak .png", b"caf\xe9.png", b"-.png", b"n" * 251 + b".png"])
def test_any_file_name_can_be_read(tmp_path: Path, colours: NDArray[np.uint8], encoded: Encode, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(encoded(colours, "PNG"))
    assert np.array_equal(read(path).pixels, colours)


@pytest.mark.parametrize("format", FORMATS)
def test_a_truncated_file_is_unreadable(
    tmp_path: Path, colours: NDArray[np.uint8], encoded: Encode, format: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Half a photo must never come out as a whole one with a grey lower half."""
    skip_without(format)
    path = tmp_path / "half.bin"
    whole = encoded(colours, format)
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(PhotoUnreadable) as caught:
            read(path)
        assert caught.value.path == path
        assert "half.bin" in caught.value.message
        assert caught.value.hint
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "the file is empty"), (b"Dear grandmother,", "no photo in a format known"), (bytes(500), "no photo")],
)
def test_what_is_no_photo_is_said(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(PhotoUnreadable, match=words):
        read(path)


def test_bytes_have_no_name_in_the_message() -> None:
    with pytest.raises(PhotoUnreadable, match=r"^the file is empty$"):
        read(b"")


def test_an_unknown_plugin_format_names_its_plugin() -> None:
    if "HEIF" in prepare_pillow():
        pytest.skip("the plugin is installed")
    with pytest.raises(PhotoUnreadable) as caught:
        read(b"\0\0\0\x18ftypheic" + bytes(100))
    assert "pillow-heif" in caught.value.hint


def test_folders_missing_files_and_pipes_are_said(tmp_path: Path) -> None:
    """A named pipe would otherwise be waited for until the end of days."""
    with pytest.raises(PhotoUnreadable, match="it is a folder"):
        read(tmp_path)
    with pytest.raises(PhotoUnreadable, match="does not exist"):
        read(tmp_path / "gone.jpg")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PhotoUnreadable, match="no ordinary file"):
        read(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(PhotoUnreadable, match="circle"):
        read(tmp_path / "loop")


def png_of_size(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(1000))
    chunks = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (header, data))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # pytest undoes the reader's own filter
@pytest.mark.parametrize(
    "bomb",
    [
        png_of_size(30_000, 20_000),
        png_of_size(60_000, 60_000),
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 100, 0, 54, 40, 30_000, 20_000, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(50),
        b"II*\0\x08\0\0\0\x02\0\0\x01\x04\0\x01\0\0\0\x30\x75\0\0\x01\x01\x04\0\x01\0\0\0\x20\x4e\0\0\0\0\0\0",
    ],
    ids=["png", "huge png", "bmp", "tiff"],
)
def test_a_decompression_bomb_is_refused_before_it_is_decoded(bomb: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(PhotoUnreadable, match=r"600,000,000|3,600,000,000") as caught:
        read(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "max_pixels" in caught.value.hint
    assert peak < 20 * 2**20


def test_warnings_of_pillow_stay_off_the_terminal(tmp_path: Path) -> None:
    """In a process of its own, because pytest has its own idea of warnings."""
    (tmp_path / "bomb.png").write_bytes(png_of_size(30_000, 20_000))
    script = "import sys; from pathlib import Path; from restore_cli.imaging import read; read(Path(sys.argv[1]))"
    command = [sys.executable, "-c", script, str(tmp_path / "bomb.png")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "PhotoUnreadable" in run.stderr
    assert "Warning" not in run.stderr


def test_the_size_limit_can_be_set(colours: NDArray[np.uint8], encoded: Encode) -> None:
    with pytest.raises(PhotoUnreadable, match="36 x 24 = 864 pixels, more than the 863"):
        read(encoded(colours, "PNG"), max_pixels=863)
    assert read(encoded(colours, "PNG"), max_pixels=864).pixels.shape == (24, 36, 3)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_animations_are_refused_instead_of_losing_frames(
    colours: NDArray[np.uint8], encoded: Encode, format: str
) -> None:
    other = Image.fromarray(colours[::-1].copy())
    data = encoded(colours, format, save_all=True, append_images=[other])
    with pytest.raises(PhotoUnreadable, match="animation of 2 pictures") as caught:
        read(data)
    assert "Split it" in caught.value.hint


def test_a_phone_jpeg_with_more_pictures_gives_the_first_with_a_note(
    colours: NDArray[np.uint8], encoded: Encode
) -> None:
    other = Image.fromarray(colours[::-1].copy())
    photo = read(encoded(colours, "MPO", save_all=True, append_images=[other]))
    assert photo.carried.format == "jpg"
    assert photo.carried.notes == ("Of the 2 pictures in the file the first was taken.",)


def test_one_wrong_bit_in_a_png_is_noticed(colours: NDArray[np.uint8], encoded: Encode) -> None:
    """Pillow alone decodes on and shifts the colours of everything behind it."""
    data = bytearray(encoded(colours, "PNG", compress_level=0))
    data[200] ^= 1
    with pytest.raises(PhotoUnreadable, match="damaged"):
        read(bytes(data))


def test_reading_leaves_pillows_own_limit_in_place() -> None:
    """The host program of the library keeps a guard against bombs."""
    prepare_pillow()
    assert Image.MAX_IMAGE_PIXELS is not None


def test_a_mask_is_damaged_where_it_is_white(tmp_path: Path) -> None:
    grey = np.array([[0, 127, 128, 255]], np.uint8)
    write_grey(grey, tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png", (1, 4)).tolist() == [[False, False, True, True]]
    Image.fromarray(np.repeat(grey[:, :, None], 3, axis=2)).save(tmp_path / "mask.bmp")
    assert read_mask(tmp_path / "mask.bmp", (1, 4)).tolist() == [[False, False, True, True]]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_in_a_mask_is_no_damage(tmp_path: Path, mode: str) -> None:
    """A layer with white strokes, saved by an editor: what lies around them is often transparent white."""
    pixels = np.full((1, 4, 4), 255, np.uint8)
    pixels[0, :, 3] = (255, 128, 127, 0)
    Image.fromarray(pixels, "RGBA").convert(mode).save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png", (1, 4)).tolist() == [[True, True, False, False]]


@pytest.mark.parametrize(("level", "told"), [(0, False), (1, True), (255, False)])
def test_a_mask_in_which_nothing_is_white_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, level: int, told: bool
) -> None:
    """As programs save masks that count 0 and 1."""
    mask = np.zeros((4, 6), np.uint8)
    mask[1] = level
    write_grey(mask, tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png", (4, 6)).any() == (level == 255)
    assert ("nothing in the mask is white" in caplog.text) == told


def test_a_mask_of_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    write_grey(np.zeros((3, 4), np.uint8), tmp_path / "mask.png")
    with pytest.raises(PhotoUnreadable, match="the mask is 4 x 3 pixels, its photo 6 x 5"):
        read_mask(tmp_path / "mask.png", (5, 6))
