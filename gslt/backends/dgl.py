"""DGL: neighbour sums by ``copy_u`` message passing, and DGL's own layers, frozen.

The sums use graph construction and ``update_all(copy_u, sum)`` of DGL alone, which run without its
sampling and graphbolt libraries.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gslt.config import FreezeConfig
from gslt.environment import import_quietly
from gslt.errors import ConfigError, GraphError, MissingPackageError
from gslt.masking.freeze import fix_others, freeze, reset_scores
from gslt.masking.parametrization import frozen_weights
from gslt.masking.weights import weights_of
from gslt.nn import memory
from gslt.nn.graph import Graph, Propagation, two_inputs

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

    def _attend(self, x: Tensor, source: Tensor, target: Tensor, slope: float) -> Tensor:
        self._check_untransformed()
        # As in the sums: DGL's kernels for two bytes per number are slower, and add in two bytes.
        dtype, graph = torch.promote_types(x.dtype, torch.float32), self._with_loops
        wide = memory.converted(x, dtype).reshape(*source.shape, x.size(1) // source.size(1))
        said = dgl.ops.u_add_v(graph, source.to(dtype), target.to(dtype))
        alpha = dgl.ops.edge_softmax(graph, F.leaky_relu(said, slope))
        out: Tensor = dgl.ops.u_mul_e_sum(graph, wide, alpha.unsqueeze(2))
        return out.flatten(1).to(x.dtype)

    @cached_property
    def _with_loops(self) -> Any:
        """The graph with exactly one self-loop at every node."""
        source, target = self.graph.edges()
        others, node = source != target, self.graph.nodes()
        edges = torch.cat([source[others], node]), torch.cat([target[others], node])
        return dgl.graph(edges, num_nodes=len(node))

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
        graph, x = two_inputs(inputs, "(graph, x)")
        return x, as_graph(graph)


BACKEND = DGLBackend()


class _Frozen(nn.Module):
    """What the layers add to the layer of DGL that they are."""

    def _freeze(self, config: FreezeConfig | None, name: str) -> None:
        if any(weights_of(self)) or frozen_weights(self):
            freeze(self, config or FreezeConfig(), prefix=name)
        else:
            fix_others(self)

    def reset_parameters(self) -> None:
        """The scores as they were before any search, see :func:`gslt.reset_scores`."""
        if frozen_weights(self):
            reset_scores(self)
        else:
            # The host's own, where it has one: it is called while the layer is built.
            getattr(super(), "reset_parameters", lambda: None)()


class FrozenGINConv(_Frozen, dgl.nn.GINConv):  # type: ignore[misc, name-defined]
    """A frozen ``dgl.nn.GINConv``: x'_i = f((1 + ε) x_i + Σ_{j → i} e_ji x_j), with DGL's options.

    It is DGL's layer, called as that is; its weights are frozen. Xu et al. 2019 (arXiv 1810.00826).

    Args:
        apply_func: f, a module, which is frozen in place; without weights, nothing is searched.
        aggregator_type: ``"sum"``, ``"mean"`` or ``"max"`` over neighbours.
        init_eps: ε, a constant.
        learn_eps: refused when True, since a frozen layer trains nothing.
        activation: applied to the output.
        config: the frozen source. Default: ``FreezeConfig()``.
        name: names the random streams; layers of equal shape need different names.

    Raises:
        ConfigError: for a trained ε.
    """

    def __init__(
        self,
        apply_func: Callable[[Tensor], Tensor] | None = None,
        aggregator_type: str = "sum",
        init_eps: float = 0,
        learn_eps: bool = False,
        activation: Activation = None,
        *,
        config: FreezeConfig | None = None,
        name: str = "",
    ) -> None:
        if learn_eps:
            raise ConfigError("learn_eps=True asks for a trained ε; a frozen layer has none")
        super().__init__(apply_func, aggregator_type, init_eps, learn_eps, activation)
        self._freeze(config, name)


class FrozenGraphConv(_Frozen, dgl.nn.GraphConv):  # type: ignore[misc, name-defined]
    """A frozen ``dgl.nn.GraphConv``: DGL's degrees and options, no self-loops added.

    x' = D_in^(−½) A D_out^(−½) x W + b with ``norm="both"``, A_ij being the weight of j → i. It is
    DGL's layer, called as that is; its weights are frozen. Kipf & Welling 2017 (arXiv 1609.02907).

    Args:
        in_feats: input width.
        out_feats: output width.
        norm: ``"both"``, ``"right"`` (divide by the in-degree), ``"left"`` (by the out-degree) or
            ``"none"``.
        weight: whether W, ``(in_feats, out_feats)``, is the layer's own. If not, it has nothing to
            search, and W is given in the call.
        bias: as in DGL; a bias is fixed at 0.
        activation: applied to the output.
        allow_zero_in_degree: without it a graph with nodes that nothing points to is refused.
        config: the frozen source. Default: ``FreezeConfig()``.
        name: names the random streams; layers of equal shape need different names.
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
        super().__init__(in_feats, out_feats, norm, weight, bias, activation, allow_zero_in_degree)
        self._freeze(config, name)


