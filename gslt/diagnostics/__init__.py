"""Over-smoothing, measured: energies, ranks and distances of representations on a graph.

Every measure is a pure function of representations and a graph, see ``docs/diagnostics.md``, and
stands once in the registry :data:`MEASURES` with its label, unit and source. :func:`measure` takes
them at once, :func:`probe` after every step of a model, and :class:`SearchProbe` along a search;
what reads the registry shows a new measure without a change. Laplacians, their kernels and gaps are
here too, and graphs of every library become one :class:`Topology`.
"""

from __future__ import annotations

from gslt.diagnostics.cosines import mad, mad_gap
from gslt.diagnostics.labels import Labels
from gslt.diagnostics.laplacians import (
    LAPLACIANS,
    Components,
    Laplacian,
    decay_rate,
    dominant_eigenvectors,
    laplacian_matrix,
    spectral_gap,
)
from gslt.diagnostics.measures import (
    Normalisation,
    centred_rayleigh_quotient,
    collapse,
    dirichlet_energy,
    effective_rank,
    numerical_rank,
    rayleigh_quotient,
)
from gslt.diagnostics.probe import PROBE, SearchProbe, probe
from gslt.diagnostics.propagation import laplacian_of
from gslt.diagnostics.representation import Average, Form, Representation
from gslt.diagnostics.separation import linear_probe, linear_probe_val, nc1
from gslt.diagnostics.smoothness import (
    DEFAULT_MEASURES,
    MEASURES,
    Measure,
    Smoothness,
    default_measures,
    measure,
)
from gslt.diagnostics.steps import Reading, Step
from gslt.diagnostics.topology import Topology, as_topology
from gslt.diagnostics.trace import Trace

__all__ = [
    "DEFAULT_MEASURES",
    "LAPLACIANS",
    "MEASURES",
    "PROBE",
    "Average",
    "Components",
    "Form",
    "Labels",
    "Laplacian",
    "Measure",
    "Normalisation",
    "Reading",
    "Representation",
    "SearchProbe",
    "Smoothness",
    "Step",
    "Topology",
    "Trace",
    "as_topology",
    "centred_rayleigh_quotient",
    "collapse",
    "decay_rate",
    "default_measures",
    "dirichlet_energy",
    "dominant_eigenvectors",
    "effective_rank",
    "laplacian_matrix",
    "laplacian_of",
    "linear_probe",
    "linear_probe_val",
    "mad",
    "mad_gap",
    "measure",
    "nc1",
    "numerical_rank",
    "probe",
    "rayleigh_quotient",
    "spectral_gap",
]
