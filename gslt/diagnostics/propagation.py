"""Which Laplacian belongs to a model: that of the propagation of its layers, read off them.

Layers of PyG, DGL and gslt are known by the name of their class, so that neither library is
imported to ask; a frozen layer, or a subclass that leaves the messages alone, is what it is made
of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gslt.config import check_choice
from gslt.diagnostics.laplacians import Laplacian
from gslt.diagnostics.steps import is_graph_layer
from gslt.diagnostics.topology import Topology, as_topology
from gslt.errors import ConfigError, GsltWarning, listed, warn

#: What tells a layer's Laplacian, of the layer and the graph; None where there is none.
Rule = Callable[[Any, Topology], Laplacian | None]

_OF_ARCHITECTURE: dict[str, Laplacian] = {
    "gin": "random_walk",
    "sage": "random_walk",
    "gcn": "augmented",
    "gat": "random_walk",
}
_ASK = (
    'say laplacian=, which is "augmented" for GCN, "symmetric" for GCN without self-loops, '
    '"random_walk" for means and attention, "combinatorial" for sums'
)


# Rules


def _by_loops(topology: Topology) -> Laplacian | None:
    """Of a symmetric normalisation that adds no self-loops: the graph has all of them, or none."""
    if topology.num_loops == 0:
        return "symmetric"
    return "augmented" if topology.num_loops == topology.num_nodes else None


def _normalised(layer: Any, topology: Topology) -> Laplacian | None:
    """Of PyG's layers that normalise as GCN does, if they do, and gslt's GCN."""
    if not getattr(layer, "normalize", True) or getattr(layer, "improved", False):
        return None
    return "augmented" if getattr(layer, "add_self_loops", False) else _by_loops(topology)


def _option(name: str, laplacians: Mapping[Any, Laplacian]) -> Rule:
    """Of layers that an attribute tells."""
    return lambda layer, _topology: laplacians.get(getattr(layer, name))


def _always(laplacian: Laplacian) -> Rule:
    return lambda _layer, _topology: laplacian


#: By how neighbours are joined. "gcn" is DGL's GraphSAGE: a mean that counts the node itself.
_JOINED: dict[Any, Laplacian] = {
    "mean": "random_walk",
    "gcn": "random_walk",
    "sum": "combinatorial",
}
_PYG_JOINED: dict[Any, Laplacian] = {
    "MeanAggregation": "random_walk",
    "SumAggregation": "combinatorial",
}
_ATTENTION = _always("random_walk")
_ADDS_NO_LOOPS: Rule = lambda _layer, topology: _by_loops(topology)  # noqa: E731


def _joined(layer: Any, _topology: Topology) -> Laplacian | None:
    """Of PyG's layers that join neighbours as they are told to."""
    return _PYG_JOINED.get(type(layer.aggr_module).__name__)


def _of_graph_conv(layer: Any, topology: Topology) -> Laplacian | None:
    """Of DGL's GraphConv."""
    if layer._norm == "both":
        return _by_loops(topology)
    return _option("_norm", {"right": "random_walk", "none": "combinatorial"})(layer, topology)


#: By the library and the class of a layer.
_RULES: dict[str, dict[str, Rule]] = {
    "gslt": {
        "GCNConv": lambda layer, _: "augmented" if layer.normalize else None,
        **dict.fromkeys(("GINConv", "SAGEConv"), _option("aggr", _JOINED)),
        "GATConv": _ATTENTION,
    },
    "torch_geometric": {
        **dict.fromkeys(("GCNConv", "SGConv", "SSGConv", "APPNP", "GCN2Conv"), _normalised),
        **dict.fromkeys(("TAGConv", "LGConv", "ARMAConv"), _normalised),
        **dict.fromkeys(("GINConv", "SAGEConv", "GraphConv", "SimpleConv"), _joined),
        **dict.fromkeys(("GATConv", "GATv2Conv", "SuperGATConv", "AGNNConv"), _ATTENTION),
        **dict.fromkeys(("TransformerConv", "ClusterGCNConv"), _ATTENTION),
    },
    "dgl": {
        "GraphConv": _of_graph_conv,
        **dict.fromkeys(("SGConv", "APPNPConv", "GCN2Conv", "TAGConv"), _ADDS_NO_LOOPS),
        "SAGEConv": _option("_aggre_type", _JOINED),
        "GINConv": _option("_aggregator_type", _JOINED),
        **dict.fromkeys(("GATConv", "GATv2Conv", "DotGatConv", "AGNNConv"), _ATTENTION),
    },
}
#: What a subclass may not have rewritten for its layer to be known.
_MESSAGES = ("message", "aggregate", "update", "message_and_aggregate")


# Models


@dataclass(frozen=True)
class ModelPropagation:
    """What a model propagates by."""

    laplacian: Laplacian
    """The Laplacian of all its layers."""
    layers: str
    """Names of their classes."""


