"""What a run tells while it goes: a line a step in `STAGE.log.jsonl`, a TensorBoard log, contact sheets."""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from restore_cli.errors import OldPhotoError, TrainingStopped
from restore_cli.training.sheets import Row, draw_sheet, write_sheet

log = logging.getLogger(__name__)
SHEET_SHARE = 0.5
"""Size of a sheet in TensorBoard, which keeps every one of them in its log."""


class Journal:
    """The logs of one stage in one run folder. Only the main process of a run has one."""

    def __init__(self, folder: Path, stage: str, *, tensorboard: bool) -> None:
        """tensorboard: write into `folder/tensorboard/STAGE` as well, if the package is there."""
        self.folder, self.stage = folder, stage
        self.path = folder / f"{stage}.log.jsonl"
        self._board: Any = None
        self._wants_board = tensorboard

    def start(self, step: int) -> None:
        """Open the logs; what an earlier run wrote after the step from which this one goes on is forgotten."""
        with self._told():
            kept = [line for line in self._lines() if line["step"] <= step] if step else []
            text = "".join(json.dumps(line) + "\n" for line in kept)
            temporary = self.path.with_name(f".{self.path.name}.tmp")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self.path)
        if self._wants_board and importlib.util.find_spec("tensorboard") is None:
            log.info("no TensorBoard log: pip install 'oldphoto[train]' brings the package")
        elif self._wants_board:
            self._open_board(step)

    def write(self, step: int, figures: Mapping[str, float], *, group: str) -> None:
        """Enter figures of a step; `group` is their heading in TensorBoard."""
        with self._told():
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, **figures}) + "\n")
            if self._board is not None:
                for name, value in figures.items():
                    self._board.add_scalar(f"{group}/{name}", value, step)

    def show(self, step: int, rows: Sequence[Row]) -> None:
        """Write the contact sheet of a step."""
        path = self.folder / f"{self.stage}.sheets" / f"{step:06}.png"
        with self._told():
            path.parent.mkdir(exist_ok=True)
            write_sheet(rows, path)
            if self._board is not None:
                size = (0, 0)
                small = cv2.resize(draw_sheet(rows), size, fx=SHEET_SHARE, fy=SHEET_SHARE, interpolation=cv2.INTER_AREA)
                self._board.add_image("photos", small, step, dataformats="HWC")

    def close(self) -> None:
        """Flush what TensorBoard has not written yet."""
        if self._board is not None:
            with self._told():
                self._board.close()

    def _open_board(self, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = self.folder / "tensorboard" / self.stage
        with self._told():
            self._board = SummaryWriter(str(folder), purge_step=step + 1 if step else None)  # type: ignore[no-untyped-call]

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self.path.is_file():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:  # the line that a kill cut short
                continue

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            raise TrainingStopped(
                f"the log in {self.folder} could not be written: {problem}",
                hint="free some disk space and go on with --resume",
                path=self.folder,
            ) from problem
        except OldPhotoError as problem:
            raise TrainingStopped(problem.message, hint=problem.hint, path=self.folder) from problem
