"""The simple undirected graph that every measure is computed on, prepared once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from gslt.errors import GraphError


@dataclass(frozen=True, eq=False)
class Topology:
    """A simple undirected graph: every edge once, no self-loops, no weights.

    Make one by :func:`gslt.diagnostics.as_topology`. With n nodes and m edges.
    """

    num_nodes: int
    """n."""
    edges: Tensor
    """int64 ``(2, m)``: i < j in each column, columns in the order of i, then j, on any device."""
    degree: Tensor
    """Number of neighbours, float64 ``(n,)``."""
    component: Tensor
    """Connected component of each node, int64 ``(n,)``, 0 … num_components − 1. A node without
    neighbours is a component of its own."""
    num_components: int
    """Number of connected components."""

    @classmethod
    def of(cls, edge_index: Tensor, num_nodes: int) -> Topology:
        """The graph that has an edge i – j wherever ``edge_index`` (2, E) has i → j or j → i.

        Raises:
            GraphError: if ``edge_index`` is not integer (2, E), or names nodes that are not there.
        """
        _check(edge_index, num_nodes)
        ends = edge_index.detach().to("cpu", torch.int64)
        low, high = ends.amin(0), ends.amax(0)
        key = torch.unique((low * num_nodes + high)[low != high])
        divisor = max(1, num_nodes)
        edges = torch.stack([key // divisor, key % divisor])
        count, label = connected_components(_adjacency(edges, num_nodes), directed=False)
        return cls(
            num_nodes=num_nodes,
            edges=edges,
            degree=torch.bincount(edges.flatten(), minlength=num_nodes).double(),
            component=torch.from_numpy(label.astype(np.int64)),
            num_components=int(count) if num_nodes else 0,
        )

    @property
    def num_edges(self) -> int:
        """m: an undirected edge counts once."""
        return self.edges.size(1)

    def to(self, device: torch.device | str) -> Topology:
        """The same graph with its tensors on ``device``."""
        if self.edges.device == torch.device(device):
            return self
        return replace(
            self,
            edges=self.edges.to(device),
            degree=self.degree.to(device),
            component=self.component.to(device),
        )

    def adjacency(self) -> Any:
        """The adjacency matrix, a symmetric ``scipy.sparse.csr_array`` of float64 ones."""
        return _adjacency(self.edges.cpu(), self.num_nodes)

    def __repr__(self) -> str:
        return (
            f"Topology({self.num_nodes:,} nodes, {self.num_edges:,} undirected edges, "
            f"{self.num_components:,} components)"
        )


def _adjacency(edges: Tensor, num_nodes: int) -> Any:
    low, high = edges.numpy()
    row, column = np.concatenate([low, high]), np.concatenate([high, low])
    return sp.csr_array((np.ones(row.size), (row, column)), shape=(num_nodes, num_nodes))


def _check(edge_index: Tensor, num_nodes: int) -> None:
    kind = edge_index.dtype
    if (
        edge_index.dim() != 2
        or edge_index.size(0) != 2
        or kind.is_floating_point
        or kind.is_complex
    ):
        raise GraphError(
            f"edge_index must be an integer tensor of shape (2, E), got {edge_index.dtype} "
            f"{tuple(edge_index.shape)}"
        )
    wrong = (edge_index < 0) | (edge_index >= num_nodes)
    if bool(wrong.any()):
        edge = int(wrong.any(0).nonzero()[0])
        raise GraphError(
            f"edge {edge} joins {edge_index[0, edge].item()} and {edge_index[1, edge].item()}, but "
            f"the nodes are 0 … {num_nodes - 1}: one per row of the representations"
        )
