"""What one network gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gslt.diagnostics.laplacians import laplacian_of
from gslt.diagnostics.smoothness import MEASURES
from gslt.studies.smooth.networks import Network
from gslt.studies.smoothness import Profile, endpoints, log_quotients

#: What the logarithm of the centred quotient is computed from.
OF_LOG_QUOTIENT = ("dirichlet_energy", "centred_rayleigh_quotient")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one network gave."""

    network: Network
    graph: dict[str, Any]
    """Facts about the graph: :meth:`gslt.NodeDataset.info`."""
    profile: Profile
    """Measures by name, a number for every layer, the last being that of the logits."""
    test_accuracy: float
    """A fraction."""
    steps: Sequence[dict[str, Any]] = ()
    """A row for every step of every layer, where they were asked for."""
    search: Sequence[dict[str, Any]] = ()
    """The layers' rows of the run's probe file, of this seed."""
    environment: dict[str, Any] | None = None
    """Versions and hardware of the record that it is taken from; None where it was measured now."""

    @property
    def dataset(self) -> str:
        """Name of the graph, with the word synthetic where it is."""
        name = str(self.graph["name"])
        unsaid = self.graph.get("synthetic") and "synthetic" not in name.lower()
        return f"{name} (synthetic)" if unsaid else name

    @property
    def laplacian(self) -> str:
        """The Laplacian of the network's own propagation, which the measures take."""
        return laplacian_of(self.network.model.architecture)

    @property
    def log_quotients(self) -> list[float | None]:
        """Logarithm of every layer's centred quotient; empty where that was not measured."""
        taken = all(name in self.profile for name in OF_LOG_QUOTIENT)
        return log_quotients(self.profile) if taken else []

    @property
    def endpoints(self) -> dict[str, float | None]:
        """See :func:`gslt.studies.smoothness.endpoints`; of the measures that were taken."""
        empty: list[float | None] = [None] * self.network.depth
        found = endpoints({name: self.profile.get(name, empty) for name in MEASURES[:-1]})
        taken = set(self.profile)
        if taken.issuperset(OF_LOG_QUOTIENT):
            taken.add("log_quotient")
        return {name: v for name, v in found.items() if name.removesuffix("_slope") in taken}
