"""Files to arrays and back, with everything a photo carries. Knows no torch, and of the package only its errors."""

from restore_cli.imaging.fill import fill_from_surroundings
from restore_cli.imaging.formats import OutputFormat, format_of_suffix, output_suffix
from restore_cli.imaging.photo import Carried, Photo, replace_pixels
from restore_cli.imaging.read import pixel_bytes, read, read_mask
from restore_cli.imaging.write import write, write_grey
from restore_cli.imaging.xmp import Provenance

__all__ = [
    "Carried",
    "OutputFormat",
    "Photo",
    "Provenance",
    "fill_from_surroundings",
    "format_of_suffix",
    "output_suffix",
    "pixel_bytes",
    "read",
    "read_mask",
    "replace_pixels",
    "write",
    "write_grey",
]
