"""Small graphs with every property that has broken a graph layer before, and their matrices."""

from __future__ import annotations

import torch
from torch import Tensor


def random_edges(nodes: int, edges: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, nodes, (2, edges), generator=rng)


#: Number of nodes and edge_index, row 0 sources and row 1 targets.
GRAPHS: dict[str, tuple[int, Tensor]] = {
    "random": (12, random_edges(12, 40)),
    "isolated nodes": (6, torch.tensor([[0, 1], [1, 4]])),
    "self-loops": (4, torch.tensor([[0, 1, 1, 2, 3, 0], [0, 1, 2, 1, 3, 1]])),
    "parallel": (4, torch.tensor([[0, 0, 0, 2, 2, 3, 3], [1, 1, 1, 0, 0, 3, 3]])),
    "directed": (5, torch.tensor([[0, 0, 0, 1], [1, 2, 3, 4]])),
    "undirected": (4, torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])),
    "no edges": (3, torch.empty(2, 0, dtype=torch.int64)),
    "single node": (1, torch.empty(2, 0, dtype=torch.int64)),
    "single loop": (1, torch.tensor([[0], [0]])),
}


def adjacency(edges: Tensor, targets: int, sources: int, weight: Tensor | None = None) -> Tensor:
    """Dense (targets × sources) matrix, parallel edges added up."""
    value = torch.ones(edges.size(1), dtype=torch.float64) if weight is None else weight.double()
    matrix = torch.zeros(targets, sources, dtype=torch.float64)
    return matrix.index_put_((edges[1], edges[0]), value, accumulate=True)


def mean_matrix(matrix: Tensor) -> Tensor:
    return matrix / matrix.sum(1, keepdim=True).clamp(min=1)


def symmetric_matrix(matrix: Tensor) -> Tensor:
    """D̂^(−½) Â D̂^(−½) with exactly one self-loop per node."""
    loops = matrix.clone()
    loops.fill_diagonal_(1)
    scale = loops.sum(1).rsqrt()
    return scale[:, None] * loops * scale[None, :]


def attention_matrices(
    matrix: Tensor, source: Tensor, target: Tensor, slope: float = 0.2
) -> Tensor:
    """Softmax over j → i of LeakyReLU(source_j + target_i), (heads, targets, sources)."""
    scores = torch.nn.functional.leaky_relu(source.T[:, None, :] + target.T[:, :, None], slope)
    # Parallel edges count as often as they are there.
    weights = matrix * (scores - scores.max()).exp()
    return weights / weights.sum(2, keepdim=True).clamp(min=1e-300)


def with_loops(edges: Tensor, nodes: int) -> Tensor:
    """The edges without self-loops, and one self-loop per node."""
    node = torch.arange(nodes)
    return torch.cat([edges[:, edges[0] != edges[1]], torch.stack([node, node])], 1)


def features(rows: int, width: int, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, generator=rng, dtype=torch.float64).to(dtype)
