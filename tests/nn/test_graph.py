"""Sums, means and the symmetric operator of a graph, their gradients and constants."""

from __future__ import annotations

import copy

import pytest
import torch
from graphs import GRAPHS, adjacency, features, mean_matrix
from torch import Tensor

from gslt.backends.csr import BACKEND, CSRGraph
from gslt.errors import GraphError
from gslt.nn.graph import EdgelessGraph, Graph, Propagation


def test_a_path_by_hand() -> None:
    # 0 → 1 → 2 and x = (1, 10, 100); weight 1.
    edges = torch.tensor([[0, 1], [1, 2]])
    x = torch.tensor([[1.0], [10.0], [100.0]])
    graph = BACKEND.graph(edges, 3)
    assert graph.sum(x).flatten().tolist() == [0, 1, 10]
    assert graph.mean(x).flatten().tolist() == [0, 1, 10]
    assert graph.in_degree.tolist() == [0, 1, 1]
    # D̂ = (1, 2, 2).
    expected = [1.0, 1 / 2**0.5 + 10 / 2, 10 / 2 + 100 / 2]
    assert graph.symmetric(x).flatten().tolist() == pytest.approx(expected)


def test_a_graph_without_edges_by_hand() -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    graph = EdgelessGraph(2)
    assert graph.shape == (2, 2)
    assert graph.in_degree.tolist() == graph.self_loops.tolist() == [0, 0]
    assert graph.sum(x).tolist() == graph.mean(x).tolist() == [[0, 0], [0, 0]]
    assert graph.mean(x, root=3.0).tolist() == [[3, 6], [9, 12]]
    assert graph.symmetric(x).tolist() == x.tolist()
    (gradient,) = torch.autograd.grad(graph.sum(x, root=2.0).sum(), x)
    assert gradient.tolist() == [[2, 2], [2, 2]]
    with pytest.raises(GraphError, match="2 source nodes"):
        graph.sum(torch.ones(3, 2))


@pytest.mark.parametrize("graph", GRAPHS)
def test_roots_are_the_identity(graph: str) -> None:
    nodes, edges = GRAPHS[graph]
    built, A, x = BACKEND.graph(edges, nodes), adjacency(edges, nodes, nodes), features(nodes, 3)
    assert torch.allclose(built.sum(x, root=1.5), A @ x + 1.5 * x, atol=1e-12)
    assert torch.allclose(built.mean(x, root=-1.0), mean_matrix(A) @ x - x, atol=1e-12)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: built.mean(x, root=2.0), (x,))


def test_a_bipartite_graph_has_no_roots() -> None:
    with pytest.raises(GraphError, match="no roots"):
        CSRGraph(torch.tensor([[0, 1], [0, 0]]), 2, 1).sum(features(2, 1), root=1.0)


def test_a_graph_of_ones_own_without_attention_says_so() -> None:
    class Complete(Graph):
        shape = (2, 2)
        in_degree = self_loops = torch.ones(2)

        def multiply(self, operator: Propagation, x: Tensor, transposed: bool) -> Tensor:
            return x.sum(0).expand_as(x)

    assert Complete().sum(torch.ones(2, 1)).tolist() == [[2], [2]]
    with pytest.raises(GraphError, match="Complete sums over neighbours without attention"):
        Complete().attention(torch.ones(2, 1), torch.ones(2, 1), torch.ones(2, 1))


def test_a_constant_is_aggregated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, edges = GRAPHS["random"]
    graph, x = BACKEND.graph(edges, nodes), features(nodes, 3)
    plain = graph.mean(x)
    calls: list[int] = []
    multiply = CSRGraph.multiply
    monkeypatch.setattr(
        CSRGraph, "multiply", lambda *args, **kw: calls.append(1) or multiply(*args, **kw)
    )
    graph.remember(x)
    assert graph.remembers(x)
    assert not graph.remembers(x.clone())
    assert torch.equal(graph.mean(x), plain)
    assert graph.mean(x) is graph.mean(x)
    assert len(calls) == 1
    graph.sum(x)
    graph.mean(x, root=1.0)
    assert len(calls) == 3
    x += 1
    assert not graph.remembers(x)
    assert torch.allclose(graph.mean(x), plain + (graph.in_degree > 0).unsqueeze(1), atol=1e-12)
    assert not copy.deepcopy(graph).remembers(x)
    with pytest.raises(GraphError, match="no constant"):
        graph.remember(features(nodes, 3).requires_grad_())


@pytest.mark.parametrize("graph", GRAPHS)
def test_sparse_product_gradient(graph: str) -> None:
    nodes, edges = GRAPHS[graph]
    csr_graph = CSRGraph(edges, nodes, nodes, torch.linspace(-1, 2, edges.size(1)))
    x = features(nodes, 2).requires_grad_()
    assert torch.autograd.gradcheck(csr_graph.sum, (x,))
    assert torch.autograd.gradgradcheck(csr_graph.sum, (x,))
    plain = CSRGraph(edges, nodes, nodes)
    assert torch.autograd.gradcheck(plain.mean, (x,))
    assert torch.autograd.gradcheck(plain.symmetric, (x,))
