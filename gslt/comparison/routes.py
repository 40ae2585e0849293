"""The ways to compute one ticket: on PyG's own layers, and by gslt on each of its backends.

PyG sums a message per edge of a plain ``edge_index``; gslt sums by sparse products, on PyG's or on
DGL's kernels. PyG's route takes torch's products and norms too; selection of the masks, optimizer
and loop are the same everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from gslt.backends import get_backend
from gslt.config import ModelConfig, SearchConfig
from gslt.data import NodeDataset
from gslt.environment import import_quietly
from gslt.errors import MissingPackageError
from gslt.masking import FrozenWeight, frozen_weights
from gslt.masking.freeze import make_source
from gslt.nn import GNN, Backend
from gslt.nn.conv import HeadVectors
from gslt.nn.gnn import compact_features
from gslt.ticket import Ticket

#: The route that the others are measured against: PyG as it is, one message per edge.
HOST = "pyg edge_index"


class HostBackend:
    """PyG as it is: the graph is a plain ``edge_index``."""

    name = HOST

    def graph(self, edge_index: Tensor, num_nodes: int) -> Any:
        """The edges themselves ``(2, E)``."""
        return edge_index

    def inputs(self, x: Tensor, graph: Any) -> tuple[object, ...]:
        """``(x, edge_index)``."""
        return x, graph

    def bind(self, *inputs: Any) -> tuple[Tensor, Any]:
        """Features and edges from ``(x, edge_index)``."""
        x, edge_index = inputs
        return x, edge_index


class HostGNN(GNN):
    """:class:`gslt.nn.GNN` of PyG's layers, with the products and norms of torch.

    Its weights have the names and the order of ``GNN``'s, so that :func:`gslt.freeze` makes the
    same source network of it and the two have the same tickets.

    Args:
        in_channels: number of features.
        out_channels: number of classes.
        config: architecture, depth, width.
        backend: :class:`HostBackend`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, config: ModelConfig, backend: Backend
    ) -> None:
        super().__init__(in_channels, out_channels, config, backend)
        widths = layer_widths(self)
        last = config.num_layers - 1
        with torch.random.fork_rng(devices=[]):
            self.layers = nn.ModuleList(
                _host_layer(config, i, o, number == last)
                for number, (i, o) in enumerate(pairwise(widths))
            )
            if self.head is not None:
                self.head = nn.Linear(config.hidden_channels, out_channels, bias=False)  # type: ignore[assignment]
        self.activations = nn.ModuleList(_host_activation(config, width) for width in widths[1:])


