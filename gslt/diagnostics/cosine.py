"""Cosine distances between neighbours, as squares of differences of unit rows."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from gslt.config import check_choice
from gslt.diagnostics.ranks import NAN
from gslt.diagnostics.sums import Form
from gslt.diagnostics.topology import Topology

Average = Literal["nodes", "edges", "survey"]


def inverse_norms(norms: Tensor) -> Tensor:
    """1/‖x_i‖ from ‖x_i‖², and 0 for a zero row."""
    return torch.where(norms > 0, norms.rsqrt(), 0.0)


def mad_form(topology: Topology, norms: Tensor, average: Average) -> Form:
    """The form that is Σ weight · 2 (1 − cos) over the edges between rows that are not zero.

    For unit rows ‖u_i − u_j‖² = 2 (1 − cos): no cancellation where rows are nearly parallel.
    """
    return Form(inverse_norms(norms), _weight(topology, average))


def mad_of(twice: float, topology: Topology, norms: Tensor, average: Average) -> float:
    """MAD from the value of :func:`mad_form`, and the edges at zero rows.

    An edge between a zero row and another counts 1 there, and 2 (1 − 0) is due; one between two
    zero rows counts 0, as it should.
    """
    if topology.num_edges == 0:
        return NAN
    weight, zero = _weight(topology, average), norms == 0
    i, j = topology.edges[:, zero[topology.edges[0]] != zero[topology.edges[1]]]
    return (twice + float((weight[i] + weight[j]).sum())) / 2


def _weight(topology: Topology, average: Average) -> Tensor:
    """Vector a ``(n,)``: the edge i – j has the weight a_i + a_j in the average."""
    check_choice("average", average, get_args(Average))
    degree = topology.degree
    if average == "nodes":
        return 1 / (degree.clamp(min=1) * max(1, int((degree > 0).sum())))
    count = 2 * topology.num_edges if average == "edges" else topology.num_nodes
    return torch.full_like(degree, 1 / max(1, count))
