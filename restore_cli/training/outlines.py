"""Outlines of real damage, read from a folder of 1-bit pictures."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restore_cli.errors import NoPhotosFound

log = logging.getLogger(__name__)

Outline = NDArray[np.uint8]
SUFFIXES = frozenset({".png", ".bmp", ".tif", ".tiff", ".pbm", ".gif"})
MAP_SIDE_PX = 1024  # from this side on a file is a map of a whole frame, of which regions are cut


@dataclass(frozen=True)
class _Packed:
    """A decoded outline with eight pixels a byte."""

    bits: NDArray[np.uint8]
    width: int

    @classmethod
    def pack(cls, marked: NDArray[np.bool_]) -> _Packed:
        return cls(np.packbits(marked, axis=1), marked.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        return self.bits.shape[0], self.width

    def region(self, top: int, left: int, height: int, width: int) -> Outline:
        first, last = left // 8, (left + width + 7) // 8
        unpacked = np.unpackbits(self.bits[top : top + height, first:last], axis=1)
        return np.asarray(unpacked[:, left - 8 * first :][:, :width] * np.uint8(255), np.uint8)

    def random_region(self, rng: np.random.Generator, limit_px: tuple[int, int]) -> Outline:
        height, width = min(self.size[0], limit_px[0]), min(self.size[1], limit_px[1])
        top = int(rng.integers(self.size[0] - height + 1))
        left = int(rng.integers(self.size[1] - width + 1))
        return self.region(top, left, height, width)


@dataclass
class DamageOutlines:
    """Pictures of damage, white on black, decoded at first use and kept bit-packed.

    Give every worker process its own: the cache is not locked. `skipped` counts files that could not be read.
    """

    files: tuple[Path, ...]
    skipped: int = 0
    _cache: dict[Path, _Packed | None] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, folder: Path | str) -> DamageOutlines:
        """List the outlines below `folder` (PNG, BMP, TIFF, PBM, GIF). Raises NoPhotosFound if there are none."""
        files = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES)
        if not files:
            raise NoPhotosFound(
                f"no damage outlines in {folder}",
                hint="--damage wants a folder of black and white PNG files",
                path=folder,
            )
        return cls(tuple(files))

    def draw(self, rng: np.random.Generator, limit_px: tuple[int, int]) -> Outline | None:
        """One outline as uint8 (h, w), 255 where damaged: a whole small picture, or a region of a large map.

        A region is at most `limit_px` (height, width) large. None if the file drawn cannot be read.
        """
        packed = self._packed(self._choose(rng))
        if packed is None:
            return None
        if max(packed.size) < MAP_SIDE_PX:
            return packed.region(0, 0, *packed.size)
        return packed.random_region(rng, limit_px)

    def region(self, rng: np.random.Generator, limit_px: tuple[int, int]) -> Outline | None:
        """A region of a whole frame's map, at most `limit_px` (height, width) large; None if there are no such maps."""
        maps = self._maps
        packed = self._packed(maps[int(rng.integers(len(maps)))]) if maps else None
        return None if packed is None else packed.random_region(rng, limit_px)

    def _choose(self, rng: np.random.Generator) -> Path:
        """A folder first, then a file in it: kinds with few files count as much as those with many."""
        kinds = self._by_folder
        kind = kinds[int(rng.integers(len(kinds)))]
        return kind[int(rng.integers(len(kind)))]

    @cached_property
    def _by_folder(self) -> list[list[Path]]:
        folders: dict[Path, list[Path]] = {}
        for path in self.files:
            folders.setdefault(path.parent, []).append(path)
        return list(folders.values())

    @cached_property
    def _maps(self) -> list[Path]:
        return [path for path in self.files if max(_size_px(path)) >= MAP_SIDE_PX]

    def _packed(self, path: Path) -> _Packed | None:
        if path not in self._cache:
            self._cache[path] = self._decode(path)
        return self._cache[path]

    def _decode(self, path: Path) -> _Packed | None:
        try:
            data = np.frombuffer(path.read_bytes(), np.uint8)
            picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
        except (OSError, cv2.error) as problem:
            log.warning("damage outline %s skipped: %s", path, problem)
            picture = None
        else:
            if picture is None:
                log.warning("damage outline %s skipped: not a picture", path)
        if picture is None:
            self.skipped += 1
            return None
        return _Packed.pack(picture > 127)


def _size_px(path: Path) -> tuple[int, int]:
    """Width and height as the file's header says; zeros if it cannot be read, which `_decode` reports."""
    try:
        with Image.open(path) as picture:
            return picture.width, picture.height
    except (OSError, Image.DecompressionBombError):
        return 0, 0
