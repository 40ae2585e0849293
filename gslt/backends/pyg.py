"""PyTorch Geometric's own layers, frozen.

Each is a subclass of PyG's layer of the same name: its constructor, its options, its inputs, its
hooks. Where nothing could tell the difference, its sum over neighbours is one sparse product of
:mod:`gslt.backends.csr`, in the order that is cheaper; everywhere else, PyG passes its messages.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.parameter import is_lazy

from gslt.backends.csr import BACKEND, CSRGraph, NormalisedGraph, as_graph, cached_graph, edges_of
from gslt.config import FreezeConfig
from gslt.environment import import_quietly
from gslt.errors import ConfigError, GraphError
from gslt.masking.freeze import freeze
from gslt.masking.twins import watch
from gslt.nn.conv import Features, gcn, gin, sage, split_features
from gslt.nn.hooks import has_global_hooks, has_hooks, is_patched, is_traced, refuse_script

__all__ = [
    "BACKEND",
    "Adjacency",
    "FrozenGATConv",
    "FrozenGCNConv",
    "FrozenGINConv",
    "FrozenSAGEConv",
]

host = import_quietly("torch_geometric.nn")
EdgeIndex = import_quietly("torch_geometric").EdgeIndex
gcn_norm = import_quietly("torch_geometric.nn.conv.gcn_conv").gcn_norm

#: ``edge_index`` (2, E), an ``EdgeIndex``, a ``torch.sparse`` transposed adjacency, or a graph of
#: gslt.
Adjacency = Tensor | CSRGraph

#: Aggregations that are sparse products, by the name that :mod:`gslt.nn.conv` has for them.
_SUMS: dict[Any, Literal["sum", "mean"]] = {
    host.SumAggregation: "sum",
    host.MeanAggregation: "mean",
}
#: What a linear map computes whose weight may be multiplied at another place.
_LINEAR = {nn.Linear.forward, host.Linear.forward}
#: PyG's own message passing, as it is before PyG writes a faster one for each class.
_PROPAGATE = vars(host.MessagePassing).get("_orig_propagate", host.MessagePassing.propagate)
#: The steps of message passing that a subclass, or an instance, may have rewritten.
_STEPS = frozenset({"message", "aggregate", "message_and_aggregate", "update", "propagate"})
_HOOKS = tuple(
    f"_{step}_forward{when}_hooks" for step in sorted(_STEPS - {"update"}) for when in ("", "_pre")
)


class _Frozen(host.MessagePassing):  # type: ignore[misc, name-defined]
    """What the layers add to the layer of PyG that they are."""

    __prepare_scriptable__ = refuse_script
    #: Steps that a subclass has rewritten.
    _rewritten: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        theirs = [
            kind
            for kind in cls.__mro__
            if kind is cls or not (issubclass(kind, _Frozen) or _is_host(kind))
        ]
        cls._rewritten |= {step for step in _STEPS if any(step in vars(kind) for kind in theirs)}
        if "propagate" not in cls._rewritten:
            # PyG derives its faster version from what it finds here; it must not be the faster
            # version of another class, which knows no explainer.
            cls.propagate = _PROPAGATE

    def __init__(
        self, *args: Any, config: FreezeConfig | None = None, name: str = "", **options: Any
    ) -> None:
        super().__init__(*args, **options)
        config = config or FreezeConfig()
        if any(map(is_lazy, self.parameters())):
            hook = partial(_freeze_lazy, config=config, name=name)
            self._lazy = self.register_forward_pre_hook(hook, with_kwargs=True)
            self.drawn_later = (repr(self), name, config.seed, config.weight_init)
            watch(self)
        else:
            freeze(self, config, prefix=name)

    def _messages(self, *args: Any, **options: Any) -> Tensor:
        """What PyG's layer of this name returns."""
        out: Tensor = super().forward(*args, **options)
        return out

    def _unseen(self, x: Any, edges: Any, *linears: nn.Module | None) -> bool:
        """Whether nothing could tell a sparse product from PyG's messages in this call.

        Args:
            x: features, as they were given.
            edges: the graph, as it was given.
            *linears: the maps whose weights are multiplied before or after the sum.
        """
        # Compilers and transforms see the first of these and nothing else.
        if is_traced():
            return False
        if forward_ad._current_level >= 0:
            return False
        if not (_is_product(self) and _is_untouched(self)):
            return False
        if not all(_is_usual(linear) for linear in linears if linear is not None):
            return False
        given = x if isinstance(x, (tuple, list)) else (x,)
        return all(map(_is_matrix, given)) and (isinstance(edges, CSRGraph) or _is_constant(edges))


