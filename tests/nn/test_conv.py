"""The layers with weights of their own, by hand and as matrix algebra."""

from __future__ import annotations

import math

import pytest
import torch
from graphs import (
    GRAPHS,
    adjacency,
    attention_matrices,
    features,
    mean_matrix,
    symmetric_matrix,
)
from torch import nn

from gslt.backends.csr import CSRGraph
from gslt.errors import ConfigError
from gslt.nn.conv import GATConv, GCNConv, GINConv, SAGEConv, project_first, split_features
from gslt.nn.graph import EdgelessGraph, EdgeList
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
        # W = 2: y = (2, 20). a_s = 0.1, a_t = -0.2: at node 1 the neighbour scores 0.2 (0.2 - 4), a
        # LeakyReLU of -3.8, and the node itself 0.2 (2 - 4) = -0.4: shares 1 : e^0.36. b = 0.5.
        (
            lambda: filled(GATConv(1, 1), 0.5, 2.0, 0.1, -0.2),
            [2.5, (2 + 20 * math.exp(0.36)) / (1 + math.exp(0.36)) + 0.5],
        ),
        # Two heads of equal weights, side by side and as their mean.
        (lambda: filled(GATConv(1, 1, 2, bias=False), 3.0, 0.0, 0.5), [3.0, 3.0, 16.5, 16.5]),
        (lambda: filled(GATConv(1, 1, 2, False, bias=False), 3.0, 0.0, 0.5), [3.0, 16.5]),
    ],
    ids=["gin", "gcn", "sage", "sage without root", "gat", "gat, heads", "gat, mean of heads"],
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("graph", GRAPHS)
def test_attention_is_matrix_algebra(graph: str, concat: bool, dtype: torch.dtype) -> None:
    nodes, edges = GRAPHS[graph]
    layer, x = GATConv(5, 4, 3, concat, 0.3).to(dtype), features(nodes, 5).to(dtype)
    x.requires_grad_()
    loops = adjacency(edges, nodes, nodes).fill_diagonal_(1).to(dtype)
    h = (x @ layer.lin.weight.T).reshape(nodes, 3, 4)
    said, asked = ((h * each.weight).sum(2) for each in (layer.att_src, layer.att_dst))
    heads = torch.einsum("hij,jhc->ihc", attention_matrices(loops, said, asked, 0.3), h)
    expected = heads.flatten(1) if concat else heads.mean(1)
    expected = expected + layer.bias
    tolerance = dict.fromkeys(("atol", "rtol"), 1e-5 if dtype == torch.float32 else 1e-12)
    built = CSRGraph(edges, nodes, nodes), EdgeList(edges, nodes, nodes)
    wanted = [x, *layer.parameters()]
    upstream = features(nodes, expected.size(1), seed=2).to(dtype)
    gradients = torch.autograd.grad(expected, wanted, upstream)
    for each in built:
        out = layer(x, each)
        torch.testing.assert_close(out, expected, **tolerance)
        for mine, theirs in zip(torch.autograd.grad(out, wanted, upstream), gradients, strict=True):
            torch.testing.assert_close(mine, theirs, **tolerance)
    if not edges.numel():
        torch.testing.assert_close(layer(x, EdgelessGraph(nodes)), expected, **tolerance)


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


@pytest.mark.parametrize("aggr", ["max", "Mean", "add", None])
def test_an_aggregation_that_is_none_of_these_is_refused(aggr) -> None:
    with pytest.raises(ConfigError, match="aggr must be one of sum, mean"):
        SAGEConv(4, 2, aggr=aggr)
    with pytest.raises(ConfigError, match="aggr must be one of sum, mean"):
        GINConv(nn.Linear(4, 2), aggr=aggr)
