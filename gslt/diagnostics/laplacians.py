"""The four Laplacians: how each scales the ends of an edge, and what it maps to zero."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from gslt.config import check_choice
from gslt.diagnostics.graphs import as_topology
from gslt.diagnostics.topology import Topology

Laplacian = Literal["combinatorial", "symmetric", "augmented", "random_walk"]
LAPLACIANS: tuple[Laplacian, ...] = get_args(Laplacian)
Components = Literal["each", "whole"]

_OF_ARCHITECTURE: dict[str, Laplacian] = {
    "gin": "random_walk",
    "sage": "random_walk",
    "gcn": "augmented",
}


def laplacian_of(architecture: str) -> Laplacian:
    """The Laplacian of an architecture's own propagation.

    A mean over neighbours, as in gslt's ``gin`` and ``sage``, is D⁻¹A = I − (random-walk
    Laplacian). The propagation of ``gcn`` is I − (augmented Laplacian).

    Raises:
        ConfigError: for an architecture that gslt does not have.
    """
    check_choice("architecture", architecture, tuple(_OF_ARCHITECTURE))
    return _OF_ARCHITECTURE[architecture]


def edge_factor(topology: Topology, laplacian: Laplacian) -> Tensor | None:
    """Factor s ``(n,)`` in E(X) = Σ over edges ‖s_i x_i − s_j x_j‖²; None stands for ones."""
    check_choice("laplacian", laplacian, LAPLACIANS)
    if laplacian in ("combinatorial", "random_walk"):
        return None
    # No edge ends at a node without neighbours, so its factor never counts.
    degree = topology.degree + 1 if laplacian == "augmented" else topology.degree.clamp(min=1)
    return degree.rsqrt()


def inner_weight(topology: Topology, laplacian: Laplacian) -> Tensor | None:
    """ω ``(n,)`` in ⟨x, y⟩ = Σ_i ω_i x_i y_i, in which the Laplacian is symmetric; None: ones."""
    return topology.degree if laplacian == "random_walk" else None


def kernel_vector(topology: Topology, laplacian: Laplacian, components: Components) -> Tensor:
    """Vector v ``(n,)``, every restriction of which to a component the Laplacian maps to zero.

    With ``components="each"`` a node without neighbours has a 1, since the Laplacian is zero there;
    the formula alone would give it a 0 in D^½ 1.
    """
    check_choice("laplacian", laplacian, LAPLACIANS)
    check_choice("components", components, get_args(Components))
    if laplacian == "augmented":
        return (topology.degree + 1).sqrt()
    if laplacian == "symmetric":
        vector = topology.degree.sqrt()
        return torch.where(vector == 0, 1.0, vector) if components == "each" else vector
    return torch.ones_like(topology.degree)


def dominant_eigenvectors(graph: Any, laplacian: Laplacian = "combinatorial") -> Any:
    """The directions that propagation leaves alone: the eigenspace of the Laplacian's eigenvalue 0.

    One vector per connected component c, known in closed form, zero outside of it, and on it
    proportional to 1 (combinatorial, random walk), D^½ 1 (symmetric) or (D + I)^½ 1 (augmented).
    Every column has norm 1, for the random walk in the inner product Σ d_i x_i y_i, where a node
    without neighbours has no length and its column stays zero.

    Returns:
        A ``scipy.sparse.csr_array`` ``(n, components)``, one entry in a row, in float64.

    Raises:
        GraphError: if the graph cannot be read, see :func:`as_topology`.
        ConfigError: for another Laplacian.
    """
    topology = as_topology(graph).to("cpu")
    vector = kernel_vector(topology, laplacian, "each")
    weight = inner_weight(topology, laplacian)
    squares = vector.square() if weight is None else vector.square() * weight
    total = torch.zeros(topology.num_components, dtype=torch.float64)
    total.index_add_(0, topology.component, squares)
    length = total.sqrt()[topology.component]
    value = torch.where(length > 0, vector / length, 0.0)
    place = (np.arange(topology.num_nodes), topology.component.numpy())
    return sp.csr_array((value.numpy(), place), shape=(topology.num_nodes, topology.num_components))


def laplacian_matrix(graph: Any, laplacian: Laplacian = "combinatorial") -> Any:
    """The Laplacian as a ``scipy.sparse.csr_array`` ``(n, n)``, float64.

    D − A (combinatorial), I − D^(−½) A D^(−½) (symmetric), I − D̂^(−½) (A + I) D̂^(−½) with
    D̂ = D + I (augmented), I − D⁻¹ A (random walk). Rows of nodes without neighbours are zero.

    Raises:
        GraphError: if the graph cannot be read, see :func:`as_topology`.
        ConfigError: for another Laplacian.
    """
    check_choice("laplacian", laplacian, LAPLACIANS)
    topology = as_topology(graph).to("cpu")
    adjacency, degree = topology.adjacency(), topology.degree.numpy()
    combinatorial = sp.diags_array(degree) - adjacency
    if laplacian == "combinatorial":
        return combinatorial.tocsr()
    if laplacian == "random_walk":
        return (sp.diags_array(1 / np.maximum(degree, 1)) @ combinatorial).tocsr()
    factor = edge_factor(topology, laplacian)
    assert factor is not None
    scale = sp.diags_array(factor.numpy())
    return (scale @ combinatorial @ scale).tocsr()
