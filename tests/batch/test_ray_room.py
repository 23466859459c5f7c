from __future__ import annotations

from typing import Any

import pytest

from restore_cli.batch.ray_cluster import RayOptions
from restore_cli.batch.ray_room import Need


def node(cpus: float, gpus: float = 0, *, alive: bool = True) -> dict[str, Any]:
    """As `ray.nodes()` describes a machine, as far as it is looked at; without a GPU there is no such key."""
    return {"Alive": alive, "Resources": {"CPU": float(cpus)} | ({"GPU": float(gpus)} if gpus else {})}


def test_a_worker_has_a_gpu_where_there_is_one() -> None:
    assert Need.of(RayOptions(), [node(4), node(4, 1)]) == Need(gpus=1)
    assert Need.of(RayOptions(), [node(4), node(4, 1, alive=False)]) == Need(gpus=0)
    assert Need.of(RayOptions(gpus_per_worker=0.5), [node(4)]) == Need(gpus=0.5)


@pytest.mark.parametrize(
    ("gpus", "places"), [(0, 10), (0.5, 4), (1, 3), (2, 1), (4, 0)], ids=lambda value: f"{value:g}"
)
def test_places(gpus: float, places: int) -> None:
    """Each worker is on one machine, and takes a CPU there: two GPUs of two machines are not what it needs."""
    nodes = [node(4), node(4, 1), node(2, 2), node(0, 8), node(64, 8, alive=False)]
    assert Need(gpus=gpus).places(nodes) == places


def test_what_is_said_where_there_is_no_place() -> None:
    problem = Need(gpus=1).refusal([node(4), node(4), node(16)])
    assert "each needs 1 CPU and 1 GPUs of one machine, and the machines have" in problem.message
    assert "4 CPUs and 0 GPUs; 16 CPUs and 0 GPUs" in problem.message
    assert "--gpus-per-worker" in problem.hint
    assert "are gone" in Need(gpus=0).refusal([node(4, alive=False)]).message
