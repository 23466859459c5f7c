"""What the trainer asks of a stage.

A stage owns its networks, knows what a sample is, and has one or more players. Each player is a set of parameters
with an optimiser of its own and an objective that turns a batch into named, weighted losses; the trainer minimises
their sum. Players move in order on the same batch, and an earlier one may leave in it what it made for the later ones:
that is how a discriminator gets to see it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn
from torch.utils.data import Dataset

from restore_cli.training.config import DataConfig, LoopConfig
from restore_cli.training.photo_folder import PhotoFolder
from restore_cli.training.sheets import Row

Batch = dict[str, Tensor]
Losses = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Player:
    """Networks (by the stage's names) that learn together from one objective."""

    name: str
    networks: tuple[str, ...]
    objective: Callable[[Batch], Losses]
    """Batch to weighted losses; the keys appear in the log."""
    lr_scale: float = 1.0
    """Times the loop's learning rate."""


class Stage(Protocol):
    """One of: detector, VAEs, mapping, faces."""

    name: str
    config: Any
    """The stage's own settings, a frozen dataclass."""
    loop: LoopConfig
    data: DataConfig
    photos: PhotoFolder
    networks: nn.ModuleDict
    """All that is trained, by name; the trainer moves, averages and checkpoints it."""
    frozen: nn.ModuleDict
    """Networks that are used and not trained."""

    def players(self) -> tuple[Player, ...]:
        """Who learns from what, in order of their moves."""

    def dataset(self) -> Dataset[Batch]:
        """An endless data set: any index is a sample."""

    def validate(self, networks: nn.ModuleDict) -> dict[str, float]:
        """Figures on photos kept apart, of the given (averaged) networks in eval mode."""

    def export(self, networks: nn.ModuleDict, folder: Path) -> None:
        """Write the parts of the model folder that this stage makes."""


@runtime_checkable
class Shows(Protocol):
    """A stage whose progress can be looked at."""

    def sheet(self, networks: nn.ModuleDict) -> Sequence[Row]:
        """Rows of a contact sheet, from photos kept apart, of the given networks in eval mode."""


@runtime_checkable
class Remembers(Protocol):
    """A stage that started in a way which a resumed run could not tell from its folders."""

    def remembered(self) -> dict[str, Any]:
        """For the checkpoint, plain values."""

    def remember(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
