"""Which Laplacian belongs to a model is read off its layers, and asked for where it cannot be."""

from __future__ import annotations

import warnings
from typing import Any

import networkx as nx
import pytest
import torch
from graphs import GRAPHS
from torch import Tensor, nn
from torch_geometric import nn as pyg

import gslt
from gslt.backends import get_backend
from gslt.diagnostics import as_topology, laplacian_matrix, laplacian_of, probe
from gslt.diagnostics.propagation import propagation_of
from gslt.environment import import_quietly
from gslt.errors import ConfigError, GsltWarning
from gslt.nn.graph import row_starts, sparse_csr

try:
    dgl = import_quietly("dgl")
    host: Any = import_quietly("dgl.nn.pytorch")
except ImportError:
    dgl = None

NODES, EDGES = GRAPHS["random"]
PLAIN = EDGES[:, EDGES[0] != EDGES[1]]
LOOPS = torch.arange(NODES).repeat(2, 1)
BARE = as_topology(PLAIN, NODES)
LOOPED = as_topology(torch.cat([PLAIN, LOOPS], 1), NODES)
ONE_LOOP = as_topology(torch.cat([PLAIN, LOOPS[:, :1]], 1), NODES)


def found(*layers: nn.Module, topology: Any = BARE) -> str:
    return propagation_of(nn.Sequential(*layers), topology).laplacian


def test_self_loops_are_counted() -> None:
    assert (BARE.num_loops, ONE_LOOP.num_loops, LOOPED.num_loops) == (0, 1, NODES)
    twice = as_topology(torch.tensor([[0, 0, 1], [0, 0, 0]]), 2)
    assert (twice.num_loops, twice.num_edges) == (1, 1)
    assert (twice.num_parallel, twice.num_parallel_loops) == (0, 1)
    assert (LOOPED.num_parallel_loops, ONE_LOOP.num_parallel_loops) == (0, 0)
    graph = nx.path_graph(3)
    graph.add_edge(1, 1)
    for kind in (graph, graph.to_directed()):
        topology = as_topology(kind)
        assert (topology.num_loops, topology.num_parallel_loops) == (1, 0)


@pytest.mark.parametrize(
    ("layer", "laplacian"),
    [
        (lambda: pyg.GCNConv(3, 4), "augmented"),
        (lambda: pyg.GCNConv(3, 4, add_self_loops=False), "symmetric"),
        (lambda: pyg.SGConv(3, 4, K=2), "augmented"),
        (lambda: pyg.APPNP(K=2, alpha=0.1), "augmented"),
        (lambda: pyg.GCN2Conv(4, alpha=0.1), "augmented"),
        (lambda: pyg.TAGConv(3, 4), "symmetric"),
        (lambda: pyg.SAGEConv(3, 4), "random_walk"),
        (lambda: pyg.SAGEConv(3, 4, aggr="sum"), "combinatorial"),
        (lambda: pyg.GINConv(nn.Linear(3, 4)), "combinatorial"),
        (lambda: pyg.GINConv(nn.Linear(3, 4), aggr="mean"), "random_walk"),
        (lambda: pyg.GraphConv(3, 4), "combinatorial"),
        (lambda: pyg.GraphConv(3, 4, aggr="mean"), "random_walk"),
        (lambda: pyg.GATConv(3, 4), "random_walk"),
        (lambda: pyg.GATv2Conv(3, 4), "random_walk"),
        (lambda: pyg.TransformerConv(3, 4), "random_walk"),
        (lambda: pyg.ClusterGCNConv(3, 4), "random_walk"),
        (lambda: pyg.SimpleConv("mean"), "random_walk"),
        (lambda: pyg.SimpleConv(), "combinatorial"),
    ],
)
def test_layers_of_pyg(layer: Any, laplacian: str) -> None:
    assert found(layer()) == laplacian


@pytest.mark.parametrize("kind", [pyg.GCNConv, pyg.SAGEConv, pyg.GATConv])
def test_a_frozen_layer_is_what_it_is_made_of(kind: Any) -> None:
    model = nn.Sequential(kind(3, 4))
    gslt.freeze(model, gslt.FreezeConfig())
    assert found(model) == found(kind(3, 4))


