"""What the directories of a TIFF say about its pages."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import BinaryIO

from restore_cli.imaging import exif, iptc
from restore_cli.imaging.ifd import INTEGER_CODES, ByteOrder, Directory, Layout, directories, layout_of

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
XMP, IPTC, ICC = 700, 33723, 34675
PHOTOSHOP_RESOURCES, PHOTOSHOP_LAYERS = 34377, 37724
NEW_SUBFILE_TYPE, SUBFILE_TYPE, SUB_PICTURES, DNG_VERSION = 254, 255, 330, 50706
REDUCED, PAGE_MASK = 1, 4

UNCOMPRESSED, LZW, DEFLATE, OLD_DEFLATE, PACKBITS, LZMA, ZSTD = 1, 5, 8, 32946, 32773, 34925, 50000
KEPT_COMPRESSIONS = {UNCOMPRESSED: "none", LZW: "lzw", DEFLATE: "deflate", OLD_DEFLATE: "deflate"}
MIN_IS_WHITE, MIN_IS_BLACK, RGB = 0, 1, 2
ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA = 1, 2


@dataclass(frozen=True, kw_only=True)
class TiffFacts:
    """The first page, and how many others there are."""

    order: ByteOrder
    size: tuple[int, int]
    """(height, width) as stored."""
    samples: int
    bits: tuple[int, ...]
    """Bits of each sample."""
    is_unsigned: bool
    """Samples are unsigned whole numbers, as in every ordinary photo."""
    has_reversed_bits: bool
    """The lowest bit comes first (FillOrder 2)."""
    compression: int
    predictor: int
    photometric: int
    extra: tuple[int, ...]
    """Meaning of the samples after grey or RGB (ExtraSamples)."""
    orientation: int
    is_planar: bool
    """Each sample is a picture of its own."""
    is_tiled: bool
    block: tuple[int, int]
    """(height, width) of a strip or tile."""
    offsets: tuple[int, ...]
    byte_counts: tuple[int, ...]
    pages: int
    """Pages, previews and masks not counted."""
    previews: int
    has_layers: bool
    """Photoshop's, which other programs do not look at."""
    is_raw: bool
    """A camera's raw file, or one whose first page is only a preview: not the photo itself."""
    exif: bytes | None
    xmp: bytes | None
    iptc: bytes | None
    icc: bytes | None

    @property
    def is_plain(self) -> bool:
        """Whether tiff_read.read_plain is the reader for this page: 8 or 16-bit grey or RGB in strips or tiles."""
        return (
            set(self.bits) in ({8}, {16})
            and self.is_unsigned
            and not self.has_reversed_bits
            and self.predictor in (1, 2)
            and self.compression in (*KEPT_COMPRESSIONS, PACKBITS, LZMA, ZSTD)
            and self.photometric in (MIN_IS_WHITE, MIN_IS_BLACK, RGB)
        )


def facts_of(stream: BinaryIO) -> TiffFacts:
    """Read the directories. ValueError if they make no sense."""
    layout = layout_of(stream)
    chain = directories(stream, layout)
    first = next(chain, Directory({}, 0, 0))  # a TIFF without a picture is one of size 0
    kinds = [_kind(directory, layout) for directory in chain]
    numbers = functools.partial(_numbers, first, layout)

    def number(tag: int, default: int) -> int:
        return numbers(tag, (default,))[0]

    height, width, samples = number(257, 0), number(256, 0), number(277, 1)
    has_others = bool(kinds) or SUB_PICTURES in first.fields  # alone, a picture is no preview, whatever it calls itself
    is_tiled, tile = 322 in first.fields, (max(number(323, 1), 1), max(number(322, 1), 1))
    return TiffFacts(
        order=layout.order,
        size=(height, width),
        samples=samples,
        bits=numbers(258, (1,)),
        is_unsigned=set(numbers(339, (1,))) <= {1, 4},
        has_reversed_bits=number(266, 1) == 2,
        compression=number(259, 1),
        predictor=number(317, 1),
        photometric=number(262, MIN_IS_BLACK),
        extra=numbers(338, ()),
        orientation=exif.orientation_of(first, layout),
        is_planar=number(284, 1) == 2 and samples > 1,
        is_tiled=is_tiled,
        block=tile if is_tiled else (max(min(number(278, height), height), 1), width),
        offsets=numbers(324 if is_tiled else 273, ()),
        byte_counts=numbers(325 if is_tiled else 279, ()),
        pages=1 + sum(not kind & (REDUCED | PAGE_MASK) for kind in kinds),
        previews=sum(bool(kind & REDUCED) for kind in kinds),
        has_layers=PHOTOSHOP_LAYERS in first.tags,
        is_raw=DNG_VERSION in first.fields or (bool(_kind(first, layout) & REDUCED) and has_others),
        exif=exif.of_tiff(stream, layout, first),
        xmp=_data(first, XMP),
        iptc=_data(first, IPTC) or iptc.records_of(_data(first, PHOTOSHOP_RESOURCES) or b""),
        icc=_data(first, ICC),
    )


def _kind(directory: Directory, layout: Layout) -> int:
    """NewSubfileType, also where a file says it in the older way."""
    old = _numbers(directory, layout, SUBFILE_TYPE, (1,))[0]
    return _numbers(directory, layout, NEW_SUBFILE_TYPE, (REDUCED if old == 2 else 0,))[0]


def _numbers(directory: Directory, layout: Layout, tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
    field = directory.fields.get(tag)
    return default if field is None or field.type not in INTEGER_CODES else field.integers(layout.order)


def _data(directory: Directory, tag: int) -> bytes | None:
    field = directory.fields.get(tag)
    return None if field is None else field.data
