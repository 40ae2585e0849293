"""Every measure at once: one pass over the edges, one Gram matrix."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from gslt.config import check_choice
from gslt.diagnostics.cosine import Average, mad_form, mad_of
from gslt.diagnostics.gap import mad_gap
from gslt.diagnostics.graphs import as_topology
from gslt.diagnostics.laplacians import (
    LAPLACIANS,
    Components,
    Laplacian,
    edge_factor,
    inner_weight,
)
from gslt.diagnostics.ranks import NAN, effective_rank_of, numerical_rank_of, singular_values
from gslt.diagnostics.sums import (
    Form,
    check_representations,
    edge_sums,
    residual,
    squared_norms,
)
from gslt.diagnostics.topology import Topology


@dataclass(frozen=True)
class Smoothness:
    """What :func:`measure` found; a measure that was not asked for is None."""

    laplacian: Laplacian
    """Laplacian of the energy, the two quotients and the collapse."""
    dirichlet_energy: float | None = None
    """E(X), not normalised; see :func:`gslt.diagnostics.dirichlet_energy`."""
    rayleigh_quotient: float | None = None
    """See :func:`gslt.diagnostics.rayleigh_quotient`."""
    centred_rayleigh_quotient: float | None = None
    """See :func:`gslt.diagnostics.centred_rayleigh_quotient`."""
    collapse: float | None = None
    """See :func:`gslt.diagnostics.collapse`."""
    numerical_rank: float | None = None
    """See :func:`gslt.diagnostics.numerical_rank`."""
    effective_rank: float | None = None
    """See :func:`gslt.diagnostics.effective_rank`."""
    mad: float | None = None
    """See :func:`gslt.diagnostics.mad`."""
    mad_gap: float | None = None
    """See :func:`gslt.diagnostics.mad_gap`; only where it is asked for by name."""

    def as_dict(self) -> dict[str, str | float]:
        """Name and value of the Laplacian and of every measure that was asked for."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


#: Every measure; all but the last, which samples, are taken unless others are named.
MEASURES: tuple[str, ...] = tuple(field.name for field in fields(Smoothness)[1:])
_ENERGIES = {"dirichlet_energy", "rayleigh_quotient", "centred_rayleigh_quotient"}
_CENTRED = {"centred_rayleigh_quotient", "collapse"}
_RANKS = {"numerical_rank", "effective_rank"}


def measure(
    x: Tensor,
    graph: Any,
    laplacian: Laplacian = "combinatorial",
    *,
    only: Collection[str] | None = None,
    mad: Average = "nodes",
    components: Components = "each",
) -> Smoothness:
    """Measure how smooth representations are on a graph.

    Time is linear in edges × width plus nodes × width², extra memory in nodes + edges + components
    × width + width²; sums are in float64. Of an x that holds NaN or infinity every measure is NaN.

    Args:
        x: representations ``(n, h)``: float64, float32, bfloat16 or float16, on any device.
        graph: whatever :func:`as_topology` reads; give a ``Topology`` to measure more than once.
        laplacian: ``"combinatorial"``, ``"symmetric"``, ``"augmented"`` or ``"random_walk"``; see
            :func:`laplacian_of` for an architecture's own.
        only: names out of ``MEASURES``; default: all but ``"mad_gap"``.
        mad: how distances are averaged, see :func:`mad`.
        components: what is taken off X, see :func:`collapse`.

    Raises:
        GraphError: if the graph cannot be read or does not fit x, or x is no dense matrix of
            floating-point numbers.
        ConfigError: for a name that does not exist.
    """
    wanted = set(MEASURES[:-1]) if only is None else set(only)
    for name in wanted:
        check_choice("only", name, MEASURES)
    check_representations(x)
    x = x.detach()
    with torch.no_grad():
        topology = as_topology(graph, x.size(0)).to(x.device)
        check_choice("laplacian", laplacian, LAPLACIANS)
        norms = squared_norms(x)
        if not math.isfinite(float(norms.sum())):
            return Smoothness(laplacian, **dict.fromkeys(wanted, NAN))
        found = _of_edges(x, topology, laplacian, components, norms, mad, wanted)
        if wanted & _RANKS:
            sigma = singular_values(x)
            found["numerical_rank"] = numerical_rank_of(sigma)
            found["effective_rank"] = effective_rank_of(sigma)
        if "mad_gap" in wanted:
            found["mad_gap"] = mad_gap(x, topology)
    return Smoothness(laplacian, **{name: found[name] for name in wanted})


def _of_edges(
    x: Tensor,
    topology: Topology,
    laplacian: Laplacian,
    components: Components,
    norms: Tensor,
    average: Average,
    wanted: set[str],
) -> dict[str, float]:
    """Energy, quotients, collapse and MAD; those that are not wanted may be missing or NaN."""
    forms = {}
    if wanted & _ENERGIES:
        forms["energy"] = Form(edge_factor(topology, laplacian))
    if "mad" in wanted:
        forms["mad"] = mad_form(topology, norms, average)
    sums = dict(zip(forms, edge_sums(x, topology, list(forms.values())), strict=True))
    inner = inner_weight(topology, laplacian)
    size = float((norms if inner is None else norms * inner).sum())
    energy = sums.get("energy", NAN)
    found = {"dirichlet_energy": energy, "rayleigh_quotient": _ratio(energy, size)}
    if wanted & _CENTRED:
        rest = residual(x, topology, laplacian, components)
        # X − PX has the energy of X, since the Laplacian maps PX to zero.
        rounding = torch.finfo(x.dtype).eps ** 2 * size
        found["centred_rayleigh_quotient"] = _ratio(energy, rest) if rest > rounding else NAN
        found["collapse"] = _ratio(rest, size)
    if "mad" in wanted:
        found["mad"] = mad_of(sums["mad"], topology, norms, average)
    return found


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else NAN
