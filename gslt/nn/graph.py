"""What a layer needs of a graph: one sum over neighbours, and everything that follows from it."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from gslt.errors import GraphError


class Graph(ABC):
    """A directed graph that sums neighbours: messages run from source j to target i.

    Backends implement :meth:`sum` and the two degree vectors. Rows of ``x`` are source nodes, rows
    of a result are target nodes; the two sets are the same unless the graph is bipartite.
    """

    @property
    @abstractmethod
    def in_degree(self) -> Tensor:
        """Number of edges into each target ``(num_targets,)``, parallel edges counted, float."""

    @property
    @abstractmethod
    def self_loops(self) -> Tensor:
        """Number of self-loops of each node ``(num_nodes,)``, float."""

    @abstractmethod
    def sum(self, x: Tensor) -> Tensor:
        """Σ_{j → i} x_j for every target i, ``(num_targets, width)``."""

    def mean(self, x: Tensor) -> Tensor:
        """Mean of x_j over the edges j → i; zero where there is none."""
        return self.sum(x) / self.in_degree.clamp(min=1).to(x.dtype).unsqueeze(1)

    def symmetric(self, x: Tensor) -> Tensor:
        """D̂^(−½) Â D̂^(−½) x of Kipf & Welling 2017 (arXiv 1609.02907), Eq. 2.

        Â is the adjacency with exactly one self-loop at every node (a loop that is there counts as
        that one), D̂ its in-degrees.
        """
        # Degrees are exact in double precision; the last step alone rounds to the type of x.
        scale = (self.in_degree - self.self_loops + 1).double().rsqrt().to(x.dtype).unsqueeze(1)
        x = x * scale
        extra = (1 - self.self_loops).to(x.dtype).unsqueeze(1)
        return (self.sum(x) + extra * x) * scale


def check_features(x: Tensor, num_sources: int) -> None:
    """Refuse features that no graph of this size can sum.

    Raises:
        GraphError: unless ``x`` is a dense matrix with one row per source node.
    """
    if x.layout != torch.strided:
        raise GraphError(
            "sparse features cannot be aggregated before a linear map; use dense features, or a "
            "layer that begins with one linear map (a GIN whose nn is a single torch.nn.Linear)"
        )
    if x.dim() != 2 or x.size(0) != num_sources:
        raise GraphError(
            f"the graph has {num_sources} source nodes, so the features must have shape "
            f"({num_sources}, width), got {tuple(x.shape)}"
        )


class Backend(Protocol):
    """An engine: how it builds a graph, and in which order its layers take their inputs."""

    name: str

    def graph(self, edge_index: Tensor, num_nodes: int) -> Graph:
        """The graph of ``edge_index`` (2, E), row 0 sources and row 1 targets."""

    def inputs(self, x: Tensor, graph: Graph) -> Sequence[object]:
        """Arguments of a layer or model of this backend, in the host's order."""

    def bind(self, *inputs: object) -> tuple[Tensor, Graph]:
        """Features and graph from the arguments of a call, in the host's order and types."""


def row_starts(row: Tensor, height: int) -> Tensor:
    """Where each row begins in a list of entries sorted by ``row``: the pointers of CSR."""
    start = torch.zeros(height + 1, dtype=torch.int64, device=row.device)
    start[1:] = torch.bincount(row, minlength=height).cumsum(0)
    return start


def sparse_csr(start: Tensor, column: Tensor, value: Tensor, shape: torch.Size) -> Tensor:
    """``torch.sparse_csr_tensor`` without the notice that its support is in beta."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(start, column, value, shape)
