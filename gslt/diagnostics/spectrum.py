"""How fast propagation smooths: the ends of the Laplacian's spectrum, by Lanczos."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse.linalg as sla

from gslt.diagnostics.graphs import as_topology
from gslt.diagnostics.laplacians import (
    Laplacian,
    dominant_eigenvectors,
    laplacian_matrix,
)
from gslt.diagnostics.ranks import NAN
from gslt.diagnostics.topology import Topology
from gslt.errors import ConfigError, GraphError
from gslt.random import Stream

Float64 = npt.NDArray[np.float64]

#: Up to this many nodes a dense solver is as fast as Lanczos.
DENSE = 256
#: Lanczos: eigenvalues sought (more than one, since the next ones are what slows it), vectors kept,
#: restarts before it gives up, and relative error that it may leave.
_SOUGHT, _VECTORS, _RESTARTS, _TOLERANCE = 8, 40, 500, 1e-12


def spectral_gap(graph: Any, laplacian: Laplacian = "combinatorial") -> float:
    """The smallest non-zero eigenvalue of the Laplacian, over all components of the graph.

    The centred Rayleigh quotient is never below it. On several components it is the smallest of
    their gaps, however small the component; give one component as a graph to have its own. The
    random walk has the eigenvalues of the symmetric Laplacian.

    Returns:
        A positive number, at most n (combinatorial), 2 (symmetric, random walk) or 1 (augmented),
        to within 1e-11 of twice the largest degree (combinatorial) or of 1; NaN without edges.

    Raises:
        GraphError: if the graph cannot be read, or Lanczos does not converge.
        ConfigError: for another Laplacian.
    """
    topology = as_topology(graph)
    laplacian = _similar(laplacian)
    if topology.num_edges == 0:
        return NAN
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

    Returns:
        A number in [0, 1]; NaN if no edge is there.

    Raises:
        GraphError: if the graph cannot be read, or Lanczos does not converge.
        ConfigError: for the combinatorial Laplacian, of which I − L is no propagation.
    """
    if laplacian == "combinatorial":
        raise ConfigError(
            "the combinatorial Laplacian belongs to no propagation; take the decay rate of "
            '"augmented" (GCN) or "random_walk" (mean-GIN, GraphSAGE)'
        )
    topology = as_topology(graph)
    if topology.num_edges == 0:
        return NAN
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