FrozenGCNConv = FrozenGraphConv


class FrozenSAGEConv(_Frozen, dgl.nn.SAGEConv):  # type: ignore[misc, name-defined]
    """A frozen ``dgl.nn.SAGEConv``: x'_i = W_self x_i + b + W_neigh aggregate_{j → i} e_ji x_j.

    It is DGL's layer, called as that is; its weights are frozen, those of the aggregator as well.
    Hamilton et al. 2017 (arXiv 1706.02216), Algorithm 1.

    Args:
        in_feats: input width, or (source width, target width).
        out_feats: output width.
        aggregator_type: ``"mean"``, ``"gcn"``, ``"pool"`` or ``"lstm"``.
        feat_drop: dropout on the features.
        bias: as in DGL; a bias is fixed at 0.
        norm: applied to the output.
        activation: applied to the output, before ``norm``.
        config: the frozen source. Default: ``FreezeConfig()``.
        name: names the random streams; layers of equal shape need different names.
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
        super().__init__(in_feats, out_feats, aggregator_type, feat_drop, bias, norm, activation)
        self._freeze(config, name)


class FrozenGATConv(_Frozen, dgl.nn.GATConv):  # type: ignore[misc, name-defined]
    """A frozen ``dgl.nn.GATConv``: x'_i = Σ_{j → i} α_ij W x_j + b for each head, no loops added.

    α is the softmax over j → i of LeakyReLU(a_l · W x_j + a_r · W x_i). It is DGL's layer, called
    as that is; frozen and searched are W, the attention vectors of every head (fan-in: their
    length) and the residual map. Veličković et al. 2018 (arXiv 1710.10903).

    Args:
        in_feats: input width, or (source width, target width).
        out_feats: output width of a head.
        num_heads: number of heads.
        feat_drop: dropout on the features.
        attn_drop: dropout on the attention.
        negative_slope: of LeakyReLU.
        residual: whether the input is added, by a map where the widths differ.
        activation: applied to the output.
        allow_zero_in_degree: without it a graph with nodes that nothing points to is refused.
        bias: as in DGL; a bias is fixed at 0.
        config: the frozen source. Default: ``FreezeConfig()``.
        name: names the random streams; layers of equal shape need different names.
    """

    def __init__(
        self,
        in_feats: int | tuple[int, int],
        out_feats: int,
        num_heads: int,
        feat_drop: float = 0.0,
        attn_drop: float = 0.0,
        negative_slope: float = 0.2,
        residual: bool = False,
        activation: Activation = None,
        allow_zero_in_degree: bool = False,
        bias: bool = True,
        *,
        config: FreezeConfig | None = None,
        name: str = "",
    ) -> None:
        drops = (feat_drop, attn_drop, negative_slope)
        rest = (residual, activation, allow_zero_in_degree, bias)
        super().__init__(in_feats, out_feats, num_heads, *drops, *rest)
        self._freeze(config, name)
