"""The layers with weights of their own, by hand and as matrix algebra."""

from __future__ import annotations

import pytest
import torch
from graphs import GRAPHS, adjacency, features, mean_matrix, symmetric_matrix
from torch import nn

from gslt.backends.csr import CSRGraph
from gslt.nn.conv import GCNConv, GINConv, SAGEConv, project_first, split_features
from gslt.nn.ops import Linear

#: 0 → 1, with x = (1, 10).
EDGE = torch.tensor([[0], [1]])
X = torch.tensor([[1.0], [10.0]])


def filled(layer: nn.Module, *values: float) -> nn.Module:
    """The layer with constant parameters, in their order."""
    with torch.no_grad():
        for parameter, value in zip(layer.parameters(), values, strict=True):
            parameter.fill_(value)
    return layer


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        # 3 · (1.5 x_i + Σ x_j): node 1 sums 15 + 1.
        (lambda: filled(GINConv(Linear(1, 1), eps=0.5), 3.0), [4.5, 48.0]),
        # D̂ = (1, 2): node 1 sums 1/√2 + 10/2. The bias comes first among the parameters.
        (lambda: filled(GCNConv(1, 1), 0.5, 2.0), [2.5, 2 * (2**-0.5 + 5) + 0.5]),
        # W_l = 2, b = 0.5, W_r = 3.
        (lambda: filled(SAGEConv(1, 1), 2.0, 0.5, 3.0), [3.5, 32.5]),
        # Without the root only the neighbours' mean is left.
        (lambda: filled(SAGEConv(1, 1, root_weight=False, bias=False), 2.0), [0.0, 2.0]),
    ],
    ids=["gin", "gcn", "sage", "sage without root"],
)
def test_an_edge_by_hand(layer, expected: list[float]) -> None:
    out = layer()(X, CSRGraph(EDGE, 2, 2))
    assert out.flatten().tolist() == pytest.approx(expected)


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("widths", [(5, 3), (3, 5)], ids=["projects first", "aggregates first"])
def test_layers_are_matrix_algebra(widths: tuple[int, int], graph: str) -> None:
    nodes, edges = GRAPHS[graph]
    A, x = adjacency(edges, nodes, nodes), features(nodes, widths[0])
    built, eye = CSRGraph(edges, nodes, nodes), torch.eye(nodes, dtype=torch.float64)
    gin = GINConv(nn.Linear(*widths), eps=0.25).double()
    expected = ((1.25 * eye + A) @ x) @ gin.nn.weight.T + gin.nn.bias
    torch.testing.assert_close(gin(x, built), expected)
    gcn = GCNConv(*widths).double()
    torch.testing.assert_close(gcn(x, built), symmetric_matrix(A) @ x @ gcn.weight.T + gcn.bias)
    sage = SAGEConv(*widths).double()
    means = mean_matrix(A) @ x @ sage.lin_l.weight.T + sage.lin_l.bias
    torch.testing.assert_close(sage(x, built), means + x @ sage.lin_r.weight.T)


def test_the_narrower_side_is_aggregated() -> None:
    x = torch.ones(2, 1)
    graph = CSRGraph(EDGE, 2, 2)
    assert project_first(x, graph, 5, 3)
    assert not project_first(x, graph, 3, 5)
    # What is aggregated already need not be projected first.
    graph.remember(x)
    assert not project_first(x, graph, 5, 3)


def test_features_of_one_or_two_sets() -> None:
    x = torch.ones(2, 1)
    assert split_features(x) == (x, x)
    assert split_features((x, None)) == (x, None)
