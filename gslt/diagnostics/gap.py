"""MADGap by breadth-first search from sampled nodes, 64 of them in the bits of a word."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gslt.diagnostics.cosine import inverse_norms
from gslt.diagnostics.graphs import as_topology
from gslt.diagnostics.ranks import NAN
from gslt.diagnostics.sums import blocks, check_representations, squared_norms
from gslt.diagnostics.topology import Topology
from gslt.errors import ConfigError
from gslt.random import Stream

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]


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
    row. The paper leaves
    distances of exactly 0 out of its means; here they count.

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
    """
    if not 1 <= near < remote or samples < 1:
        raise ConfigError(
            f"mad_gap needs 1 ≤ near < remote and samples ≥ 1, got near={near}, remote={remote}, "
            f"samples={samples}"
        )
    check_representations(x)
    x = x.detach()
    topology = as_topology(graph, x.size(0)).to("cpu")
    norms = squared_norms(x)
    if not bool(torch.isfinite(norms).all()) or topology.num_edges == 0:
        return NAN
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
