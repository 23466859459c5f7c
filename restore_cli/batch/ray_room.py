"""What one worker reserves on a cluster, and how many of them its machines have room for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from restore_cli.batch.ray_cluster import RayOptions
from restore_cli.errors import UsageProblem

CPUS = 1
MACHINES_NAMED = 3

Node = Mapping[str, Any]
"""One of `ray.nodes()`: "Alive", and what it has at all as "Resources"."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """What each worker reserves: one CPU and so many GPUs of one machine."""

    gpus: float

    @classmethod
    def of(cls, options: RayOptions, nodes: Iterable[Node]) -> Need:
        """As asked for; else a GPU if any machine has one."""
        if options.gpus_per_worker is not None:
            return cls(gpus=options.gpus_per_worker)
        return cls(gpus=1.0 if any(_has(node, "GPU") >= 1 for node in nodes) else 0.0)

    def places(self, nodes: Iterable[Node]) -> int:
        """How many workers the living machines hold while nobody else uses them."""
        return sum(self._places_on(node) for node in nodes)

    def refusal(self, nodes: Iterable[Node]) -> UsageProblem:
        """What to say where there is no place at all."""
        return UsageProblem(
            f"the cluster has no room for a worker: {self.compared_with(nodes)}",
            hint="Let machines that have it join (`ray start --address=...`), or change --gpus-per-worker (0: no GPU).",
        )

    def compared_with(self, nodes: Iterable[Node]) -> str:
        """Need and supply in half a sentence."""
        kinds = {f"{_has(node, 'CPU'):g} CPUs and {_has(node, 'GPU'):g} GPUs": None for node in nodes if node["Alive"]}
        machines = "; ".join(list(kinds)[:MACHINES_NAMED]) or "are gone"
        return f"each needs {CPUS} CPU and {self.gpus:g} GPUs of one machine, and the machines have {machines}"

    def _places_on(self, node: Node) -> int:
        by_cpu = int(_has(node, "CPU") / CPUS)
        return min(by_cpu, int(_has(node, "GPU") / self.gpus)) if self.gpus else by_cpu


def _has(node: Node, resource: str) -> float:
    """A dead machine has nothing."""
    return float(node["Resources"].get(resource, 0)) if node["Alive"] else 0.0
