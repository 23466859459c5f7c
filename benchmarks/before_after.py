"""Pictures for the README: photos beside each other, one row a photo, one column a folder, by matching names.

Run: python benchmarks/before_after.py OUT.jpg FOLDER... [--names astronaut coffee] [--height 300]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

GAP_PX = 6


def row(folders: list[Path], name: str, height: int) -> Image.Image:
    """One photo as it is in each folder, at the same height."""
    pictures = []
    for folder in folders:
        file = next(p for p in sorted(folder.iterdir()) if p.stem == name)
        with Image.open(file) as photo:
            width = round(photo.width * height / photo.height)
            pictures.append(photo.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
    strip = Image.new("RGB", (sum(p.width + GAP_PX for p in pictures) - GAP_PX, height), "white")
    left = 0
    for picture in pictures:
        strip.paste(picture, (left, 0))
        left += picture.width + GAP_PX
    return strip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--names", nargs="+", default=["astronaut", "coffee"])
    parser.add_argument("--height", type=int, default=300)
    options = parser.parse_args()
    rows = [row(options.folders, name, options.height) for name in options.names]
    sheet = Image.new("RGB", (max(r.width for r in rows), sum(r.height + GAP_PX for r in rows) - GAP_PX), "white")
    top = 0
    for strip in rows:
        sheet.paste(strip, (0, top))
        top += strip.height + GAP_PX
    sheet.save(options.out, quality=88, optimize=True)


if __name__ == "__main__":
    main()
