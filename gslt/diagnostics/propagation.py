"""Which Laplacian belongs to a model: that of the propagation of its layers, read off them.

Layers of PyG, DGL and gslt are known by the name of their class, so that neither library is
imported to ask; a frozen layer, or a subclass that leaves the forward pass and the messages alone,
is what it is made of.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gslt.diagnostics.foreign import is_graph_layer
from gslt.diagnostics.laplacians import Laplacian
from gslt.diagnostics.steps import Hook
from gslt.diagnostics.topology import Topology, as_topology
from gslt.errors import ConfigError, GsltWarning, listed, warn
from gslt.nn.conv import GATConv, GCNConv
from gslt.settings import check_choice

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
    """Of PyG's layers that normalise as GCN does, if they do, and sum what they have normalised."""
    if not getattr(layer, "normalize", True) or getattr(layer, "improved", False):
        return None
    if _joined(layer, topology) != "combinatorial":
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


def _averaged(layer: Any, topology: Topology) -> Laplacian | None:
    """Of PyG's layers that sum with weights that have the sum 1, such as attention."""
    # ClusterGCNConv adds so much to the weight of the node itself.
    if getattr(layer, "diag_lambda", 0.0):
        return None
    return "random_walk" if _joined(layer, topology) == "combinatorial" else None


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
        **dict.fromkeys(("GATConv", "GATv2Conv", "SuperGATConv", "AGNNConv"), _averaged),
        **dict.fromkeys(("TransformerConv", "ClusterGCNConv"), _averaged),
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
_MESSAGES = {
    *("forward", "propagate", "edge_update"),
    *("message", "aggregate", "update", "message_and_aggregate"),
}


# Models


@dataclass(frozen=True)
class ModelPropagation:
    """What a model propagates by."""

    laplacian: Laplacian
    """The Laplacian of all its layers."""
    layers: str
    """Names of their classes."""
    follows_loops: bool
    """Whether some layer propagates by self-loops of the graph as they are."""


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
    follows_loops = False
    for name, layer in _layers(model):
        library, kind = _known(layer)
        laplacian = _RULES[library][kind](layer, topology) if library else None
        if laplacian is None:
            raise ConfigError(
                f"no Laplacian is known for what layer {name or whose!r} ({kind}) propagates by "
                f"as it is made{_loops(topology)}; {_ASK}"
            )
        found[kind, laplacian] = None
        # PyG's layers that add self-loops, and gslt's, leave one at each node.
        adds = isinstance(layer, (GCNConv, GATConv)) or getattr(layer, "add_self_loops", False)
        follows_loops = follows_loops or not adds
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
    kinds = listed([kind for kind, _ in found])
    return ModelPropagation(next(iter(found))[1], kinds, follows_loops)


def say_unlike(found: ModelPropagation, topology: Topology) -> None:
    """Warn where a model's edges are not those of the simple undirected graph that measures take.

    Args:
        found: what it propagates by.
        topology: the graph that it is given.
    """
    odd = {
        "edges without a reverse": topology.num_one_way,
        "edges listed twice": topology.num_parallel,
        "self-loops listed twice": topology.num_parallel_loops if found.follows_loops else 0,
    }
    told = [f"{number:,} {what}" for what, number in odd.items() if number]
    if told:
        warn(
            f"the graph has {' and '.join(told)}: messages of {found.layers} follow these, and the "
            f"{found.laplacian} Laplacian is that of the simple undirected graph, so that a total "
            "collapse may not show as a collapse of 0",
            GsltWarning,
        )


@contextmanager
def saying_weights(model: nn.Module, found: ModelPropagation) -> Iterator[None]:
    """Warn once where a layer is given edge weights in this block, which no measure takes.

    Args:
        model: whose layers are called.
        found: what it propagates by.
    """
    said = False

    def look(layer: nn.Module, given: Mapping[str, Any]) -> None:
        nonlocal said
        weight = _weight_in(given)
        if said or weight is None or not bool((weight != 1).any()):
            return
        said = True
        warn(
            f"{type(layer).__name__} is given edge weights other than 1, and the {found.laplacian} "
            "Laplacian is that of the graph without weights, so that a total collapse may not show "
            "as a collapse of 0; say laplacian= to measure by it without this warning",
            GsltWarning,
        )

    with ExitStack() as stack:
        for _, layer in _layers(model):
            names = tuple(inspect.signature(layer.forward).parameters)
            hook = Hook(
                layer,
                lambda args, named, layer=layer, names=names: look(
                    layer, {**dict(zip(names, args, strict=False)), **named}
                ),
            )
            stack.callback(layer.register_forward_pre_hook(hook, with_kwargs=True).remove)
        yield


def _weight_in(given: Mapping[str, Any]) -> Tensor | None:
    """The edge weights among the arguments of a layer: by themselves, or of a sparse adjacency."""
    weight, edges = given.get("edge_weight"), given.get("edge_index")
    if isinstance(weight, Tensor):
        return weight
    if isinstance(edges, Tensor) and edges.layout != torch.strided:
        return edges._values() if edges.layout == torch.sparse_coo else edges.values()
    return None


def _loops(topology: Topology) -> str:
    """What is the matter with the self-loops of a graph, if anything."""
    if topology.num_loops in (0, topology.num_nodes):
        return ""
    return f", on a graph with self-loops at {topology.num_loops:,} of {topology.num_nodes:,} nodes"


def _layers(module: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The layers of a model with their names; of one that consists of layers only itself."""
    if is_graph_layer(module):
        yield name, module
        return
    for key, child in module.named_children():
        yield from _layers(child, f"{name}.{key}" if name else key)


def _known(layer: nn.Module) -> tuple[str, str]:
    """Library and class of a layer; no library where there is no rule for it."""
    rewritten: set[str] = set()
    for kind in type(layer).__mro__:
        library = kind.__module__.partition(".")[0]
        if kind.__name__ in _RULES.get(library, {}) and not rewritten & _MESSAGES:
            return library, kind.__name__
        if library not in ("gslt", "torch"):
            rewritten |= {name for name, value in vars(kind).items() if not _is_made(value, kind)}
    return "", type(layer).__name__


def _is_made(value: Any, kind: type) -> bool:
    """Whether PyG has made this attribute of a class from its templates, to call what it has."""
    made = f"{kind.__module__}_{kind.__name__}_"
    return str(getattr(value, "__module__", "")).startswith(made)
