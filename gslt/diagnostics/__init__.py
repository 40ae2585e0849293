"""Over-smoothing, measured: energies, ranks and distances of representations on a graph.

Every measure is a pure function of representations and a graph, see ``docs/diagnostics.md``.
"""

from __future__ import annotations

from gslt.diagnostics.cosine import Average
from gslt.diagnostics.gap import mad_gap
from gslt.diagnostics.graphs import as_topology
from gslt.diagnostics.laplacians import (
    LAPLACIANS,
    Components,
    Laplacian,
    dominant_eigenvectors,
    laplacian_matrix,
    laplacian_of,
)
from gslt.diagnostics.measures import (
    Normalisation,
    centred_rayleigh_quotient,
    collapse,
    dirichlet_energy,
    mad,
    rayleigh_quotient,
)
from gslt.diagnostics.probe import Reading, Trace, probe
from gslt.diagnostics.ranks import effective_rank, numerical_rank
from gslt.diagnostics.search_probe import SearchProbe
from gslt.diagnostics.smoothness import MEASURES, Smoothness, measure
from gslt.diagnostics.spectrum import decay_rate, spectral_gap
from gslt.diagnostics.topology import Topology

__all__ = [
    "LAPLACIANS",
    "MEASURES",
    "Average",
    "Components",
    "Laplacian",
    "Normalisation",
    "Reading",
    "SearchProbe",
    "Smoothness",
    "Topology",
    "Trace",
    "as_topology",
    "centred_rayleigh_quotient",
    "collapse",
    "decay_rate",
    "dirichlet_energy",
    "dominant_eigenvectors",
    "effective_rank",
    "laplacian_matrix",
    "laplacian_of",
    "mad",
    "mad_gap",
    "measure",
    "numerical_rank",
    "probe",
    "rayleigh_quotient",
    "spectral_gap",
]