@pytest.mark.parametrize(
    ("name", "args", "laplacian"),
    [
        ("GraphConv", (3, 4), "symmetric"),
        ("GraphConv", (3, 4, "right"), "random_walk"),
        ("GraphConv", (3, 4, "none"), "combinatorial"),
        ("SAGEConv", (3, 4, "mean"), "random_walk"),
        ("SAGEConv", (3, 4, "gcn"), "random_walk"),
        ("GINConv", (nn.Linear(3, 4),), "combinatorial"),
        ("GINConv", (nn.Linear(3, 4), "mean"), "random_walk"),
        ("GATConv", (3, 4, 1), "random_walk"),
        ("SGConv", (3, 4), "symmetric"),
        ("APPNPConv", (2, 0.1), "symmetric"),
    ],
)
def test_layers_of_dgl(name: str, args: tuple[Any, ...], laplacian: str) -> None:
    if dgl is None:
        pytest.skip("DGL is not installed")
    assert found(getattr(host, name)(*args)) == laplacian


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
def test_networks_of_gslt(architecture: str) -> None:
    config = gslt.SearchConfig(architecture=architecture, num_layers=3, hidden_channels=4)  # type: ignore[arg-type]
    model = gslt.GNN(3, 2, config, get_backend("pyg"))
    assert laplacian_of(model) == laplacian_of(architecture)
    gslt.freeze(model, config)
    assert laplacian_of(model, BARE) == laplacian_of(architecture)


def test_what_a_layer_does_is_what_its_laplacian_says() -> None:
    """I − L is the layer's own propagation, worked out by the layer itself."""
    both = torch.cat([PLAIN, PLAIN.flip(0)], 1).unique(dim=1)
    x = torch.randn(NODES, 1, generator=torch.Generator().manual_seed(0))
    for layer in (
        pyg.GCNConv(1, 1, bias=False),
        pyg.GCNConv(1, 1, bias=False, add_self_loops=False),
        pyg.SAGEConv(1, 1, bias=False, root_weight=False),
    ):
        with torch.no_grad():
            for weight in layer.parameters():
                weight.fill_(1.0)
        laplacian = laplacian_of(layer, BARE)
        expected = x.numpy() - laplacian_matrix(BARE, laplacian) @ x.numpy()
        alone = (BARE.degree == 0).numpy()
        with torch.no_grad():
            seen = layer(x, both).numpy()
        assert seen[~alone] == pytest.approx(expected[~alone], abs=1e-5)


def test_a_layer_that_adds_no_loops_takes_those_of_the_graph() -> None:
    without = pyg.GCNConv(3, 4, add_self_loops=False)
    assert found(without, topology=LOOPED) == "augmented"
    assert found(pyg.GCNConv(3, 4), topology=ONE_LOOP) == "augmented"
    with pytest.raises(ConfigError, match=f"'0' .GCNConv.* at 1 of {NODES} nodes; say laplacian="):
        found(without, topology=ONE_LOOP)
    if dgl is not None:
        graph = dgl.add_self_loop(dgl.graph((PLAIN[0], PLAIN[1]), num_nodes=NODES))
        assert laplacian_of(host.GraphConv(3, 4), graph) == "augmented"
        assert laplacian_of(host.GraphConv(3, 4)) == "symmetric"


class Doubled(pyg.GCNConv):  # type: ignore[misc]
    def message(self, x_j: Tensor, edge_weight: Tensor | None) -> Tensor:
        return 2 * x_j


class Walk(pyg.GCNConv):  # type: ignore[misc]
    """A mean over neighbours in the place of GCN's normalisation."""

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        degree = torch.bincount(edge_index[1], minlength=len(x)).to(x)
        out: Tensor = self.propagate(
            edge_index, x=self.lin(x), edge_weight=1 / degree[edge_index[1]]
        )
        return out


class Cooler(pyg.GATConv):  # type: ignore[misc]
    def edge_update(self, alpha_j: Tensor, index: Tensor) -> Tensor:
        return alpha_j / 2


