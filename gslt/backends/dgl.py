"""DGL: neighbour sums by ``copy_u`` message passing, and layers with DGL's signatures.

Only graph construction and ``update_all(copy_u, sum)`` of DGL are used, which run without its
sampling and graphbolt libraries.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from gslt.config import FreezeConfig, check_choice
from gslt.environment import import_quietly
from gslt.errors import ConfigError, GraphError, MissingPackageError
from gslt.masking.freeze import freeze, reset_scores
from gslt.nn import memory
from gslt.nn.conv import Features, GCNConv, GINConv, SAGEConv
from gslt.nn.graph import Factors, Graph, Propagation

Activation = Callable[[Tensor], Tensor] | None

# Without a choice of engine DGL prints a notice and writes a file into the home folder.
os.environ.setdefault("DGLBACKEND", "pytorch")
try:
    dgl = import_quietly("dgl")
except ImportError as error:
    raise MissingPackageError("dgl", "The DGL backend", "dgl") from error


class WrappedGraph(Graph):
    """A homogeneous ``dgl.DGLGraph`` or block as a :class:`~gslt.nn.graph.Graph`."""

    def __init__(self, graph: Any) -> None:
        super().__init__()
        if not isinstance(graph, dgl.DGLGraph):
            raise GraphError(f"expected a dgl.DGLGraph, got {type(graph).__name__}")
        if len(graph.canonical_etypes) != 1:
            raise GraphError(
                f"the graph has {len(graph.canonical_etypes)} edge types; pick one, "
                "graph[('source', 'edge', 'target')]"
            )
        self.graph = graph

    @property
    def shape(self) -> tuple[int, int]:
        """Number of targets and of sources."""
        return self.graph.num_dst_nodes(), self.graph.num_src_nodes()

    def multiply(self, operator: Propagation, x: Tensor, transposed: bool) -> Tensor:
        """M x, or Mᵀ x: a sum of copied messages, scaled before and after.

        Args:
            operator: M.
            x: representations ``(num_sources, width)``, or of the targets for Mᵀ.
            transposed: whether Mᵀ is meant.
        """
        # DGL's kernel for two bytes per number is slower than this detour, and adds in two bytes.
        dtype = x.dtype if x.is_cuda else torch.promote_types(x.dtype, torch.float32)
        step = operator.transposed if transposed else operator
        given_type = x.dtype
        given = x = memory.converted(x, dtype)
        if step.right is not None:
            x = torch.mul(x, step.right.to(dtype).unsqueeze(1), out=memory.empty_like(x))
        out = _sum_of_copies(self._reversed if transposed else self.graph, x)
        for rows in memory.row_blocks(out):
            if step.left is not None:
                out[rows] *= step.left[rows].to(dtype).unsqueeze(1)
            if step.root is not None:
                out[rows].addcmul_(given[rows], step.root[rows].to(dtype).unsqueeze(1))
        return memory.converted(out, given_type)

    @cached_property
    def _reversed(self) -> Any:
        """The graph with every edge turned round, for gradients."""
        source, target = self.graph.edges()
        targets, sources = self.shape
        edges = {("target", "back", "source"): (target, source)}
        return dgl.heterograph(edges, num_nodes_dict={"target": targets, "source": sources})

    @cached_property
    def in_degree(self) -> Tensor:
        """Number of edges into each target."""
        degree: Tensor = self.graph.in_degrees().float()
        return degree

    @cached_property
    def out_degree(self) -> Tensor:
        """Number of edges out of each source."""
        degree: Tensor = self.graph.out_degrees().float()
        return degree

    @cached_property
    def self_loops(self) -> Tensor:
        """Number of self-loops of each node."""
        source, target = self.graph.edges()
        loops = source[source == target].long()
        return torch.bincount(loops, minlength=self.graph.num_dst_nodes()).float()


def _sum_of_copies(graph: Any, x: Tensor) -> Tensor:
    """Σ_{j → i} x_j by DGL's fast kernel."""
    wide = memory.whole_rows(x)
    with graph.local_scope(), memory.ReusedZeros():
        graph.srcdata["h"] = wide
        graph.update_all(dgl.function.copy_u("h", "m"), dgl.function.sum("m", "h"))
        result: Tensor = graph.dstdata["h"]
    return result[:, : x.size(1)]


