"""The simple undirected graph that every measure is computed on, from graphs of every library."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from gslt.backends.csr import CSRGraph, edges_of, plain_edges
from gslt.errors import GraphError

#: Edge data of these names are weights.
WEIGHTS = ("edge_weight", "weight")

#: int64 (2, E), number of nodes where the graph tells it, edge weights where it has some.
Parts = tuple[Tensor, int | None, Tensor | None]


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
    num_loops: int = 0
    """Nodes with a self-loop in the graph that this was made of; no measure counts them, but a
    layer that adds none propagates by them, see :func:`gslt.diagnostics.laplacian_of`."""
    num_one_way: int = 0
    """Edges i → j without j → i in that graph; a measure takes them as undirected."""
    num_parallel: int = 0
    """Edges of that graph beyond the first from one node to another; a measure counts one."""
    num_parallel_loops: int = 0
    """Self-loops of that graph beyond the first of a node."""

    @classmethod
    def of(cls, edge_index: Tensor, num_nodes: int) -> Topology:
        """The graph that has an edge i – j wherever ``edge_index`` has i → j or j → i.

        Args:
            edge_index: directed edges, any integer type ``(2, E)``.
            num_nodes: n.

        Raises:
            GraphError: if ``edge_index`` is not integer (2, E), or names nodes that are not there.

        >>> Topology.of(torch.tensor([[0, 1, 1], [1, 0, 1]]), num_nodes=3)
        Topology(3 nodes, 1 undirected edges, 2 components)
        """
        _check(edge_index, num_nodes)
        ends = edge_index.detach().to("cpu", torch.int64)
        low, high = ends.amin(0), ends.amax(0)
        key = torch.unique((low * num_nodes + high)[low != high])
        divisor = max(1, num_nodes)
        edges = torch.stack([key // divisor, key % divisor])
        loops = int(torch.unique(low[low == high]).numel())
        proper = ends[:, low != high]
        directed = int(torch.unique(proper[0] * num_nodes + proper[1]).numel())
        count, label = connected_components(_adjacency(edges, num_nodes), directed=False)
        return cls(
            num_nodes=num_nodes,
            edges=edges,
            degree=torch.bincount(edges.flatten(), minlength=num_nodes).double(),
            component=torch.from_numpy(label.astype(np.int64)),
            num_components=int(count) if num_nodes else 0,
            num_loops=loops,
            num_one_way=2 * edges.size(1) - directed,
            num_parallel=proper.size(1) - directed,
            num_parallel_loops=ends.size(1) - proper.size(1) - loops,
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
    # SciPy 1.11 counts no components of arrays with 64-bit indices, and only prints why.
    low, high = edges.numpy().astype(np.int32 if num_nodes < 2**31 else np.int64)
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


def as_topology(
    graph: Any, num_nodes: int | None = None, *, ignore_weights: bool = False
) -> Topology:
    """The simple undirected graph behind ``graph``, for all the measures.

    Direction, multiplicity and self-loops are left out: i – j is an edge where i → j or j → i is
    one. A measure prepares the graph each time unless it is given a ``Topology``.

    Args:
        graph: a ``Topology``; an ``edge_index`` (2, E) or PyG ``EdgeIndex``; a square ``torch``
            (COO, CSR, CSC) or ``scipy`` sparse adjacency, whose explicit zeros are no edges; a PyG
            ``Data``; a homogeneous ``DGLGraph``; a NetworkX graph, whose nodes are numbered in the
            order of ``graph.nodes``; a :class:`gslt.NodeDataset`; or a graph of
            :mod:`gslt.backends`.
        num_nodes: number of nodes; needed for an ``edge_index``, checked against the rest.
        ignore_weights: take a weighted graph as if its weights were 1. Weights are the values of a
            sparse matrix and edge data called ``weight`` or ``edge_weight``.

    Raises:
        GraphError: for another type, a graph of another size, an edge that leads nowhere, weights
            other than 1 that are not ignored, or not one for each edge.

    >>> as_topology(torch.tensor([[0, 1], [1, 2]]), num_nodes=3)
    Topology(3 nodes, 2 undirected edges, 1 components)
    """
    if isinstance(graph, Topology):
        found: int | None = graph.num_nodes
    else:
        edges, found, weight = _parts(graph)
    if num_nodes is not None and found is not None and found != num_nodes:
        raise GraphError(
            f"the graph has {found} nodes, but there are {num_nodes} rows of representations"
        )
    if isinstance(graph, Topology):
        return graph
    nodes = num_nodes if found is None else found
    if nodes is None:
        raise GraphError(
            "an edge_index does not tell the number of nodes; give as_topology(edge_index, "
            "num_nodes) in its place"
        )
    if weight is not None:
        if weight.numel() != edges.size(1):
            raise GraphError(
                f"weights of shape {tuple(weight.shape)} are not one for each of the "
                f"{edges.size(1)} edges; drop them from the graph, or rename what is no weight"
            )
        edges = _unweighted(edges, weight.detach().reshape(-1).cpu(), ignore_weights)
    return Topology.of(edges, nodes)


def _unweighted(edges: Tensor, weight: Tensor, ignore: bool) -> Tensor:
    """The edges whose weight is not zero; refused if one is not 1, unless that is to be ignored."""
    odd = (weight != 1) & (weight != 0)
    if bool(odd.any()) and not ignore:
        edge = int(odd.nonzero()[0])
        raise GraphError(
            f"edge {edge} has the weight {weight[edge].item():g}, but the measures are of an "
            "unweighted graph; give as_topology(graph, ignore_weights=True) to leave weights out"
        )
    return edges.cpu()[:, weight != 0]


def _parts(graph: Any) -> Parts:
    if isinstance(graph, Tensor):
        return _from_tensor(graph)
    if sp.issparse(graph):
        return _from_scipy(graph)
    if isinstance(graph, CSRGraph):
        operator = graph.operator(("sum", 0.0), lambda: {"root": None})
        edges, _, weight = _from_tensor(graph.matrix(operator, torch.float64))
        return edges, _side(graph.shape), weight if graph.weighted else None
    # A graph of a library proves that the library is loaded: nothing heavy is imported to ask.
    if is_a(graph, "gslt.data.dataset", "NodeDataset"):
        return graph.edge_index, graph.num_nodes, None
    if is_a(graph, "torch_geometric.data", "Data"):
        return _from_pyg(graph)
    if is_a(graph, "gslt.backends.dgl", "WrappedGraph"):
        return _from_dgl(graph.graph)
    if is_a(graph, "dgl", "DGLGraph"):
        return _from_dgl(graph)
    if is_a(graph, "networkx", "Graph"):
        return _from_networkx(graph)
    raise GraphError(
        f"cannot read a graph from {type(graph).__name__}; give an edge_index, a sparse adjacency, "
        "a PyG Data, a DGLGraph, a NetworkX graph or a NodeDataset"
    )


def is_a(obj: Any, module: str, name: str) -> bool:
    """Whether an object is of a class, whose module is not imported for the question.

    Args:
        obj: anything.
        module: name of the module that defines the class.
        name: of the class.
    """
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(obj, kind)


def _side(shape: tuple[int, ...]) -> int:
    """The side of a square adjacency.

    Raises:
        GraphError: if it is not square.
    """
    if len(shape) != 2 or shape[0] != shape[1]:
        raise GraphError(
            f"an adjacency of shape {tuple(shape)} joins two sets of nodes; smoothness is measured "
            "over one set, so give a square adjacency"
        )
    return shape[0]


def _from_tensor(graph: Tensor) -> Parts:
    if graph.layout == torch.strided:
        # An EdgeIndex may know its size; a plain edge_index does not.
        sides = getattr(graph, "sparse_size", lambda: ())()
        known = [side for side in sides if side is not None]
        size = _side(tuple(known)) if len(known) == 2 else max(known, default=None)
        return plain_edges(graph), size, None
    side = _side(tuple(graph.shape))
    if graph.layout == torch.sparse_coo:
        # Not coalesced first: that would turn parallel edges into a weight.
        return graph._indices(), side, graph._values()
    edges, weight = edges_of(graph, side, side)
    return edges, side, weight


def _from_scipy(graph: Any) -> Parts:
    size = _side(graph.shape)
    coo = graph.tocoo()
    edges = np.stack([coo.row, coo.col]).astype(np.int64)
    return torch.from_numpy(edges), size, torch.from_numpy(np.asarray(coo.data, dtype=np.float64))


def _from_pyg(data: Any) -> Parts:
    edges = data.edge_index
    if edges is None:
        adjacency = getattr(data, "adj_t", None)
        if isinstance(adjacency, Tensor):
            return _from_tensor(adjacency)
        raise GraphError("the PyG Data has neither an edge_index nor a torch.sparse adj_t")
    # A weight of PyG's may be one of nodes.
    weights = {name: data[name] for name in WEIGHTS if name in data and data.is_edge_attr(name)}
    return plain_edges(edges), int(data.num_nodes), _first(weights)


def _from_dgl(graph: Any) -> Parts:
    if not graph.is_homogeneous or graph.is_block:
        raise GraphError(
            f"the DGLGraph has node types {graph.ntypes} and edge types {graph.etypes}; "
            "make it homogeneous with dgl.to_homogeneous"
        )
    return torch.stack(graph.edges()), graph.num_nodes(), _first(graph.edata)


def _first(store: Any) -> Tensor | None:
    """The edge weights in a store of edge data, if it holds some."""
    return next((store[name] for name in WEIGHTS if name in store), None)


def _from_networkx(graph: Any) -> Parts:
    number = {node: i for i, node in enumerate(graph.nodes)}
    pairs = torch.tensor([(number[u], number[v]) for u, v in graph.edges()], dtype=torch.int64)
    weights = [_number(data.get("weight", 1), u, v) for u, v, data in graph.edges(data=True)]
    edges, weight = pairs.reshape(-1, 2).T, torch.tensor(weights, dtype=torch.float64)
    if not graph.is_directed():
        # A self-loop is its own reverse.
        back = edges[0] != edges[1]
        edges = torch.cat([edges, edges.flip(0)[:, back]], dim=1)
        weight = torch.cat([weight, weight[back]])
    return edges, len(number), weight


def _number(value: Any, source: Any, target: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise GraphError(
            f"the edge from {source!r} to {target!r} has the weight {value!r}, which is no number"
        ) from None
