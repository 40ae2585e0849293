"""What one network gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gslt.diagnostics import DEFAULT_MEASURES, laplacian_of
from gslt.oversmoothing.networks import Network
from gslt.studies.report.provenance import shown_name
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
    called: str = ""
    """What the graph is called where its own name stands for several."""

    @property
    def dataset(self) -> str:
        """Name of the graph, with the word synthetic where it is."""
        return shown_name(self.called or str(self.graph["name"]), self.graph)

    def row(self, layer: int) -> dict[str, float | None]:
        """The measures of one layer, which is counted from 0, or from the last with −1."""
        return {name: values[layer] for name, values in self.profile.items()}

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
        found = endpoints({name: self.profile.get(name, empty) for name in DEFAULT_MEASURES})
        taken = set(self.profile)
        if taken.issuperset(OF_LOG_QUOTIENT):
            taken.add("log_quotient")
        return {name: v for name, v in found.items() if name.removesuffix("_slope") in taken}


def drawn(row: Mapping[str, Any], name: str) -> float | None:
    """What a picture shows of a measure of one representation: 0 for a total collapse.

    The centred quotient of what has nothing left outside the dominant eigenvector is undefined, and
    its logarithm counts as −∞, see :func:`gslt.studies.smoothness.log_quotients`.
    """
    value: float | None = row.get(name)
    collapsed = value is None and row.get("dirichlet_energy") is not None
    return 0.0 if collapsed and name == "centred_rayleigh_quotient" and name in row else value