def as_graph(graph: object) -> WrappedGraph:
    """A graph for gslt's layers from a ``dgl.DGLGraph``.

    Raises:
        GraphError: for anything else, or for a graph of several edge types.
    """
    return graph if isinstance(graph, WrappedGraph) else WrappedGraph(graph)


class DGLBackend:
    """The engine of DGL-style calls ``(graph, x)``."""

    name = "dgl"

    def graph(self, edge_index: Tensor, num_nodes: int) -> WrappedGraph:
        """The DGL graph of these edges.

        Args:
            edge_index: int64 ``(2, E)``, row 0 sources and row 1 targets.
            num_nodes: number of nodes.
        """
        return WrappedGraph(dgl.graph((edge_index[0], edge_index[1]), num_nodes=num_nodes))

    def inputs(self, x: Tensor, graph: Graph) -> tuple[object, ...]:
        """``(graph, x)``.

        Args:
            x: features ``(N, in)``.
            graph: a graph of this backend.
        """
        return graph, x

    def bind(self, *inputs: Any) -> tuple[Tensor, Graph]:
        """Features ``(N, in)`` and graph from ``(graph, x)``, the graph being DGL's or gslt's."""
        graph, x = inputs
        return x, as_graph(graph)


BACKEND = DGLBackend()


class FrozenGINConv(GINConv):
    """A frozen ``dgl.nn.GINConv``, see :class:`gslt.nn.GINConv` for the equation.

    Args:
        apply_func: any module from width ``in`` to width ``out``; it is frozen in place.
        aggregator_type: ``"sum"`` (DGL's default) or ``"mean"``.
        init_eps: ε, a constant.
        learn_eps: refused, since a frozen layer trains nothing.
        activation: applied to the output.
        config: the frozen source. Default: ``FreezeConfig()``.
        name: names the random streams; layers of equal shape need different names.

    Shapes:
        graph of N nodes, feat ``(N, in)`` or a pair → ``(N, out)``.

    Raises:
        ConfigError: for an option that a frozen layer does not have.
    """

    def __init__(
        self,
        apply_func: nn.Module,
        aggregator_type: str = "sum",
        init_eps: float = 0.0,
        learn_eps: bool = False,
        activation: Activation = None,
        *,
        config: FreezeConfig | None = None,
        name: str = "",
    ) -> None:
        if learn_eps:
            raise ConfigError("learn_eps=True asks for a trained ε; a frozen layer has none")
        check_choice("aggregator_type", aggregator_type, ("sum", "mean"))
        super().__init__(apply_func, init_eps, aggregator_type)  # type: ignore[arg-type]
        self.activation = activation
        freeze(self, config or FreezeConfig(), prefix=name)

    @property
    def apply_func(self) -> nn.Module:
        """DGL's name for ``nn``."""
        return self.nn

    def reset_parameters(self) -> None:
        """The scores as they were before any search, see :func:`gslt.reset_scores`."""
        reset_scores(self)

    def forward(self, graph: Any, feat: Features, edge_weight: None = None) -> Tensor:  # type: ignore[override]
        """``(N, in)`` → ``(N, out)``.

        Args:
            graph: a ``dgl.DGLGraph`` of N nodes, or a block.
            feat: features ``(N, in)``, or a pair (sources, targets).
            edge_weight: refused: messages are copies.
        """
        _refuse_edge_weight(edge_weight)
        wrapped = as_graph(graph)
        out = super().forward(_pair(wrapped, feat), wrapped)
        return out if self.activation is None else self.activation(out)