def _freeze_lazy(
    layer: Any, args: tuple[Any, ...], options: dict[str, Any], config: FreezeConfig, name: str
) -> None:
    """Before the first call: let PyG find the widths that were not given, then freeze."""
    layer._lazy.remove()
    del layer._lazy, layer.drawn_later
    modes = [(module, module.training) for module in layer.modules()]
    layer.eval()
    with torch.no_grad():
        layer._messages(*args, **options)
    for module, training in modes:
        module.training = training
    freeze(layer, config, prefix=name)


def _is_host(kind: type) -> bool:
    return kind.__module__.startswith("torch_geometric.")


def _is_usual(linear: nn.Module) -> bool:
    """Whether a linear map computes what its weight says."""
    return type(linear).forward in _LINEAR and not is_patched(linear)


def _is_product(layer: Any) -> bool:
    """Whether the layer's options say a sum or a mean over rows."""
    return (
        type(layer.aggr_module) in _SUMS
        and not is_patched(layer.aggr_module)
        and layer.flow == "source_to_target"
        and layer.node_dim in (-2, 0)
        and layer.decomposed_layers == 1
    )


def _is_untouched(layer: Any) -> bool:
    """Whether nobody explains the layer, has rewritten a step, or hooks into one."""
    mine, usual = vars(layer), type(layer).propagate.__get__(layer)
    return not (
        layer.explain
        or layer._rewritten
        or (_STEPS - {"propagate"}) & mine.keys()
        # An explainer that has been here leaves the usual one.
        or mine.get("propagate", usual) != usual
        or any(mine[name] for name in _HOOKS)
        or has_global_hooks()
        or any(map(has_hooks, layer.children()))
    )


def _is_plain(value: Any) -> bool:
    """Whether it is a tensor of numbers on a device, of no class with rules of its own."""
    return type(value) in (Tensor, nn.Parameter, EdgeIndex) and not value.is_meta


def _is_constant(value: Any) -> bool:
    """Whether it is a plain tensor that takes no gradient."""
    return _is_plain(value) and not value.requires_grad


def _is_matrix(x: Any) -> bool:
    """Whether it is features ``(N, width)``, of a type that stays as it is; or None."""
    return x is None or (
        _is_plain(x)
        and x.dim() == 2
        and x.is_floating_point()
        and x.layout in (torch.strided, torch.sparse_csr)
        and not torch.is_autocast_enabled(x.device.type)
    )


class FrozenGINConv(_Frozen, host.GINConv):  # type: ignore[misc, name-defined]
    """A frozen ``torch_geometric.nn.GINConv``, see :class:`gslt.nn.GINConv` for the equation.

    Args:
        nn: any module from width ``in`` to width ``out``; it is frozen in place.
        eps: ε, a constant.
        train_eps: refused, since a frozen layer trains nothing.
        config: the frozen source. Default: ``FreezeConfig()``.
        name: names the random streams; layers of equal shape need different names.
        **options: of PyG's message passing, as ``aggr``.

    Shapes:
        x ``(N, in)`` or a pair, edge_index (2, E) → ``(N, out)``.

    Raises:
        ConfigError: for a trained ε, or a module without weights.
    """

    def __init__(
        self,
        nn: nn.Module,
        eps: float = 0.0,
        train_eps: bool = False,
        *,
        config: FreezeConfig | None = None,
        name: str = "",
        **options: Any,
    ) -> None:
        if train_eps:
            raise ConfigError("train_eps=True asks for a trained ε; a frozen layer has none")
        super().__init__(nn, eps, config=config, name=name, **options)

    def forward(
        self, x: Features, edge_index: Adjacency, size: tuple[int, int] | None = None
    ) -> Tensor:
        """``(N, in)`` → ``(N, out)``.

        Args:
            x: features ``(N, in)``, or a pair (sources, targets).
            edge_index: the graph, see :data:`Adjacency`.
            size: number of sources and of targets, where the features do not tell.
        """
        if not self._unseen(x, edge_index):
            return self._messages(x, edge_index, size)
        graph = _graph(x, edge_index, size)
        return gin(x, graph, self.nn, float(self.eps), _SUMS[type(self.aggr_module)])


