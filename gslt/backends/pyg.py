"""PyTorch Geometric: neighbour sums as sparse products, and layers with PyG's signatures.

The layers take what PyG's layers of the same name take: ``edge_index`` (2, E), an ``EdgeIndex``, or
the transposed adjacency as a ``torch.sparse`` tensor. Only ``torch`` itself is needed for speed:
no torch-scatter, torch-sparse or pyg-lib.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gslt.backends.csr import (
    CSRGraph,
    NormalisedEdges,
    NormalisedGraph,
    as_graph,
    cached_graph,
    edges_of,
    traced_graph,
)
from gslt.config import FreezeConfig
from gslt.errors import ConfigError, GraphError
from gslt.masking.freeze import freeze, reset_scores
from gslt.nn.conv import Features, GCNConv, GINConv, SAGEConv, split_features
from gslt.nn.graph import EdgeList, Graph
from gslt.nn.hooks import is_traced

#: ``edge_index`` (2, E), an ``EdgeIndex``, a ``torch.sparse`` transposed adjacency, or a graph of
#: gslt.
Adjacency = Tensor | CSRGraph


class PyGBackend:
    """The engine of PyG-style calls ``(x, edge_index)``."""

    name = "pyg"

    def graph(self, edge_index: Tensor, num_nodes: int) -> CSRGraph:
        """The sparse matrix of these edges.

        Args:
            edge_index: int64 ``(2, E)``, row 0 sources and row 1 targets.
            num_nodes: number of nodes.
        """
        return CSRGraph(edge_index, num_nodes, num_nodes)

    def inputs(self, x: Tensor, graph: Graph) -> tuple[object, ...]:
        """``(x, graph)``.

        Args:
            x: features ``(N, in)``.
            graph: a graph of this backend.
        """
        return x, graph

    def bind(self, *inputs: Any) -> tuple[Tensor, Graph]:
        """Features ``(N, in)`` and graph from ``(x, edge_index)``, see :data:`Adjacency`."""
        x, edge_index = inputs
        return x, as_graph(edge_index, x.size(0), x.size(0))


BACKEND = PyGBackend()


class FrozenGINConv(GINConv):
    """A frozen ``torch_geometric.nn.GINConv``, see :class:`gslt.nn.GINConv` for the equation.

    Args:
        nn: any module from width ``in`` to width ``out``; it is frozen in place.
        eps: ε, a constant.
        train_eps: refused, since a frozen layer trains nothing.
        aggr: ``"add"`` / ``"sum"`` (PyG's default) or ``"mean"``.
        config: the frozen source. Default: ``FreezeConfig()``.
        name: names the random streams; layers of equal shape need different names.

    Shapes:
        x ``(N, in)`` or a pair, edge_index (2, E) → ``(N, out)``.

    Raises:
        ConfigError: for an option that a frozen layer does not have.
    """

    def __init__(
        self,
        nn: nn.Module,
        eps: float = 0.0,
        train_eps: bool = False,
        *,
        aggr: str = "add",
        config: FreezeConfig | None = None,
        name: str = "",
        **options: Any,
    ) -> None:
        if train_eps:
            raise ConfigError("train_eps=True asks for a trained ε; a frozen layer has none")
        _refuse(self, options)
        super().__init__(nn, eps, _aggregation(self, aggr))  # type: ignore[arg-type]
        freeze(self, config or FreezeConfig(), prefix=name)

    def reset_parameters(self) -> None:
        """The scores as they were before any search, see :func:`gslt.reset_scores`."""
        reset_scores(self)

    def forward(  # type: ignore[override]
        self, x: Features, edge_index: Adjacency, size: tuple[int, int] | None = None
    ) -> Tensor:
        """``(N, in)`` → ``(N, out)``.

        Args:
            x: features ``(N, in)``, or a pair (sources, targets).
            edge_index: the graph, see :data:`Adjacency`.
            size: number of sources and of targets, where the features do not tell.
        """
        return super().forward(x, _graph(x, edge_index, size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(nn={self.nn})"


class FrozenGCNConv(GCNConv):
    """A frozen ``torch_geometric.nn.GCNConv``, see :class:`gslt.nn.GCNConv` for the equation.

    Args:
        in_channels: input width.
        out_channels: output width.
        improved: self-loops of weight 2.
        cached: keep the normalised graph of the first call (transductive use only).
        add_self_loops: default: as ``normalize``.
        normalize: symmetric normalisation.
        bias: as in PyG; a bias is fixed at 0.
        config: the frozen source. Default: ``FreezeConfig()``.
        name: names the random streams; layers of equal shape need different names.

    Shapes:
        x ``(N, in)``, edge_index (2, E), edge_weight ``(E,)`` → ``(N, out)``.

    Raises:
        ConfigError: for an option that a frozen layer does not have, or self-loops without
            normalisation, which PyG refuses too.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        improved: bool = False,
        cached: bool = False,
        add_self_loops: bool | None = None,
        normalize: bool = True,
        bias: bool = True,
        *,
        config: FreezeConfig | None = None,
        name: str = "",
        **options: Any,
    ) -> None:
        if add_self_loops and not normalize:
            raise ConfigError(
                "add_self_loops=True needs normalize=True; add the loops to the graph instead"
            )
        _refuse(self, options)
        super().__init__(in_channels, out_channels, bias, normalize)
        self.improved, self.cached = improved, cached
        self.add_self_loops = normalize if add_self_loops is None else add_self_loops
        self._cached: CSRGraph | None = None
        freeze(self, config or FreezeConfig(), prefix=name)

    def forward(  # type: ignore[override]
        self, x: Tensor, edge_index: Adjacency, edge_weight: Tensor | None = None
    ) -> Tensor:
        """``(N, in)`` → ``(N, out)``.

        Args:
            x: features ``(N, in)``.
            edge_index: the graph, see :data:`Adjacency`.
            edge_weight: ``(E,)``. Default: ones.
        """
        if not isinstance(x, Tensor):
            raise GraphError(
                "FrozenGCNConv takes one feature tensor; its normalisation is not defined on "
                "bipartite graphs, use FrozenSAGEConv there"
            )
        if isinstance(edge_index, CSRGraph):
            self._check_graph(edge_weight)
            return super().forward(x, edge_index)
        graph: CSRGraph | EdgeList | None = None if is_traced() else self._cached
        if graph is None:
            graph = self._graph(x, edge_index, edge_weight)
            # Without normalisation there is nothing to keep, in PyG as here; nor in a record.
            if self.cached and self.normalize and isinstance(graph, CSRGraph):
                self._cached = graph
        return super().forward(x, graph)

    def _check_graph(self, edge_weight: Tensor | None) -> None:
        plain = not self.normalize or (self.add_self_loops and not self.improved)
        if edge_weight is not None or not plain:
            raise GraphError(
                "a graph of gslt is normalised with one self-loop per node and without edge "
                "weights; pass edge_index to use improved, add_self_loops=False or edge_weight"
            )

    def _graph(
        self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None
    ) -> CSRGraph | EdgeList:
        n = x.size(0)
        traced = traced_graph(edge_index, n, n, edge_weight)
        if traced is not None:
            simple = self.add_self_loops and not self.improved and edge_weight is None
            if simple or not self.normalize:
                return traced
            return NormalisedEdges.of(traced, self.improved, self.add_self_loops)
        if edge_weight is not None and edge_index.layout != torch.strided:
            raise GraphError("the adjacency has values already; give the edge weights once")
        if not self.normalize:
            if edge_weight is None:
                return as_graph(edge_index, n, n)
            return CSRGraph(edges_of(edge_index, n, n)[0], n, n, edge_weight)
        improved, loops = self.improved, self.add_self_loops
        if edge_weight is None:
            key = ("gcn", n, improved, loops)
            return cached_graph(
                edge_index, key, lambda: NormalisedGraph.of(edge_index, None, n, improved, loops)
            )
        return NormalisedGraph.of(edge_index, edge_weight, n, improved, loops)

    def reset_parameters(self) -> None:
        """The scores as before any search (:func:`gslt.reset_scores`), and no cached graph."""
        self._cached = None
        reset_scores(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels})"