class Named(pyg.GCNConv):  # type: ignore[misc]
    """Nothing of its computation is rewritten."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.name = "named"


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([pyg.PNAConv(3, 4, ["mean"], ["identity"], torch.ones(3))], r"layer '0' \(PNAConv\)"),
        ([pyg.SAGEConv(3, 4, aggr="max")], "SAGEConv"),
        ([pyg.GPSConv(4, pyg.GCNConv(4, 4))], "GPSConv"),
        ([pyg.GCNConv(3, 4, normalize=False)], "GCNConv"),
        ([pyg.GCNConv(3, 4, improved=True)], "GCNConv"),
        ([Doubled(3, 4)], "Doubled"),
        ([Walk(3, 4)], "Walk"),
        ([Cooler(3, 4)], "Cooler"),
        ([pyg.GCNConv(3, 4, aggr="mean")], "GCNConv"),
        ([pyg.GCNConv(3, 4, aggr="max")], "GCNConv"),
        ([pyg.SGConv(3, 4, aggr=["sum", "max"])], "SGConv"),
        ([pyg.GATConv(3, 4, aggr="max")], "GATConv"),
        ([pyg.TransformerConv(3, 4, aggr="mean")], "TransformerConv"),
        ([pyg.ClusterGCNConv(3, 4, diag_lambda=1.0)], "ClusterGCNConv"),
        ([nn.Linear(3, 4)], "Sequential has no layer of PyG, DGL or gslt"),
        (
            [pyg.GCNConv(3, 4), nn.ReLU(), pyg.SAGEConv(4, 2)],
            r"different Laplacians, GCNConv \(augmented\), SAGEConv \(random_walk\)",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_told_is_asked_for(layers: list[nn.Module], words: str) -> None:
    model = nn.Sequential(*layers)
    with pytest.raises(ConfigError, match=f'{words}.*say laplacian=, which is "augmented"'):
        laplacian_of(model, BARE)
    with pytest.raises(ConfigError, match=words), probe(model, BARE):
        raise AssertionError("not reached")
    with probe(model, BARE, laplacian="symmetric") as trace:
        pass
    assert (trace.laplacian, trace.propagation) == ("symmetric", "")


def test_layers_of_one_laplacian_are_named() -> None:
    model = nn.Sequential(pyg.SAGEConv(3, 4), pyg.GATConv(4, 2), pyg.SAGEConv(2, 2))
    told = propagation_of(model, BARE)
    assert (told.laplacian, told.layers) == ("random_walk", "SAGEConv, GATConv")
    assert found(Named(3, 4)) == "augmented"


def warned(model: nn.Module, graph: Any, *inputs: Any, **options: Any) -> list[str]:
    """The warnings of a probe on a model that is called twice."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        with probe(model, graph, **options), torch.no_grad():
            model(*inputs)
            model(*inputs)
    return [str(each.message) for each in found if each.category is GsltWarning]


#: A triangle with a tail, both ways.
SMALL = torch.tensor([[0, 1, 1, 2, 2, 0, 2, 3], [1, 0, 2, 1, 0, 2, 3, 2]])
WEIGHTS = torch.arange(1.0, 9.0)


def test_edge_weights_that_a_layer_is_given_are_told() -> None:
    x, ones = torch.ones(4, 3), torch.ones(8)
    model = pyg.GCN(3, 4, num_layers=2)
    (told,) = warned(model, as_topology(SMALL, 4), x, SMALL, WEIGHTS)
    assert "GCNConv is given edge weights other than 1, and the augmented Laplacian" in told
    assert not warned(model, as_topology(SMALL, 4), x, SMALL, ones)
    assert not warned(model, as_topology(SMALL, 4), x, SMALL)
    assert not warned(model, as_topology(SMALL, 4), x, SMALL, WEIGHTS, laplacian="augmented")
    mean = pyg.GraphConv(3, 4, aggr="mean")
    (told,) = warned(mean, as_topology(SMALL, 4), x, SMALL, WEIGHTS)
    assert "GraphConv is given edge weights other than 1, and the random_walk Laplacian" in told
    row, column = SMALL[:, SMALL[0].argsort(stable=True)]
    for weights, many in ((ones, 0), (WEIGHTS, 1)):
        for adjacency in (
            torch.sparse_coo_tensor(SMALL, weights, (4, 4), check_invariants=True).coalesce(),
            sparse_csr(row_starts(row, 4), column, weights, torch.Size((4, 4))),
        ):
            assert len(warned(model, as_topology(SMALL, 4), x, adjacency)) == many
    assert not any(m._forward_pre_hooks for m in model.modules())


@pytest.mark.skipif(dgl is None, reason="dgl is not installed")
def test_edge_weights_and_loops_of_dgl_are_told() -> None:
    x, graph = torch.ones(4, 3), dgl.graph((SMALL[0], SMALL[1]))
    layer = host.GraphConv(3, 4, norm="right")
    (told,) = warned(layer, graph, graph, x, None, WEIGHTS)
    assert "GraphConv is given edge weights other than 1" in told
    assert not warned(layer, graph, graph, x)
    once = dgl.add_self_loop(graph)
    twice = dgl.add_edges(once, [0, 2], [0, 2])
    layer = host.GraphConv(3, 4)
    assert not warned(layer, once, once, x)
    (told,) = warned(layer, twice, twice, x)
    assert "the graph has 2 self-loops listed twice: messages of GraphConv follow these" in told


def test_loops_that_a_layer_makes_anew_are_no_matter() -> None:
    loops = torch.tensor([[0, 0], [0, 0]])
    edges, x = torch.cat([SMALL, loops], 1), torch.ones(4, 3)
    for kind in (pyg.GCNConv, pyg.GATConv):
        assert not warned(kind(3, 4), as_topology(edges, 4), x, edges)
    network = gslt.GNN(3, 2, gslt.SearchConfig(architecture="gcn"), get_backend("pyg"))
    assert not propagation_of(network, BARE).follows_loops
    for layer in (pyg.SAGEConv(3, 4), pyg.GCNConv(3, 4, add_self_loops=False)):
        assert propagation_of(layer, BARE).follows_loops