class FrozenGCNConv(_Frozen, host.GCNConv):  # type: ignore[misc, name-defined]
    """A frozen ``torch_geometric.nn.GCNConv``, see :class:`gslt.nn.GCNConv` for the equation.

    Args:
        *args: as in PyG: ``in_channels``, ``out_channels``, ``improved``, ``cached``,
            ``add_self_loops``, ``normalize``, ``bias``, which is fixed at 0.
        config: the frozen source. Default: ``FreezeConfig()``.
        name: names the random streams; layers of equal shape need different names.
        **options: the same by name, and those of PyG's message passing.

    Shapes:
        x ``(N, in)``, edge_index (2, E), edge_weight ``(E,)`` → ``(N, out)``.
    """

    _cached_edge_index: Any

    @property
    def weight(self) -> Tensor:
        """W, ``(out, in)``: the effective weight of ``lin``."""
        weight: Tensor = self.lin.weight
        return weight

    def forward(
        self, x: Tensor, edge_index: Adjacency, edge_weight: Tensor | None = None
    ) -> Tensor:
        """``(N, in)`` → ``(N, out)``.

        Args:
            x: features ``(N, in)``.
            edge_index: the graph, see :data:`Adjacency`.
            edge_weight: ``(E,)``. Default: ones.

        Raises:
            GraphError: for edges that do not fit the features, weights that are given twice, or a
                graph of gslt where the options ask for another.
        """
        weights = (edge_weight, *(self._cached_edge_index or ()))
        if not (
            isinstance(x, Tensor)
            and self._unseen(x, edge_index, self.lin)
            and type(self.aggr_module) is host.SumAggregation
            and all(_is_constant(weight) for weight in weights if weight is not None)
        ):
            return self._messages(x, edge_index, edge_weight)
        graph = self._graph(x, edge_index, edge_weight)
        aggregate = graph.symmetric if self.normalize else graph.sum
        return gcn(x, graph, self.lin, self.bias, aggregate)

    def _graph(self, x: Tensor, edges: Adjacency, weight: Tensor | None) -> CSRGraph:
        n, improved, loops = x.size(0), self.improved, self.add_self_loops
        if isinstance(edges, CSRGraph):
            if weight is not None or (self.normalize and (improved or not loops)):
                raise GraphError(
                    "a graph of gslt is normalised with one self-loop per node and without edge "
                    "weights; pass edge_index to use improved, add_self_loops=False or edge_weight"
                )
            return as_graph(edges, n, n)
        if weight is not None and edges.layout != torch.strided:
            raise GraphError("the adjacency has values already; give the edge weights once")
        if not self.normalize:
            if weight is None:
                return as_graph(edges, n, n)
            return CSRGraph(edges_of(edges, n, n)[0], n, n, weight)
        if self.cached:
            if self._cached_edge_index is None:
                self._cached_edge_index = gcn_norm(edges, weight, n, improved, loops, dtype=x.dtype)
            return _normalised(n, *self._cached_edge_index)
        if weight is not None:
            return NormalisedGraph.of(edges, weight, n, improved, loops)
        key = ("gcn", n, improved, loops)
        return cached_graph(edges, key, lambda: NormalisedGraph.of(edges, None, n, improved, loops))


class FrozenSAGEConv(_Frozen, host.SAGEConv):  # type: ignore[misc, name-defined]
    """A frozen ``torch_geometric.nn.SAGEConv``, see :class:`gslt.nn.SAGEConv` for the equation.

    Args:
        *args: as in PyG: ``in_channels``, ``out_channels``, ``aggr``, ``normalize``,
            ``root_weight``, ``project``, ``bias``, which is fixed at 0.
        config: the frozen source. Default: ``FreezeConfig()``.
        name: names the random streams; layers of equal shape need different names.
        **options: the same by name, and those of PyG's message passing.

    Shapes:
        x ``(N, in)`` or a pair, edge_index (2, E) → ``(N, out)``.
    """

    def forward(
        self, x: Features, edge_index: Adjacency, size: tuple[int, int] | None = None
    ) -> Tensor:
        """``(N, in)`` → ``(N, out)``.

        Args:
            x: features ``(N, in)``, or a pair (sources, targets).
            edge_index: the graph, see :data:`Adjacency`.
            size: number of sources and of targets, where the features do not tell.
        """
        first = self.lin if self.project else None
        root = self.lin_r if self.root_weight else None
        if not self._unseen(x, edge_index, first, self.lin_l, root):
            return self._messages(x, edge_index, size)
        graph, aggr = _graph(x, edge_index, size), _SUMS[type(self.aggr_module)]
        return sage(x, graph, self.lin_l, root, first, aggr, self.normalize)