class FrozenGCNConv(GCNConv):
    """A frozen ``dgl.nn.GraphConv``: DGL's degrees and options, no self-loops added.

    x' = D_in^(−½) A D_out^(−½) x W + b with ``norm="both"``.

    Args:
        in_feats: input width.
        out_feats: output width.
        norm: ``"both"``, ``"right"`` (divide by the in-degree), ``"left"`` (by the out-degree) or
            ``"none"``.
        weight: refused when False: a layer without weights has nothing to freeze.
        bias: as in DGL; a bias is fixed at 0.
        activation: applied to the output.
        allow_zero_in_degree: without it a graph with nodes that nothing points to is refused.
        config: the frozen source. Default: ``FreezeConfig()``.
        name: names the random streams; layers of equal shape need different names.

    Shapes:
        graph of N nodes, feat ``(N, in)`` or a pair → ``(N, out)``.

    Raises:
        ConfigError: for an option that a frozen layer does not have.
        GraphError: in a call, for zero in-degree nodes that were not allowed.
    """

    def __init__(
        self,
        in_feats: int,
        out_feats: int,
        norm: str = "both",
        weight: bool = True,
        bias: bool = True,
        activation: Activation = None,
        allow_zero_in_degree: bool = False,
        *,
        config: FreezeConfig | None = None,
        name: str = "",
    ) -> None:
        check_choice("norm", norm, ("none", "both", "right", "left"))
        if not weight:
            raise ConfigError("weight=False leaves nothing to freeze; use dgl.nn.GraphConv")
        super().__init__(in_feats, out_feats, bias)
        self.norm, self.activation = norm, activation
        self.allow_zero_in_degree = allow_zero_in_degree
        freeze(self, config or FreezeConfig(), prefix=name)

    @property
    def weight(self) -> Tensor:
        """W in DGL's orientation, ``(in, out)``: the effective weight."""
        return self.lin.weight.t()

    def set_allow_zero_in_degree(self, set_value: bool) -> None:
        """Accept, or refuse, nodes that nothing points to."""
        self.allow_zero_in_degree = set_value

    def reset_parameters(self) -> None:
        """The scores as they were before any search, see :func:`gslt.reset_scores`."""
        reset_scores(self)

    def forward(  # type: ignore[override]
        self, graph: Any, feat: Features, weight: None = None, edge_weight: None = None
    ) -> Tensor:
        """``(N, in)`` → ``(N, out)``.

        Args:
            graph: a ``dgl.DGLGraph`` of N nodes, or a block.
            feat: features ``(N, in)``, or a pair (sources, targets).
            weight: refused: the frozen layer has its own.
            edge_weight: refused: messages are copies.
        """
        _refuse_edge_weight(edge_weight)
        if weight is not None:
            raise ConfigError("an external weight was given; the frozen layer has its own")
        wrapped = as_graph(graph)
        if not self.allow_zero_in_degree and bool((wrapped.in_degree == 0).any()):
            node = int((wrapped.in_degree == 0).nonzero()[0])
            raise GraphError(
                f"node {node} has in-degree 0, so its output would be zero; add self-loops with "
                "dgl.add_self_loop(graph), or pass allow_zero_in_degree=True"
            )
        x = feat if isinstance(feat, Tensor) else feat[0]
        out = super().forward(x, wrapped)
        return out if self.activation is None else self.activation(out)

    def propagate(self, x: Tensor, graph: Graph) -> Tensor:
        """D_in^(−½) A D_out^(−½) x, or the one-sided normalisations.

        Args:
            x: representations of the sources ``(N, width)``.
            graph: a :class:`WrappedGraph`.
        """
        assert isinstance(graph, WrappedGraph)
        wrapped, norm = graph, self.norm
        power = -0.5 if norm == "both" else -1.0

        def factors() -> Factors:
            out, into = wrapped.out_degree.double(), wrapped.in_degree.double()
            right = out.clamp(min=1).pow(power) if norm in ("left", "both") else None
            left = into.clamp(min=1).pow(power) if norm in ("right", "both") else None
            return {"left": left, "right": right}

        return wrapped.propagate(x, wrapped.operator(("dgl", norm), factors))