class FrozenSAGEConv(SAGEConv):
    """A frozen ``torch_geometric.nn.SAGEConv``, see :class:`gslt.nn.SAGEConv` for the equation.

    Args:
        in_channels: input width, or (source width, target width).
        out_channels: output width.
        aggr: ``"mean"`` (PyG's default), ``"add"`` or ``"sum"``.
        normalize: divide every output row by its Euclidean length.
        root_weight: whether W_r x_i is there.
        project: replace every x_j by ReLU(W_p x_j + b_p) first.
        bias: as in PyG; a bias is fixed at 0.
        config: the frozen source. Default: ``FreezeConfig()``.
        name: names the random streams; layers of equal shape need different names.

    Shapes:
        x ``(N, in)`` or a pair, edge_index (2, E) → ``(N, out)``.

    Raises:
        ConfigError: for an option that a frozen layer does not have.
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        aggr: str | None = "mean",
        normalize: bool = False,
        root_weight: bool = True,
        project: bool = False,
        bias: bool = True,
        *,
        config: FreezeConfig | None = None,
        name: str = "",
        **options: Any,
    ) -> None:
        _refuse(self, options)
        aggregation: Any = _aggregation(self, aggr)
        super().__init__(
            in_channels, out_channels, aggregation, normalize, root_weight, project, bias
        )
        freeze(self, config or FreezeConfig(), prefix=name)

    def reset_parameters(self) -> None:
        """The scores as they were before any search, see :func:`gslt.reset_scores`."""
        reset_scores(self)

    def forward(  # type: ignore[override]
        self, x: Features, edge_index: Adjacency, size: tuple[int, int] | None = None
    ) -> Tensor:
        """``(N, in)`` → ``(N, out)``.

        Args:
            x: features ``(N, in)``, or a pair (sources, targets).
            edge_index: the graph, see :data:`Adjacency`.
            size: number of sources and of targets, where the features do not tell.
        """
        return super().forward(x, _graph(x, edge_index, size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, aggr={self.aggr})"


def _graph(x: Features, edge_index: Adjacency, size: tuple[int, int] | None) -> CSRGraph | EdgeList:
    source, target = split_features(x)
    sources = source.size(0)
    targets = _num_targets(edge_index, sources) if target is None else target.size(0)
    if size is not None:
        if size[0] != sources or (target is not None and size[1] != targets):
            raise GraphError(f"size {tuple(size)} does not fit {sources} × {targets} feature rows")
        targets = size[1]
    return as_graph(edge_index, sources, targets)


def _num_targets(edges: Adjacency, sources: int) -> int:
    """Targets where they have no features: as the adjacency says, else as many as sources."""
    if isinstance(edges, CSRGraph) or edges.layout != torch.strided:
        return edges.shape[0]
    targets = getattr(edges, "num_cols", None)  # of an EdgeIndex
    return sources if targets is None else int(targets)


def _aggregation(layer: nn.Module, aggr: object) -> str:
    names = {"add": "sum", "sum": "sum", "mean": "mean"}
    if not isinstance(aggr, str) or aggr not in names:
        raise ConfigError(
            f"{type(layer).__name__} aggregates by 'mean' or 'sum' ('add'), got {aggr!r}; other "
            "aggregations: gslt.freeze() on PyG's own layer"
        )
    return names[aggr]


def _refuse(layer: nn.Module, options: dict[str, Any]) -> None:
    if options:
        raise ConfigError(
            f"{type(layer).__name__} has no option {', '.join(options)}; "
            "gslt.freeze() on PyG's own layer keeps them all"
        )
