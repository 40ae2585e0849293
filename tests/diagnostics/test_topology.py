"""Every kind of graph is the same graph to the measures, and a wrong one is refused."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from graphs import GRAPHS, adjacency
from torch import Tensor
from torch_geometric.data import Data

import gslt
from gslt.backends import get_backend
from gslt.backends.csr import NormalisedGraph
from gslt.diagnostics import MEASURES, measure
from gslt.diagnostics.topology import as_topology
from gslt.environment import import_quietly
from gslt.errors import GraphError
from gslt.nn.graph import row_starts, sparse_csr

EdgeIndex = import_quietly("torch_geometric").EdgeIndex
try:
    dgl = import_quietly("dgl")
except ImportError:
    dgl = None

NODES = 12
#: Directed, with parallel edges and self-loops; and each of its edges once, in one direction.
EDGES = GRAPHS["random"][1]
SIMPLE = torch.unique(EDGES.sort(dim=0).values[:, EDGES[0] != EDGES[1]], dim=1)
X = torch.randn(NODES, 5, generator=torch.Generator().manual_seed(0))


def csr(edges: Tensor) -> Tensor:
    order = edges[0].argsort(stable=True)
    starts, ones = row_starts(edges[0], NODES), torch.ones(edges.size(1))
    return sparse_csr(starts, edges[1, order], ones, torch.Size((NODES, NODES)))


def networkx(kind: type, edges: Tensor) -> Any:
    graph = kind()
    graph.add_nodes_from(f"node {i}" for i in range(NODES))
    graph.add_edges_from((f"node {i}", f"node {j}") for i, j in edges.T.tolist())
    return graph


def dataset() -> gslt.NodeDataset:
    masks = torch.arange(NODES) % 3
    return gslt.NodeDataset(
        name="random (synthetic)",
        x=X,
        edge_index=EDGES,
        y=torch.arange(NODES) % 2,
        train_mask=masks == 0,
        val_mask=masks == 1,
        test_mask=masks == 2,
        num_classes=2,
    )


FORMS: dict[str, Any] = {
    "edge_index": lambda: EDGES,
    "int32": lambda: EDGES.int(),
    "reversed": lambda: EDGES.flip(0),
    "both directions": lambda: torch.cat([EDGES, EDGES.flip(0)], dim=1),
    "simple": lambda: SIMPLE,
    "Topology": lambda: as_topology(EDGES, NODES),
    "EdgeIndex": lambda: EdgeIndex(EDGES, sparse_size=(NODES, NODES)),
    "EdgeIndex without size": lambda: EdgeIndex(EDGES),
    "Data": lambda: Data(edge_index=EDGES, num_nodes=NODES),
    "Data with adj_t": lambda: Data(adj_t=csr(SIMPLE), num_nodes=NODES),
    "Data with edge_attr": lambda: Data(x=X, edge_index=EDGES, edge_attr=torch.randn(40, 2)),
    "COO": lambda: torch.sparse_coo_tensor(
        EDGES, torch.ones(40), (NODES, NODES), check_invariants=True
    ),
    "COO of bool": lambda: torch.sparse_coo_tensor(
        SIMPLE, torch.ones(SIMPLE.size(1)).bool(), (NODES, NODES), check_invariants=True
    ),
    "CSR": lambda: csr(SIMPLE),
    "CSC": lambda: csr(SIMPLE).to_sparse_csc(),
    "scipy COO": lambda: sp.coo_array((np.ones(40), EDGES.numpy()), shape=(NODES, NODES)),
    "scipy CSR": lambda: sp.csr_matrix((np.ones(SIMPLE.size(1)), SIMPLE.numpy()), (NODES, NODES)),
    "NetworkX": lambda: networkx(nx.Graph, EDGES),
    "NetworkX directed": lambda: networkx(nx.DiGraph, EDGES),
    "NetworkX multigraph": lambda: networkx(nx.MultiDiGraph, EDGES),
    "NodeDataset": dataset,
    "graph of the PyG backend": lambda: get_backend("pyg").graph(EDGES, NODES),
    "DGL": lambda: dgl.graph(tuple(EDGES), num_nodes=NODES),
    "graph of the DGL backend": lambda: get_backend("dgl").graph(EDGES, NODES),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_identical_value(form: str) -> None:
    if "DGL" in form and dgl is None:
        pytest.skip("dgl is not installed")
    # Of classes a data set alone knows something.
    names = [name for name, entry in MEASURES.items() if not entry.labelled]
    expected = measure(X, as_topology(SIMPLE, NODES), "augmented", only=names)
    found = measure(X, FORMS[form](), "augmented", only=names)
    assert str(found) == str(expected)
    assert expected.dirichlet_energy > 1


@pytest.mark.parametrize("name", GRAPHS)
def test_topology_is_the_simple_graph(name: str) -> None:
    nodes, edges = GRAPHS[name]
    matrix = adjacency(edges, nodes, nodes)
    matrix = ((matrix + matrix.T) > 0).double().fill_diagonal_(0)
    topology = as_topology(edges, nodes)
    assert np.array_equal(topology.adjacency().toarray(), matrix.numpy())
    assert torch.equal(topology.degree, matrix.sum(1))
    assert topology.num_edges == matrix.sum() / 2
    parts = list(nx.connected_components(nx.from_numpy_array(matrix.numpy())))
    found = {frozenset((topology.component == c).nonzero().flatten().tolist()) for c in range(12)}
    assert found - {frozenset()} == {frozenset(part) for part in parts}
    assert topology.num_components == len(parts)
    assert topology.to("cpu") is topology


def weighted(value: float) -> dict[str, Any]:
    """A simple graph in several forms, whose edge 7 has this weight and whose others have 1."""
    weights = torch.ones(SIMPLE.size(1))
    weights[7] = value
    forms: dict[str, Any] = {
        "COO": torch.sparse_coo_tensor(SIMPLE, weights, (NODES, NODES), check_invariants=True),
        "scipy": sp.coo_array((weights.numpy(), SIMPLE.numpy()), shape=(NODES, NODES)),
        "Data": Data(edge_index=SIMPLE, edge_weight=weights, num_nodes=NODES),
        "NetworkX": nx.empty_graph(NODES),
    }
    ends = zip(*SIMPLE.tolist(), weights.tolist(), strict=True)
    forms["NetworkX"].add_weighted_edges_from(ends)
    if dgl is not None:
        forms["DGL"] = dgl.graph(tuple(SIMPLE), num_nodes=NODES)
        forms["DGL"].edata["weight"] = weights
    return forms


@pytest.mark.parametrize("form", weighted(1))
def test_weights_are_refused_or_ignored(form: str) -> None:
    expected = measure(X, EDGES)
    assert measure(X, weighted(1.0)[form]) == expected
    for value in (0.5, -1.0, float("nan")):
        graph = weighted(value)[form]
        with pytest.raises(GraphError, match="ignore_weights=True"):
            measure(X, graph)
        assert measure(X, as_topology(graph, ignore_weights=True)) == expected
    # An explicit zero is no edge.
    rest = torch.cat([SIMPLE[:, :7], SIMPLE[:, 8:]], dim=1)
    assert measure(X, rest) != expected
    assert measure(X, weighted(0.0)[form]) == measure(X, rest)


def test_a_weighted_graph_of_a_backend_is_refused() -> None:
    graph = NormalisedGraph.of(EDGES, None, NODES, improved=False, add_self_loops=True)
    with pytest.raises(GraphError, match="ignore_weights=True"):
        as_topology(graph)
    assert measure(X, as_topology(graph, ignore_weights=True)) == measure(X, EDGES)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (EDGES.float(), "integer tensor"),
        (EDGES[0], "integer tensor"),
        (torch.tensor([[0], [12]]), "edge 0 joins 0 and 12"),
        (torch.tensor([[0, -1], [1, 1]]), "edge 1 joins -1 and 1"),
        (as_topology(EDGES, 13), "13 nodes, but there are 12 rows"),
        (nx.path_graph(5), "5 nodes, but there are 12 rows"),
        (sp.csr_array(sp.eye(3, 4)), "square adjacency"),
        (torch.eye(3, 4).to_sparse(), "square adjacency"),
        (EdgeIndex([[0, 1, 2], [4, 3, 0]], sparse_size=(3, 5)), "square adjacency"),
        (
            Data(edge_index=SIMPLE, edge_weight=torch.ones(SIMPLE.size(1), 2), num_nodes=NODES),
            r"weights of shape \(\d+, 2\) are not one for each of the \d+ edges",
        ),
        (Data(num_nodes=NODES), "neither an edge_index nor"),
        ([[0, 1], [1, 0]], "cannot read a graph from list"),
    ],
)
def test_graphs_that_do_not_fit(graph: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        measure(X, graph)


@pytest.mark.skipif(dgl is None, reason="dgl is not installed")
def test_graphs_of_several_kinds_of_nodes() -> None:
    block = dgl.to_block(dgl.graph(([0, 1], [1, 2])), torch.tensor([1, 2]))
    for graph in (dgl.heterograph({("a", "r", "b"): ([0], [0])}), block):
        with pytest.raises(GraphError, match=r"dgl\.to_homogeneous"):
            as_topology(graph)


def test_an_edge_index_does_not_tell_its_size() -> None:
    with pytest.raises(GraphError, match=r"give as_topology\(edge_index, num_nodes\)"):
        as_topology(EDGES)
    assert as_topology(EDGES, NODES).num_nodes == NODES
    text = f"Topology(12 nodes, {SIMPLE.size(1)} undirected edges, 1 components)"
    assert repr(as_topology(EDGES, NODES)) == text


@pytest.mark.parametrize("weight", ["strong", None])
def test_a_weight_that_is_no_number_is_told(weight: object) -> None:
    graph = nx.path_graph(3)
    graph.edges[0, 1]["weight"] = weight
    with pytest.raises(GraphError, match=f"from 0 to 1 has the weight {weight!r}, which is no"):
        as_topology(graph)


def test_weights_of_nodes_are_not_those_of_edges() -> None:
    edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    data = Data(edge_index=edges, num_nodes=3, weight=torch.full((3,), 0.5))
    assert as_topology(data).num_nodes == 3
    data.weight = torch.full((4,), 0.5)
    with pytest.raises(GraphError, match=r"edge 0 has the weight 0\.5"):
        as_topology(data)
