"""The four Laplacians: how each scales the ends of an edge, its matrix, kernel and spectrum."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import scipy.sparse.linalg as sla
import torch
from torch import Tensor

from gslt.diagnostics.topology import Topology, as_topology
from gslt.errors import ConfigError, GraphError
from gslt.random import Stream
from gslt.settings import check_choice

Float64 = npt.NDArray[np.float64]
Laplacian = Literal["combinatorial", "symmetric", "augmented", "random_walk"]
LAPLACIANS: tuple[Laplacian, ...] = get_args(Laplacian)
Components = Literal["each", "whole"]

#: Up to this many nodes a dense solver is as fast as Lanczos.
DENSE = 256
#: Lanczos: eigenvalues sought (more than one, since the next ones are what slows it), vectors kept,
#: restarts before it gives up, and relative error that it may leave.
_SOUGHT, _VECTORS, _RESTARTS, _TOLERANCE = 8, 40, 500, 1e-12


def edge_factor(topology: Topology, laplacian: Laplacian) -> Tensor | None:
    """Factor s ``(n,)`` in E(X) = Σ over edges ‖s_i x_i − s_j x_j‖²; None stands for ones.

    Args:
        topology: the graph, n nodes.
        laplacian: one of :data:`LAPLACIANS`.

    Raises:
        ConfigError: for another Laplacian.
    """
    check_choice("laplacian", laplacian, LAPLACIANS)
    if laplacian in ("combinatorial", "random_walk"):
        return None
    # No edge ends at a node without neighbours, so its factor never counts.
    degree = topology.degree + 1 if laplacian == "augmented" else topology.degree.clamp(min=1)
    return degree.rsqrt()


def inner_weight(topology: Topology, laplacian: Laplacian) -> Tensor | None:
    """ω ``(n,)`` in ⟨x, y⟩ = Σ_i ω_i x_i y_i, in which the Laplacian is symmetric; None: ones.

    Args:
        topology: the graph, n nodes.
        laplacian: one of :data:`LAPLACIANS`.
    """
    return topology.degree if laplacian == "random_walk" else None


def kernel_vector(topology: Topology, laplacian: Laplacian, components: Components) -> Tensor:
    """Vector v ``(n,)``, every restriction of which to a component the Laplacian maps to zero.

    With ``components="each"`` a node without neighbours has a 1, since the Laplacian is zero there;
    the formula alone would give it a 0 in D^½ 1.

    Args:
        topology: the graph, n nodes.
        laplacian: one of :data:`LAPLACIANS`.
        components: ``"each"``, or ``"whole"`` for one vector over all nodes.

    Raises:
        ConfigError: for another Laplacian or choice of components.
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

    Args:
        graph: whatever :func:`as_topology` reads.
        laplacian: one of :data:`LAPLACIANS`.

    Returns:
        A ``scipy.sparse.csr_array`` ``(n, components)``, one entry in a row, in float64.

    Raises:
        GraphError: if the graph cannot be read, see :func:`as_topology`.
        ConfigError: for another Laplacian.

    >>> edge_and_node = as_topology(torch.tensor([[0], [1]]), num_nodes=3)
    >>> dominant_eigenvectors(edge_and_node).toarray().round(4).tolist()
    [[0.7071, 0.0], [0.7071, 0.0], [0.0, 1.0]]
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

    Args:
        graph: whatever :func:`as_topology` reads.
        laplacian: one of :data:`LAPLACIANS`.

    Raises:
        GraphError: if the graph cannot be read, see :func:`as_topology`.
        ConfigError: for another Laplacian.

    >>> path = as_topology(torch.tensor([[0, 1], [1, 2]]), num_nodes=3)
    >>> laplacian_matrix(path, "random_walk").toarray().tolist()
    [[1.0, -1.0, 0.0], [-0.5, 1.0, -0.5], [0.0, -1.0, 1.0]]
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


