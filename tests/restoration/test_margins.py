"""What of a scan is the paper around the picture."""

import numpy as np
import pytest
from numpy.typing import NDArray

from restore_cli.restoration.box import Box
from restore_cli.restoration.margins import margins_of

PAPER = (246, 240, 228)


def scan(height: int = 200, width: int = 300) -> NDArray[np.uint8]:
    """A picture of many colours in blocks, with a little grain."""
    rng = np.random.default_rng(1)
    blocks = rng.integers(20, 200, (height // 10, width // 10, 3))
    return (np.kron(blocks, np.ones((10, 10, 1))) + rng.normal(0, 2, (height, width, 3))).astype(np.uint8)


def margin_of(photo: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.bool_]:
    margins = margins_of(photo)
    return np.zeros(photo.shape[:2], bool) if margins is None else margins.within(Box(0, 0, *photo.shape[:2]))


def test_an_even_strip_along_a_side_is_margin() -> None:
    photo = scan()
    photo[:, :9] = PAPER
    photo[190:] = PAPER
    expected = np.zeros((200, 300), bool)
    expected[:, :9] = expected[190:] = True
    assert (margin_of(photo) == expected).all()
    assert (margin_of(photo.astype(np.uint16) * 257) == expected).all()


def test_its_inner_edge_may_be_ragged() -> None:
    photo = scan()
    for row, breadth in enumerate(np.random.default_rng(0).integers(4, 16, 200)):
        photo[row, :breadth] = PAPER
    assert (margin_of(photo) == (photo == PAPER).all(axis=2)).mean() > 0.999


def test_scratches_and_specks_on_it_are_not() -> None:
    photo = scan()
    photo[:12] = PAPER
    photo[2:5, 100:140] = 90
    assert not margin_of(photo)[2:5, 100:140].any()
    assert margin_of(photo)[:12].mean() > 0.95


@pytest.mark.parametrize(
    ("rows", "columns"),
    [(slice(0, 120), slice(None)), (slice(0, 15), slice(0, 180)), (slice(60, 70), slice(None))],
    ids=["a sky", "a torn strip of less than a side", "inside the picture"],
)
def test_other_even_places_are_not(rows: slice, columns: slice) -> None:
    photo = scan()
    photo[rows, columns] = PAPER
    assert margins_of(photo) is None


def test_large_scans_are_seen_smaller() -> None:
    photo = scan(1630, 2010)
    photo[:, :80] = PAPER
    found = margins_of(photo)
    assert found is not None
    assert found.found.shape == (407, 502)
    inside = found.within(Box(1000, 0, 1400, 2010))
    assert inside[:, :76].all()
    assert not inside[:, 84:].any()


def test_a_panorama_is_seen_smaller_than_its_short_side_asks_for() -> None:
    photo = scan(400, 9000)
    photo[:40] = PAPER
    found = margins_of(photo)
    assert found is not None
    assert found.found.shape == (100, 2250)
    assert found.within(Box(0, 0, 36, 9000)).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (63, 63)])
def test_a_photo_too_small_to_have_one_has_none(size: tuple[int, int]) -> None:
    photo = np.zeros((*size, 1), np.uint8)
    photo[:1] = 255
    assert margins_of(photo) is None