class FrozenGATConv(_Frozen, host.GATConv):  # type: ignore[misc, name-defined]
    r"""A frozen ``torch_geometric.nn.GATConv``, Veličković et al. 2018 (arXiv 1710.10903).

    .. math:: x'_i = \Vert_h Σ_{j → i} α^h_{ij} W^h x_j + b, \qquad
        α^h_{ij} = \mathrm{softmax}_j\, \mathrm{LeakyReLU}(a_s^h · W^h x_j + a_t^h · W^h x_i)

    It is PyG's layer, called as that is, with PyG's messages always. What is frozen and searched:
    W, the attention vectors a_s and a_t of every head (fan-in: their length), and where the options
    ask for them the map and the vectors of edge features and the residual map.

    Args:
        *args: as in PyG: ``in_channels``, ``out_channels``, ``heads``, ``concat``,
            ``negative_slope``, ``dropout``, ``add_self_loops``, ``edge_dim``, ``fill_value``,
            ``bias``, which is fixed at 0, ``residual``.
        config: the frozen source. Default: ``FreezeConfig()``.
        name: names the random streams; layers of equal shape need different names.
        **options: the same by name, and those of PyG's message passing.

    Shapes:
        x ``(N, in)`` or a pair, edge_index (2, E), edge_attr ``(E, edge_dim)`` →
        ``(N, heads · out)``, or ``(N, out)`` without ``concat``.
    """

    def forward(
        self, x: Features, edge_index: Tensor, edge_attr: Tensor | None = None, *args: Any, **o: Any
    ) -> Any:
        """``(N, in)`` → ``(N, heads · out)``; the other arguments are PyG's.

        Args:
            x: features ``(N, in)``, or a pair (sources, targets).
            edge_index: int64 ``(2, E)`` or what else PyG takes.
            edge_attr: features of the edges ``(E, edge_dim)``.
            *args: ``size`` and ``return_attention_weights``.
            **o: the same by name.

        Raises:
            GraphError: for a graph of gslt, which has sums over neighbours and no attention.
        """
        if isinstance(edge_index, CSRGraph):
            raise GraphError("attention needs a message per edge; pass edge_index")
        return self._messages(x, edge_index, edge_attr, *args, **o)


def _normalised(num_nodes: int, edges: Tensor, weight: Tensor | None) -> CSRGraph:
    """The graph of edges that PyG has normalised, kept as long as their weights are.

    Without self-loops PyG hands back the user's own edges, which other layers may weigh otherwise.
    """

    def build() -> NormalisedGraph:
        index, value = edges_of(edges, num_nodes, num_nodes)
        return NormalisedGraph(index, num_nodes, num_nodes, value if weight is None else weight)

    key = ("normalised", num_nodes)
    return cached_graph(edges if weight is None else weight, key, build)


def _graph(x: Features, edges: Adjacency, size: tuple[int, int] | None) -> CSRGraph:
    source, target = split_features(x)
    sources = source.size(0)
    targets = None if target is None else target.size(0)
    if isinstance(edges, EdgeIndex):
        size = edges.sparse_size()
    elif isinstance(edges, CSRGraph) or edges.layout != torch.strided:
        # As PyG has it: a matrix tells its size.
        size, targets = None, edges.shape[0] if targets is None else targets
    told = size or (None, None)
    if targets is None:
        targets = sources if told[1] is None else told[1]
    if told[0] not in (None, sources) or told[1] not in (None, targets):
        raise GraphError(f"size {tuple(told)} does not fit {sources} × {targets} feature rows")
    return as_graph(edges, sources, targets)
