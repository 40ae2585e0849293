"""Cosine distances: of neighbours (MAD), and of remote nodes beside near ones (MADGap)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gslt.diagnostics.representation import Average, Form, Representation, blocks
from gslt.diagnostics.topology import Topology
from gslt.errors import ConfigError
from gslt.random import Stream

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]


def mad(x: Tensor, graph: Any, average: Average = "nodes") -> float:
    r"""Mean average distance: the mean cosine distance between neighbours.

    .. math:: \frac{1}{|V_+|} Σ_{i ∈ V_+} \frac{1}{d_i} Σ_{j ∈ N(i)}
        \Bigl(1 − \frac{x_i · x_j}{‖x_i‖ ‖x_j‖}\Bigr)

    This is ``average="nodes"``, V₊ the nodes with neighbours: Chen et al. 2020 (arXiv 1909.03211),
    Eq. 1 – 4, over pairs of neighbours; but where they leave out distances of exactly 0, these
    count here, so that it ends at 0 and not at 0/0. ``"edges"`` is the plain mean over edges.
    ``"survey"`` is (1/n) Σ_i Σ_{j ∈ N(i)} as in Rusch et al. 2023 (arXiv 2303.10993): without 1/d_i
    it can exceed 2. A zero row, such as ReLU makes, is at distance 1 from any other and 0 from
    another zero row; NaN where all are zero.

    Axioms (see :func:`gslt.diagnostics.dirichlet_energy`): neither. It is 0 on rows that are
    parallel and differ, and always 0 for h = 1 and x > 0; and it breaks the triangle inequality.

    Args:
        x: representations ``(n, h)``, any floating-point type.
        graph: whatever :func:`as_topology` reads.
        average: as above.

    Returns:
        A number in [0, 2], at most 1 for x ≥ 0; NaN without edges, or if x is not finite.

    Raises:
        GraphError: if the graph cannot be read or does not fit x.
        ConfigError: for another average.

    >>> path = torch.tensor([[0, 1], [1, 2]])
    >>> mad(torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0]]), path)
    0.5
    """
    return Representation.of(x, graph, average=average).value(mad_of)


def inverse_norms(norms: Tensor) -> Tensor:
    """1/‖x_i‖ ``(n,)`` from ‖x_i‖² ``(n,)``, and 0 for a zero row.

    >>> inverse_norms(torch.tensor([4.0, 0.0]))
    tensor([0.5000, 0.0000])
    """
    return torch.where(norms > 0, norms.rsqrt(), 0.0)


def cosine_form(representation: Representation) -> Form:
    """The form that is Σ weight · 2 (1 − cos) over the edges between rows that are not zero.

    For unit rows ‖u_i − u_j‖² = 2 (1 − cos): no cancellation where rows are nearly parallel.
    """
    return Form(inverse_norms(representation.norms), _weight(representation))


def mad_of(representation: Representation) -> float:
    """MAD from the sum of :func:`cosine_form`, and the edges at zero rows; see :func:`mad`.

    An edge between a zero row and another counts 1 there, and 2 (1 − 0) is due; one between two
    zero rows counts 0, as it should.
    """
    topology = representation.topology
    if topology.num_edges == 0:
        return math.nan
    twice = representation.edge_sum(cosine_form)
    weight, zero = _weight(representation), representation.norms == 0
    if bool(zero.all()):
        return math.nan
    i, j = topology.edges[:, zero[topology.edges[0]] != zero[topology.edges[1]]]
    return (twice + float((weight[i] + weight[j]).sum())) / 2


def _weight(representation: Representation) -> Tensor:
    """Vector a ``(n,)``: the edge i – j has the weight a_i + a_j in the average."""
    topology, average = representation.topology, representation.average
    degree = topology.degree
    if average == "nodes":
        return 1 / (degree.clamp(min=1) * max(1, int((degree > 0).sum())))
    count = 2 * topology.num_edges if average == "edges" else topology.num_nodes
    return torch.full_like(degree, 1 / max(1, count))


def mad_gap(
    x: Tensor,
    graph: Any,
    near: int = 3,
    remote: int = 8,
    samples: int = 128,
    seed: int = 0,
) -> float:
    r"""MADGap: how much farther apart remote nodes are than near ones, by the cosine.

    .. math:: \mathrm{MAD}^{rmt} − \mathrm{MAD}^{near}, \qquad
        \mathrm{MAD}^t = \mathrm{mean}_i \, \mathrm{mean}_{j ∈ t(i)}
        \Bigl(1 − \frac{x_i · x_j}{‖x_i‖ ‖x_j‖}\Bigr)

    Chen et al. 2020 (arXiv 1909.03211), Eq. 5: near are the nodes 1 … ``near`` steps away,
    remote those at least ``remote`` steps away in the same component (no path is no distance). The
    outer mean is over sampled nodes i that have such a j, the inner one over all of their j; with
    ``samples`` ≥ n nothing is random. A zero row is at distance 1 from another and 0 from a zero
    row. The paper leaves distances of exactly 0 out of its means; here they count.

    Axioms of a node-similarity measure (Rusch et al. 2023, arXiv 2303.10993, Definition 1):
    neither; it is a difference, and falls as representations smooth.

    Args:
        x: representations ``(n, h)``, any floating-point type.
        graph: whatever :func:`as_topology` reads.
        near: steps to the farthest near node.
        remote: steps to the nearest remote node.
        samples: number of nodes i.
        seed: of the sample.

    Returns:
        A number in [−2, 2], at most 1 in size for x ≥ 0; near 0 or below is over-smoothed. NaN
        where no node has a remote one (paths shorter than ``remote``), or if x is not finite.

    Raises:
        GraphError: if the graph cannot be read or does not fit x.
        ConfigError: unless 1 ≤ near < remote and samples ≥ 1.

    >>> path = torch.stack([torch.arange(9), torch.arange(1, 10)])
    >>> round(mad_gap(torch.eye(2).repeat_interleave(5, dim=0), path), 6)
    0.793333
    """
    if not 1 <= near < remote or samples < 1:
        raise ConfigError(
            f"mad_gap needs 1 ≤ near < remote and samples ≥ 1, got near={near}, remote={remote}, "
            f"samples={samples}"
        )
    return Representation.of(x, graph).value(lambda r: mad_gap_of(r, near, remote, samples, seed))


def mad_gap_of(
    representation: Representation,
    near: int = 3,
    remote: int = 8,
    samples: int = 128,
    seed: int = 0,
) -> float:
    """MADGap of a representation, see :func:`mad_gap`.

    Args:
        representation: x on its graph.
        near: steps to the farthest near node.
        remote: steps to the nearest remote node.
        samples: number of nodes i.
        seed: of the sample.
    """
    x, norms, topology = representation.x, representation.norms, representation.topology.to("cpu")
    if topology.num_edges == 0:
        return math.nan
    source = Stream(seed, "nodes", "mad_gap").permutation(topology.num_nodes)[:samples]
    means = []
    for start in range(0, len(source), 64):
        batch = source[start : start + 64]
        close, distant = _near_and_remote(topology, batch, near, remote)
        means.append([_mean_distances(x, norms, batch, word) for word in (close, distant)])
    near_mean, remote_mean = (torch.cat(found).nanmean() for found in zip(*means, strict=True))
    return float(remote_mean - near_mean)


def _near_and_remote(
    topology: Topology, source: Ints, near: int, remote: int
) -> tuple[Words, Words]:
    """Which nodes are near to, and which remote from, source k: bit k of their words."""
    bit = np.uint64(1) << np.arange(len(source), dtype=np.uint64)
    own = np.zeros(topology.num_nodes, dtype=np.uint64)
    own[source] = bit
    component = topology.component.numpy()
    together = np.zeros(topology.num_components, dtype=np.uint64)
    np.bitwise_or.at(together, component[source], bit)
    adjacency = topology.adjacency()
    linked = np.diff(adjacency.indptr) > 0
    first = adjacency.indptr[:-1][linked]
    reached = close = own
    for step in range(1, remote):
        joined = reached.copy()
        joined[linked] |= np.bitwise_or.reduceat(reached[adjacency.indices], first)
        reached = joined
        if step == near:
            close = reached
    return close & ~own, together[component] & ~reached


def _mean_distances(x: Tensor, norms: Tensor, source: Ints, word: Words) -> Tensor:
    """Mean cosine distance of each source to the nodes that have its bit; NaN without any.

    The sum of the unit rows of all these nodes tells it. Zero rows are unit rows along one more
    axis.
    """
    shift = np.arange(len(source), dtype=np.uint64)
    index = torch.from_numpy(source).to(x.device)

    def unit_rows(rows: slice | Tensor) -> Tensor:
        """Rows of length 1, ``(rows, h + 1)``."""
        unit = x[rows] * inverse_norms(norms[rows]).unsqueeze(1)
        return torch.cat([unit, (norms[rows] == 0).double().unsqueeze(1)], dim=1)

    total = torch.zeros(len(source), x.size(1) + 1, dtype=torch.float64, device=x.device)
    count = torch.zeros(len(source), dtype=torch.float64, device=x.device)
    for rows in blocks(x.size(0), x.size(1), x.device):
        bits = (word[rows, None] >> shift & np.uint64(1)).astype(np.float64)
        mask = torch.from_numpy(bits).to(x.device)
        total.addmm_(mask.T, unit_rows(rows))
        count += mask.sum(0)
    return (1 - (unit_rows(index) * total).sum(1) / count).cpu()
