"""Node classifiers: one skeleton; GIN, GCN, GraphSAGE and GAT differ only in the layer."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from gslt.config import VISION, ModelConfig
from gslt.errors import ConfigError, GraphError
from gslt.nn.conv import GATConv, GCNConv, GINConv, SAGEConv
from gslt.nn.graph import Backend, EdgelessGraph, EdgeList, Graph, row_starts, sparse_csr
from gslt.nn.hooks import is_traced, observed, refuse_script
from gslt.nn.ops import Linear, NormReLU, fan_out
from gslt.nn.vision import vision_net
from gslt.settings import part

#: Layer of each architecture, from input and output width, heads and whether it is the last. Every
#: choice is explicit, no bias.
LAYERS: dict[str, Callable[[int, int, int, bool], nn.Module]] = {
    "gin": lambda i, o, *_: GINConv(Linear(i, o), eps=0.0, aggr="mean"),
    "gcn": lambda i, o, *_: GCNConv(i, o, bias=False, normalize=True),
    "sage": lambda i, o, *_: SAGEConv(i, o, aggr="mean", root_weight=True, bias=False),
    "gat": lambda i, o, heads, last: GATConv(
        i, o if last else o // heads, heads, concat=not last, negative_slope=0.2, bias=False
    ),
}

#: By how much a layer with He's weights enlarges a constant signal: the rows of I + D⁻¹A sum to 2,
#: those of GCN's operator to 1 on a regular graph, those of GAT's attention always, and GraphSAGE
#: adds two independent terms.
GAINS = {"gin": 2.0, "gcn": 1.0, "sage": 2.0**0.5, "gat": 1.0}
#: The same of a residual connection between two signals of one size whose entries are positive, so
#: that the cosine of their angle is about ½: √(1 + 1 + 2 · ½).
SKIP_GAIN = 3.0**0.5


class GNN(nn.Module):
    """Node classifier of ``config`` on a backend.

    h ← ReLU(BN(layer(h, graph))) for each layer; logits = ½ (V h_{L−1} + h_L) with the head, where
    V is one more linear map and h_L has as many columns as there are classes (Huang et al. 2022,
    arXiv 2211.15335; Otsuka et al. 2024). No biases, no affine norm, no running statistics: the
    model is the same function in training and evaluation unless it has dropout, and its weights
    are all that it has.

    With ``pair_norm``, PairNorm stands in the place of BN. With ``edges="none"`` the graph counts
    for its nodes alone (:class:`gslt.nn.graph.EdgelessGraph`): a multi-layer perceptron.

    With ``residual``, h ← h + ReLU(BN(layer(h, graph))) in the layers between two hidden ones. With
    ``unit_gain`` and no norm, h ← r or, with ``residual``, h ← (h + r) / √3, where
    r = ReLU(layer(h, graph)) / g with g of :data:`GAINS`, or 1 without edges. A network without
    residual connections is homogeneous, so that its logits are those without the factors, times a
    constant; one of GAT layers is not, as attention depends on the size of what it sees.

    It is called as the layers of its backend are: ``model(x, edge_index)`` on PyG,
    ``model(graph, x)`` on DGL.

    Args:
        in_channels: number of features.
        out_channels: number of classes.
        config: architecture, depth, width.
        backend: the engine, see :mod:`gslt.backends`.

    Raises:
        ConfigError: for the architecture of a network of images, see :mod:`gslt.nn.vision`.
    """

    __prepare_scriptable__ = refuse_script
    found_on: str | None = None
    """Content hash of the data that a search or training found it on; empty where a ticket does not
    say; None for a network that neither has found."""

    def __init__(
        self, in_channels: int, out_channels: int, config: ModelConfig, backend: Backend
    ) -> None:
        super().__init__()
        if config.architecture not in LAYERS:
            raise ConfigError(
                f"{config.architecture} is a network of images, and this needs one of a graph: "
                f"{', '.join(LAYERS)}"
            )
        if not hasattr(backend, "bind"):
            raise ConfigError(
                f"backend must be one, such as gslt.backends.get_backend('pyg'), got {backend!r}"
            )
        # A SearchConfig is a ModelConfig too; keep the model's own fields only.
        self.config = part(ModelConfig, config)
        self.in_channels, self.out_channels, self.backend = in_channels, out_channels, backend
        hidden = config.hidden_channels
        widths = [in_channels, *[hidden] * (config.num_layers - 1), out_channels]
        make, last = LAYERS[config.architecture], config.num_layers - 1
        # torch fills new layers from its global generator; every weight is replaced later.
        with torch.random.fork_rng(devices=[]):
            self.layers = nn.ModuleList(
                make(i, o, config.heads, number == last)
                for number, (i, o) in enumerate(pairwise(widths))
            )
            self.head = Linear(hidden, out_channels) if config.head else None
        self.activations = nn.ModuleList(
            NormReLU(config.pair_norm) if config.batch_norm or config.pair_norm else nn.ReLU()
            for _ in widths[1:]
        )
        self._edgeless: EdgelessGraph | None = None

    def forward(self, *inputs: object, generator: torch.Generator | None = None) -> Tensor:
        """Logits ``(N, classes)``.

        Args:
            *inputs: features and graph, in the order and the types of the backend.
            generator: what dropout draws from. Default: torch's own.

        Raises:
            GraphError: for other inputs than features and a graph, or features that do not fit.
        """
        x, graph = self.backend.bind(*inputs)
        weights = next(self.parameters(), x)
        self._check(x, weights.dtype)
        if x.device != weights.device:
            raise GraphError(
                f"the features are on {x.device} and the network on {weights.device}; move one: "
                "model.to(x.device), and the graph with it"
            )
        return self.logits(x, graph, generator)

    def logits(self, x: Tensor, graph: Graph, generator: torch.Generator | None = None) -> Tensor:
        """Logits ``(N, classes)`` from features and a graph of the backend.

        Activations and products have the type of ``x``; logits are single precision at least.

        Args:
            x: features ``(N, in)``, dense or ``torch.sparse_csr``.
            graph: the graph of the N nodes.
            generator: what dropout draws from. Default: torch's own.
        """
        if self.config.edges == "none":
            graph = self._without_edges(x)
        for number, layer in enumerate(self.layers[:-1]):
            x = self._hidden(number, layer, self._drop(x, generator), graph)
        hidden = self._drop(x, generator)
        if self.head is None:
            return observed("layer", _single(self.layers[-1](hidden, graph)))
        hidden, to_head = fan_out(hidden)
        out = observed("layer", self.activations[-1](self.layers[-1](hidden, graph)))
        return (_single(self.head(to_head)) + _single(out)) / 2

    def _check(self, x: Tensor, dtype: torch.dtype) -> None:
        """Refuse features ``(N, in)`` that the weights of this type cannot multiply."""
        if x.dim() != 2 or x.size(1) != self.in_channels:
            raise GraphError(
                f"features must be of shape (N, {self.in_channels}), got {tuple(x.shape)}"
            )
        if not x.is_floating_point() or torch.promote_types(x.dtype, dtype) != dtype:
            given, own = (str(each).removeprefix("torch.") for each in (x.dtype, dtype))
            raise GraphError(
                f"the features are {given} and the weights {own}; pass x.to(torch.{own})"
            )
        if not is_traced() and not x.size(0):
            raise GraphError("a graph without nodes has no logits")

    def _without_edges(self, x: Tensor) -> Graph:
        """The nodes of x ``(N, in)`` without edges, kept for the next forward."""
        if is_traced():
            none = torch.empty(2, 0, dtype=torch.int64, device=x.device)
            return EdgeList(none, x.size(0), x.size(0))
        old = self._edgeless
        if old is None or old.shape[0] != x.size(0) or old.in_degree.device != x.device:
            self._edgeless = EdgelessGraph(x.size(0), x.device)
        assert self._edgeless is not None
        return self._edgeless

    def _hidden(self, number: int, layer: nn.Module, x: Tensor, graph: Graph) -> Tensor:
        config, skip = self.config, None
        if config.residual and number > 0:
            x, skip = fan_out(x)
        out: Tensor = self.activations[number](layer(x, graph))
        if config.unit_gain:
            out = out / (GAINS[config.architecture] if config.edges == "all" else 1.0)
        if skip is not None:
            out = (skip + out) / SKIP_GAIN if config.unit_gain else skip + out
        return observed("layer", out)

    def _drop(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        p = self.config.dropout
        if not p or not self.training:
            return x
        if x.layout == torch.strided:
            return _dropout(x, p, generator)
        kept = _dropout(x.values(), p, generator)
        return sparse_csr(x.crow_indices(), x.col_indices(), kept, x.shape)


def _single(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _dropout(x: Tensor, p: float, generator: torch.Generator | None) -> Tensor:
    keep = torch.empty_like(x).bernoulli_(1.0 - p, generator=generator)
    return x * keep.div_(1.0 - p)


def weight_shapes(
    in_channels: int, out_channels: int, config: ModelConfig
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a model's weights, in their order; no weight is allocated.

    >>> weight_shapes(3, 2, ModelConfig(num_layers=2, hidden_channels=4))
    {'layers.0.nn.weight': (4, 3), 'layers.1.nn.weight': (2, 4), 'head.weight': (2, 4)}

    Args:
        in_channels: number of features, or channels of an image.
        out_channels: number of classes.
        config: architecture, depth, width.
    """
    if config.architecture in VISION:
        with torch.device("meta"):
            parameters = vision_net(in_channels, out_channels, config).named_parameters()
            return {name: tuple(weight.shape) for name, weight in parameters}
    hidden, last = config.hidden_channels, config.num_layers - 1
    pairs = pairwise([in_channels, *[hidden] * last, out_channels])
    kinds = [(i, o, number == last) for number, (i, o) in enumerate(pairs)]
    make = LAYERS[config.architecture]
    with torch.device("meta"):
        # Layers of one kind are alike, however many there are.
        layers = {(i, o, end): make(i, o, config.heads, end) for i, o, end in dict.fromkeys(kinds)}
    shapes = {
        f"layers.{number}.{name}": tuple(weight.shape)
        for number, kind in enumerate(kinds)
        for name, weight in layers[kind].named_parameters()
    }
    return {**shapes, "head.weight": (out_channels, hidden)} if config.head else shapes


def compact_features(x: Tensor) -> Tensor:
    """Features as a ``torch.sparse_csr`` tensor where at most a tenth of them is not zero.

    Bags of words are; the first layer's product is then many times cheaper.

    Args:
        x: features ``(N, in)``; returned as they are where they are sparse already, or too dense.
    """
    if x.layout != torch.strided or int(torch.count_nonzero(x)) > 0.1 * x.numel():
        return x
    row, column = x.nonzero(as_tuple=True)
    return sparse_csr(row_starts(row, x.size(0)), column, x[row, column], x.shape)