def _host_layer(config: ModelConfig, i: int, o: int, last: bool) -> nn.Module:
    """The layer of PyG that is the same function as gslt's of this architecture."""
    host = import_quietly("torch_geometric.nn")
    architecture, heads = config.architecture, config.heads
    layer: nn.Module
    if architecture == "gcn":
        # Cached, as the graph is always the same: without it PyG normalises at every call.
        layer = host.GCNConv(i, o, bias=False, cached=True)
    elif architecture == "sage":
        layer = host.SAGEConv(i, o, aggr="mean", bias=False)
    elif architecture == "gat":
        layer = _HostGAT(i, o if last else o // heads, heads, concat=not last)
    else:
        layer = host.GINConv(nn.Linear(i, o, bias=False), eps=0.0, aggr="mean")
        # A constant that PyG keeps in its state; the ticket of a GNN carries masks alone.
        layer.register_buffer("eps", torch.zeros(1), persistent=False)
    return layer


class _HostGAT(nn.Module):
    """PyG's ``GATConv`` with weights of the names and shapes that gslt's has."""

    def __init__(self, i: int, o: int, heads: int, concat: bool) -> None:
        super().__init__()
        self.lin = nn.Linear(i, heads * o, bias=False)
        self.att_src, self.att_dst = HeadVectors(heads, o), HeadVectors(heads, o)
        host = import_quietly("torch_geometric.nn")
        # No part of this module: it is called with other weights than its own.
        self._layer = (host.GATConv(i, o, heads, concat, bias=False),)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        weights = {
            "lin.weight": self.lin.weight,
            "att_src": self.att_src.weight.unsqueeze(0),
            "att_dst": self.att_dst.weight.unsqueeze(0),
        }
        out: Tensor = torch.func.functional_call(self._layer[0], weights, (x, edge_index))
        return out


def _host_activation(config: ModelConfig, width: int) -> nn.Module:
    if not config.batch_norm:
        return nn.ReLU()
    norm = nn.BatchNorm1d(width, affine=False, track_running_stats=False)
    return nn.Sequential(norm, nn.ReLU())


def layer_widths(model: GNN) -> list[int]:
    """Widths between the layers of a model: features, hidden ones, classes."""
    hidden = [model.config.hidden_channels] * (model.config.num_layers - 1)
    return [model.in_channels, *hidden, model.out_channels]


@dataclass(frozen=True)
class Route:
    """One way to compute a model."""

    name: str
    backend: Backend
    model: type[GNN] = GNN

    @property
    def is_host(self) -> bool:
        """Whether it runs without what gslt does for speed and memory."""
        return issubclass(self.model, HostGNN)


def _host_route() -> Route:
    import_quietly("torch_geometric.nn")
    return Route(HOST, HostBackend(), HostGNN)


#: Every route by its name, made only when it is asked for: a backend may not be installed.
ROUTES: dict[str, Callable[[], Route]] = {
    HOST: _host_route,
    "gslt on PyG": lambda: Route("gslt on PyG", get_backend("pyg")),
    "gslt on DGL": lambda: Route("gslt on DGL", get_backend("dgl")),
}


def find_routes() -> tuple[dict[str, Route], dict[str, str]]:
    """The routes that can be taken here, and why the others cannot, both by name."""
    found, absent = {}, {}
    for name, make in ROUTES.items():
        try:
            found[name] = make()
        except MissingPackageError as error:
            absent[name] = str(error)
    return found, absent


class SourceNetwork:
    """A frozen source network on one route, and what it is called with.

    Args:
        route: how it is computed.
        dataset: the graph, on the device of the model.
        config: architecture, width and frozen source.
        dtype: type of weights, scores and activations.
    """

    def __init__(
        self,
        route: Route,
        dataset: NodeDataset,
        config: SearchConfig,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.route, self.name = route, route.name
        model = route.model(dataset.num_features, dataset.num_classes, config, route.backend)
        make_source(model, config)
        self.model = model.to(device=dataset.x.device, dtype=dtype)
        self.graph: Any = route.backend.graph(dataset.edge_index, dataset.num_nodes)
        # PyG's layers take no sparse features.
        self.x = (dataset.x if route.is_host else compact_features(dataset.x)).to(dtype)
        if not route.is_host:
            self.graph.remember(self.x)
        self.inputs = route.backend.inputs(self.x, self.graph)

    @property
    def weights(self) -> list[FrozenWeight]:
        """The frozen weights, in the order of the model."""
        return frozen_weights(self.model)

    def masks(self) -> Tensor:
        """All masks in one, boolean ``(m,)``."""
        return torch.cat([weight.mask() for weight in self.weights])

    def effective(self) -> dict[str, Tensor]:
        """Effective weights by name, without a gradient."""
        with torch.no_grad():
            return {weight.name: weight(weight.score()) for weight in self.weights}

    def fingerprints(self) -> dict[str, str]:
        """SHA-256 of the masks, of the bits of the effective weights, and of the ticket file."""
        return {
            "masks": _sha256((weight.name, weight.mask()) for weight in self.weights),
            "weights": _sha256(self.effective().items()),
            "ticket": hashlib.sha256(Ticket.of(self.model).to_bytes()).hexdigest(),
        }


def _sha256(named: Iterable[tuple[str, Tensor]]) -> str:
    digest = hashlib.sha256()
    for name, tensor in named:
        digest.update(name.encode() + b"\0" + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