def laplacian_of(model: nn.Module | str, graph: Any = None) -> Laplacian:
    """The Laplacian of a model's own propagation, or of an architecture's.

    The symmetric normalisation of GCN, D̂^(−½) Â D̂^(−½) with a self-loop at each node, is
    I − (augmented Laplacian); without self-loops, as DGL's ``GraphConv`` and PyG's
    ``add_self_loops=False`` have it on a graph that has none, I − (symmetric Laplacian). A mean
    over neighbours, as in GraphSAGE and in gslt's ``sage``, is D⁻¹A = I − (random-walk Laplacian);
    that of gslt's ``gin`` adds the node itself, (1 + ε) I + D⁻¹A, with the same kernel and other
    rates of decay.

    Of two more, what is named fits best and is not the propagation itself. That of attention is
    another at every layer and head: its rows, which sum to 1, leave alone what is constant on each
    component, and so does the random walk; energies say how far from that kernel a representation
    is, rates of decay are not GAT's. A sum over neighbours, as in PyG's and DGL's GIN, leaves
    nothing alone; it is not normalised, and neither is the combinatorial Laplacian.

    Args:
        model: any model of PyG's, DGL's or gslt's layers, frozen or not; or ``"gin"``, ``"gcn"``,
            ``"sage"`` or ``"gat"``, one of gslt's architectures.
        graph: that the model is given, see :func:`as_topology`: a layer that adds no self-loops
            propagates by those of the graph. None: there are none.

    Raises:
        ConfigError: for an architecture that gslt does not have; if the model has no layer, one of
            which the Laplacian is not known, or layers of several.
        GraphError: if the graph cannot be read.

    >>> laplacian_of("gcn")
    'augmented'
    """
    if isinstance(model, str):
        check_choice("architecture", model, tuple(_OF_ARCHITECTURE))
        return _OF_ARCHITECTURE[model]
    if graph is None:
        graph = Topology.of(torch.empty(2, 0, dtype=torch.int64), 0)
    return propagation_of(model, as_topology(graph)).laplacian


def propagation_of(model: nn.Module, topology: Topology) -> ModelPropagation:
    """What a model propagates by, as :func:`laplacian_of` says.

    Args:
        model: of PyG's, DGL's or gslt's layers.
        topology: the graph that it is given.

    Raises:
        ConfigError: if that cannot be told.
    """
    whose = type(model).__name__
    found: dict[tuple[str, Laplacian], None] = {}
    for name, layer in _layers(model):
        library, kind = _known(layer)
        laplacian = _RULES[library][kind](layer, topology) if library else None
        if laplacian is None:
            raise ConfigError(
                f"no Laplacian is known for what layer {name or whose!r} ({kind}) propagates by "
                f"as it is made{_loops(topology)}; {_ASK}"
            )
        found[kind, laplacian] = None
    if not found:
        raise ConfigError(
            f"{whose} has no layer of PyG, DGL or gslt that tells by which Laplacian it "
            f"propagates; {_ASK}"
        )
    if len({laplacian for _, laplacian in found}) > 1:
        parts = [f"{kind} ({laplacian})" for kind, laplacian in found]
        raise ConfigError(
            f"the layers of {whose} propagate by different Laplacians, {listed(parts)}; {_ASK}"
        )
    return ModelPropagation(next(iter(found))[1], listed([kind for kind, _ in found]))


def say_unlike(found: ModelPropagation, topology: Topology) -> None:
    """Warn where a model's edges are not those of the simple undirected graph that measures take.

    Args:
        found: what it propagates by.
        topology: the graph that it is given.
    """
    odd = {"without a reverse": topology.num_one_way, "listed twice": topology.num_parallel}
    told = [f"{number:,} edges {what}" for what, number in odd.items() if number]
    if told:
        warn(
            f"the graph has {' and '.join(told)}: messages of {found.layers} follow these, and the "
            f"{found.laplacian} Laplacian is that of the simple undirected graph, so that a total "
            "collapse may not show as a collapse of 0",
            GsltWarning,
        )


def _loops(topology: Topology) -> str:
    """What is the matter with the self-loops of a graph, if anything."""
    if topology.num_loops in (0, topology.num_nodes):
        return ""
    return f", on a graph with self-loops at {topology.num_loops:,} of {topology.num_nodes:,} nodes"


def _layers(module: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The layers of a model with their names; of one that consists of layers only itself."""
    # PyG's own compositions, such as GPSConv, pass messages in more than one way.
    if is_graph_layer(module) or type(module).__module__.startswith("torch_geometric.nn.conv."):
        yield name, module
        return
    for key, child in module.named_children():
        yield from _layers(child, f"{name}.{key}" if name else key)


def _known(layer: nn.Module) -> tuple[str, str]:
    """Library and class of a layer; no library where there is no rule for it."""
    rewritten: set[str] = set()
    for kind in type(layer).__mro__:
        library = kind.__module__.partition(".")[0]
        if kind.__name__ in _RULES.get(library, {}) and not rewritten & set(_MESSAGES):
            return library, kind.__name__
        if library not in ("gslt", "torch"):
            rewritten |= set(vars(kind))
    return "", type(layer).__name__