FrozenGraphConv = FrozenGCNConv


class FrozenSAGEConv(SAGEConv):
    """A frozen ``dgl.nn.SAGEConv``, see :class:`gslt.nn.SAGEConv` for the equation.

    Args:
        in_feats: input width, or (source width, target width).
        out_feats: output width.
        aggregator_type: ``"mean"``.
        feat_drop: dropout on the features.
        bias: as in DGL; a bias is fixed at 0.
        norm: applied to the output.
        activation: applied to the output, before ``norm``.
        config: the frozen source. Default: ``FreezeConfig()``.
        name: names the random streams; layers of equal shape need different names.

    Shapes:
        graph of N nodes, feat ``(N, in)`` or a pair → ``(N, out)``.

    Raises:
        ConfigError: for an option that a frozen layer does not have.
    """

    def __init__(
        self,
        in_feats: int | tuple[int, int],
        out_feats: int,
        aggregator_type: str = "mean",
        feat_drop: float = 0.0,
        bias: bool = True,
        norm: Activation = None,
        activation: Activation = None,
        *,
        config: FreezeConfig | None = None,
        name: str = "",
    ) -> None:
        if aggregator_type != "mean":
            raise ConfigError(
                f"FrozenSAGEConv aggregates by 'mean', got {aggregator_type!r}; other "
                "aggregations: gslt.freeze() on DGL's own layer"
            )
        super().__init__(in_feats, out_feats, "mean", bias=bias)
        self.feat_drop = nn.Dropout(feat_drop)
        self.norm, self.activation = norm, activation
        freeze(self, config or FreezeConfig(), prefix=name)

    @property
    def fc_neigh(self) -> nn.Linear:
        """DGL's name for ``lin_l``."""
        return self.lin_l

    @property
    def fc_self(self) -> nn.Linear | None:
        """DGL's name for ``lin_r``."""
        return self.lin_r

    def reset_parameters(self) -> None:
        """The scores as they were before any search, see :func:`gslt.reset_scores`."""
        reset_scores(self)

    def forward(self, graph: Any, feat: Features, edge_weight: None = None) -> Tensor:  # type: ignore[override]
        """``(N, in)`` → ``(N, out)``.

        Args:
            graph: a ``dgl.DGLGraph`` of N nodes, or a block.
            feat: features ``(N, in)``, or a pair (sources, targets).
            edge_weight: refused: messages are copies.
        """
        _refuse_edge_weight(edge_weight)
        wrapped = as_graph(graph)
        source, target = _pair(wrapped, feat)
        dropped = self.feat_drop(source)
        same = target is source
        out = super().forward(
            (dropped, dropped if same else self._drop_target(source, dropped, target)), wrapped
        )
        out = out if self.activation is None else self.activation(out)
        return out if self.norm is None else self.norm(out)

    def _drop_target(self, source: Tensor, dropped: Tensor, target: Tensor) -> Tensor:
        # In a block the targets are the first sources and share their dropout.
        if target.data_ptr() == source.data_ptr():
            return dropped[: target.size(0)]
        result: Tensor = self.feat_drop(target)
        return result


def _pair(graph: WrappedGraph, feat: Features) -> tuple[Tensor, Tensor]:
    """Source and target features; in a block the targets are the first sources."""
    if not isinstance(feat, Tensor):
        source, target = feat
        if target is None:
            raise GraphError("the features of the target nodes are missing")
        return source, target
    return (feat, feat[: graph.graph.num_dst_nodes()]) if graph.graph.is_block else (feat, feat)


def _refuse_edge_weight(edge_weight: object) -> None:
    if edge_weight is not None:
        raise ConfigError(
            "edge_weight is not supported on DGL: gslt passes copies, never weighted messages; "
            "use the PyG backend, or gslt.freeze() on DGL's own layer"
        )