def spectral_gap(graph: Any, laplacian: Laplacian = "combinatorial") -> float:
    """The smallest non-zero eigenvalue of the Laplacian, over all components of the graph.

    The centred Rayleigh quotient is never below it. On several components it is the smallest of
    their gaps, however small the component; give one component as a graph to have its own. The
    random walk has the eigenvalues of the symmetric Laplacian.

    Args:
        graph: whatever :func:`as_topology` reads.
        laplacian: one of :data:`LAPLACIANS`.

    Returns:
        A positive number, at most n (combinatorial), 2 (symmetric, random walk) or 1 (augmented),
        to within 1e-11 of twice the largest degree (combinatorial) or of 1; NaN without edges.

    Raises:
        GraphError: if the graph cannot be read, or Lanczos does not converge.
        ConfigError: for another Laplacian.

    >>> path = as_topology(torch.tensor([[0, 1], [1, 2]]), num_nodes=3)
    >>> round(spectral_gap(path), 6)
    1.0
    """
    topology = as_topology(graph)
    laplacian = _similar(laplacian)
    if topology.num_edges == 0:
        return math.nan
    # Above every eigenvalue, so that the projected kernel is the lowest of ceiling - L.
    ceiling = 1 + 2 * (float(topology.degree.max()) if laplacian == "combinatorial" else 1)
    return ceiling - _extreme(topology, laplacian, ceiling, "LA")


def decay_rate(graph: Any, laplacian: Laplacian = "augmented") -> float:
    r"""The factor by which one propagation shrinks, at least, what is not in the kernel.

    .. math:: \max \{ |1 − λ| : λ \text{ a non-zero eigenvalue of the Laplacian} \}

    For ``"augmented"`` that is the largest |eigenvalue| of D̂^(−½) Â D̂^(−½) beside 1. Under
    X ← D̂^(−½) Â D̂^(−½) X the augmented energy falls at least by the rate's square at each step,
    and in the long run exactly so (Oono & Suzuki 2020, arXiv 1905.10947; Cai & Wang 2020, arXiv
    2006.13318). For the symmetric Laplacian and the random walk it is 1 on a bipartite component.

    Args:
        graph: whatever :func:`as_topology` reads.
        laplacian: ``"augmented"``, ``"symmetric"`` or ``"random_walk"``.

    Returns:
        A number in [0, 1]; NaN if no edge is there.

    Raises:
        GraphError: if the graph cannot be read, or Lanczos does not converge.
        ConfigError: for the combinatorial Laplacian, of which I − L is no propagation.

    >>> triangle = as_topology(torch.tensor([[0, 1, 2], [1, 2, 0]]), num_nodes=3)
    >>> round(decay_rate(triangle, "random_walk"), 6)
    0.5
    """
    if laplacian == "combinatorial":
        raise ConfigError(
            "the combinatorial Laplacian belongs to no propagation; take the decay rate of "
            '"augmented" (GCN) or "random_walk" (a mean over neighbours: GraphSAGE)'
        )
    topology = as_topology(graph)
    if topology.num_edges == 0:
        return math.nan
    return min(1.0, abs(_extreme(topology, _similar(laplacian), 1.0, "LM")))


def _similar(laplacian: Laplacian) -> Laplacian:
    """A symmetric Laplacian with the same eigenvalues."""
    return "symmetric" if laplacian == "random_walk" else laplacian


def _extreme(topology: Topology, laplacian: Laplacian, shift: float, which: str) -> float:
    """The extreme eigenvalue of shift − L on the complement of the kernel of L.

    The kernel is known, so it is projected away; there its eigenvalue is 0, which is not extreme.
    """
    matrix = laplacian_matrix(topology, laplacian)
    kernel = dominant_eigenvectors(topology, laplacian)
    transposed, size = kernel.T.tocsr(), topology.num_nodes
    if size <= DENSE:
        # In ascending order, the zeros first: one for each component.
        return _furthest(shift - np.linalg.eigvalsh(matrix.toarray())[kernel.shape[1] :], which)

    def multiply(y: Float64) -> Float64:
        y = y - kernel @ (transposed @ y)
        y = shift * y - matrix @ y
        out: Float64 = y - kernel @ (transposed @ y)
        return out

    operator = sla.LinearOperator((size, size), matvec=multiply, dtype=np.float64)
    start = Stream(0, "start", "lanczos").normal(size)
    try:
        found = sla.eigsh(
            operator,
            k=_SOUGHT,
            which=which,
            v0=start,
            ncv=_VECTORS,
            maxiter=_RESTARTS,
            tol=_TOLERANCE,
            return_eigenvectors=False,
        )
    except sla.ArpackNoConvergence as error:
        raise GraphError(
            f"Lanczos did not converge on the {laplacian} Laplacian: its spectral gap is too small "
            "beside its largest eigenvalue; take a normalised Laplacian, or a single component"
        ) from error
    return _furthest(found, which)


def _furthest(values: Float64, which: str) -> float:
    return float(values.max() if which == "LA" else values[np.abs(values).argmax()])
