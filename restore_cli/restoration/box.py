"""Rectangles of a picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels: rows top..bottom, columns left..right, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """To cut it out of an array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, margin: int, height: int, width: int) -> Box:
        """With `margin` on every side, but not beyond a picture of the given size."""
        return Box(
            max(self.top - margin, 0),
            max(self.left - margin, 0),
            min(self.bottom + margin, height),
            min(self.right + margin, width),
        )

    def within(self, other: Box) -> Box:
        """The same rectangle in coordinates that start at the other's corner."""
        return Box(self.top - other.top, self.left - other.left, self.bottom - other.top, self.right - other.left)

    def clipped(self, height: int, width: int) -> Box:
        """Without what lies beyond a picture of the given size."""
        return Box(self.top, self.left, min(self.bottom, height), min(self.right, width))


def padded_size(height: int, width: int, *, multiple: int, smallest: int) -> tuple[int, int]:
    """The smallest size a network takes that holds the picture: multiples of `multiple`, at least `smallest`."""

    def up(side: int) -> int:
        return -(-max(side, smallest) // multiple) * multiple

    return up(height), up(width)
