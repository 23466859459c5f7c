"""One photo through the networks, in whatever pieces, on whatever device and in whatever precision it takes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restore_cli.errors import OutOfMemory, is_out_of_memory
from restore_cli.restoration.bands import banded
from restore_cli.restoration.box import Box
from restore_cli.restoration.device import NotANumberError, no_numbers
from restore_cli.restoration.fusing import BYTES_PER_PX, ROW_BYTES_PER_PX, Pieces, fused, gathered, octave_tasks
from restore_cli.restoration.memory import working_bytes
from restore_cli.restoration.model import RestorationModel
from restore_cli.restoration.passes import LATENT_PX, Task, prepare
from restore_cli.restoration.pixels import Pixels, to_unit
from restore_cli.restoration.plan import Plan, StreamPlan, plan, smallest_bytes
from restore_cli.restoration.settings import RestoreSettings
from restore_cli.restoration.tone import ROWS, blend, stretch
from restore_cli.restoration.way_rows import streamed

log = logging.getLogger(__name__)
Made = TypeVar("Made")
UnitPieces = Iterator[tuple[Box, NDArray[np.float32]]]
"""Boxes of the photo, (h, w, 3) in [0, 1] each."""
BLACK = -0.999
"""Largest value of a piece that counts as black, in [-1, 1]."""
WORTH_A_WORD = 1.1
"""Of a limit: what is needed is a careful guess."""
NOT_BLACK = 0.02
"""Mean level of a photo's piece, of 1, from which its result has no reason to be black."""


def restored_pixels(
    model: RestorationModel,
    branch: str,
    image: Pixels,
    damaged: NDArray[np.bool_],
    settings: RestoreSettings,
    max_memory_bytes: int | None,
    *,
    sharers: int = 1,
) -> tuple[Pixels, tuple[str, ...]]:
    """A photo (H, W, C) through a branch, with tone and strength; and notes on what was done otherwise than asked.

    sharers: how many photos share the memory just now.

    Out of memory: smaller pieces, then the CPU. A result that is no number: float32. Raises OutOfMemory if even the
    smallest pieces do not fit the CPU.
    """
    if branch == "patch":  # as the released code does for this branch alone
        damaged = cv2.dilate(damaged.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=3).astype(bool)
    notes: tuple[str, ...] = ()
    for place in (model, model.on_cpu) if model.device.type != "cpu" else (model,):
        try:
            task = prepare(place.way(branch), image, damaged, device=place.device, dtype=place.dtype)
        except torch.cuda.OutOfMemoryError:
            notes += (_on_the_cpu(place),)
            continue
        pixels, more = _in_numbers(task, image, settings, max_memory_bytes if place is model else None, sharers)
        notes += more
        if pixels is not None:
            return pixels, notes
        notes += (_on_the_cpu(place),)
    height, width = damaged.shape
    raise OutOfMemory(
        f"a photo of {width} x {height} pixels does not fit the memory of {model.device}",
        hint="use --model small, close other programs or give a smaller photo",
    )


def _in_numbers(
    task: Task, image: Pixels, settings: RestoreSettings, max_memory_bytes: int | None, sharers: int
) -> tuple[Pixels | None, tuple[str, ...]]:
    """As `_within_memory`, in float32 where less gives values that are no picture, and a note. Raises OldPhotoError
    where that does, too.
    """
    notes: tuple[str, ...] = ()
    for dtype in dict.fromkeys((task.dtype, torch.float32)):
        try:
            return _within_memory(replace(task, dtype=dtype), image, settings, max_memory_bytes, sharers), notes
        except NotANumberError:
            precision = str(dtype).removeprefix("torch.")
            notes = (f"redone in float32: {precision} gave values that are no picture",)
    raise no_numbers()


def _on_the_cpu(place: RestorationModel) -> str:
    return f"{place.device} ran out of memory: restored on the CPU"


