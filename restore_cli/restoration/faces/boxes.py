"""Set arithmetic on boxes of photo pixels."""

from __future__ import annotations

from restore_cli.restoration.box import Box


def is_empty(box: Box) -> bool:
    """Whether it holds no pixel; its ends may even lie the wrong way round."""
    return box.bottom <= box.top or box.right <= box.left


def shared(one: Box, other: Box) -> Box:
    """The pixels that lie in both; may be empty."""
    return Box(
        max(one.top, other.top),
        max(one.left, other.left),
        min(one.bottom, other.bottom),
        min(one.right, other.right),
    )


def around(one: Box, other: Box) -> Box:
    """The smallest box that holds both."""
    return Box(
        min(one.top, other.top),
        min(one.left, other.left),
        max(one.bottom, other.bottom),
        max(one.right, other.right),
    )