def _within_memory(
    task: Task, image: Pixels, settings: RestoreSettings, max_memory_bytes: int | None, sharers: int
) -> Pixels | None:
    """Octave by octave, as planned or in ever smaller pieces; None if even the smallest did not fit.

    Raises NotANumberError.
    """

    nearest, *others = octave_tasks(task)

    def tried(
        octave: Task, farther: Tensor | None, put_together: Callable[[Pieces], Made], made_bytes: int
    ) -> Made | None:
        budget = working_bytes(task.device, max_memory_bytes, sharers)
        if farther is not None:
            budget -= ROW_BYTES_PER_PX * octave.mask.shape[1]
        if task.device.type == "cpu":
            budget -= made_bytes
        if octave is nearest and max_memory_bytes is not None:
            _warn_if_wide(max_memory_bytes, max_memory_bytes + smallest_bytes(octave) - budget)
        return _in_some_pieces(octave, farther, put_together, budget)

    farther: Tensor | None = None
    for octave in reversed(others):
        farther = tried(octave, farther, partial(gathered, octave), BYTES_PER_PX * octave.mask.size)
        if farther is None:
            return None
    result_bytes = image.nbytes if settings.tone == "keep" else image.nbytes + 12 * task.mask.size
    return tried(nearest, farther, partial(_blended, image, settings), result_bytes)


def _warn_if_wide(asked_bytes: int, needed_bytes: int) -> None:
    if needed_bytes > WORTH_A_WORD * asked_bytes:
        log.warning("--max-memory cannot be kept for a photo of this width: it takes up to %.1f GB", needed_bytes / 1e9)


def _in_some_pieces(
    task: Task, farther: Tensor | None, put_together: Callable[[Pieces], Made], budget: int
) -> Made | None:
    """One octave in the largest pieces that fit; None if even the smallest did not. farther: what to fuse it with."""
    attempt: Plan | None = plan(task, budget)
    while attempt is not None:
        try:
            return put_together(_pieces(task, attempt, farther))
        except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        attempt = attempt.smaller()  # outside the handler, whose traceback holds on to tensors
        if task.device.type == "cuda":
            torch.cuda.empty_cache()
        log.warning("out of memory: trying again with %s", attempt)
    return None


def _blended(image: Pixels, settings: RestoreSettings, pieces: Pieces) -> Pixels:
    """Piece by piece into the photo's own levels."""
    units: UnitPieces = ((box, to_unit(piece)) for box, piece in pieces)
    if settings.tone == "stretch":
        units = _stretched(units, *image.shape[:2])
    result = np.empty_like(image)
    for box, unit in units:
        result[box.slices] = blend(image[box.slices], unit, settings.strength)
    return result


def _stretched(pieces: UnitPieces, height: int, width: int) -> UnitPieces:
    """The same after `stretch`, which needs all of them first."""
    full = np.empty((height, width, 3), np.float32)
    for box, unit in pieces:
        full[box.slices] = unit
    stretch(full)
    for top in range(0, height, ROWS):
        box = Box(top, 0, min(top + ROWS, height), width)
        yield box, full[box.slices]


def _pieces(task: Task, attempt: Plan, farther: Tensor | None) -> Pieces:
    """Boxes of the photo and what became of them, (1, 3, h, w) in [-1, 1]."""
    if isinstance(attempt, StreamPlan):
        pieces = streamed(task, LATENT_PX * attempt.rows)
    else:
        pieces = banded(task, attempt.shelf, attempt.rows)
    if farther is not None:
        assert task.way.fusion is not None
        pieces = fused(task, task.way.fusion, pieces, farther)
    for box, piece in pieces:
        _check(task, box, piece)
        yield box, piece


def _check(task: Task, box: Box, piece: Tensor) -> None:
    """Raises NotANumberError for a piece that low precision, or the model itself, has spoilt."""
    spoilt = not bool(piece.isfinite().all())
    if task.dtype != torch.float32 and not spoilt and bool((piece <= BLACK).all()):
        image = task.image[box.slices]
        spoilt = float(image.mean()) > NOT_BLACK * np.iinfo(image.dtype).max
    if spoilt:
        raise NotANumberError
