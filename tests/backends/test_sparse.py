"""Kernels over compressed rows: products, and attention by hand, with gradients."""

from __future__ import annotations

import math

import pytest
import torch
from graphs import GRAPHS, adjacency, features

from gslt.backends.csr import BACKEND, CSRGraph
from gslt.backends.sparse import Neighbours, attend, merged, sparse_product
from gslt.errors import GraphError
from gslt.nn import memory
from gslt.nn.graph import sparse_csr

#: 0 → 1 twice, and a loop at each of two nodes.
PAIR = Neighbours(
    torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), torch.tensor([1.0, 2.0, 1.0]), 2
)


def test_entries_are_merged_by_hand() -> None:
    row, col, value = merged(
        torch.tensor([2, 0, 2, 0]), torch.tensor([1, 3, 1, 0]), torch.tensor([1.0, 2.0, 4.0, 8.0])
    )
    assert (row.tolist(), col.tolist(), value.tolist()) == ([0, 0, 2], [0, 3, 1], [8.0, 2.0, 5.0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_product_by_hand(dtype: torch.dtype) -> None:
    # [[2, 0], [0, 3], [0, 0]] times [[1, 10], [2, 20]].
    entries = torch.tensor([2.0, 3.0], dtype=dtype)
    matrix = sparse_csr(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1]), entries, (3, 2))
    x = torch.tensor([[1.0, 10.0], [2.0, 20.0]], dtype=dtype)
    out = torch.full((3, 2), torch.nan, dtype=dtype)
    assert sparse_product(matrix, x, out).tolist() == [[2, 20], [6, 60], [0, 0]]


def test_neighbours_by_hand() -> None:
    assert PAIR.start.tolist() == [0, 1, 3]
    order, turned = PAIR.turned
    assert order.tolist() == [0, 1, 2]
    assert (turned.target.tolist(), turned.source.tolist()) == ([0, 0, 1], [0, 1, 1])
    value = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert PAIR.total(value).tolist() == [[1, 2], [8, 10]]
    # Node 1 has two edges of score 0 and a loop of ln 2: shares ½ and ½; a loop alone has 1.
    score = torch.tensor([[7.0], [0.0], [math.log(2.0)]])
    assert PAIR.softmax_(score).flatten().tolist() == pytest.approx([1, 0.5, 0.5])


def test_scores_of_any_size_give_shares() -> None:
    score = torch.tensor([[-3e38], [1e30], [-1e30]])
    assert PAIR.softmax_(score).flatten().tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_attention_by_hand(slope: float) -> None:
    # At node 1 the edges 0 → 1 score LeakyReLU(3 − 4) each, the loop 5 − 4 = 1.
    source, target = torch.tensor([[3.0], [5.0]]), torch.tensor([[9.0], [-4.0]])
    x = torch.tensor([[1.0, 2.0], [10.0, 20.0]])
    share = 2 * math.exp(-slope) / (2 * math.exp(-slope) + math.exp(1.0))
    out = attend(x, source, target, PAIR, slope)
    assert out[0].tolist() == [1.0, 2.0]
    ten, twenty = 10 * (1 - share), 20 * (1 - share)
    assert out[1].tolist() == pytest.approx([share + ten, 2 * share + twenty])


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("graph", GRAPHS)
def test_gradient_of_attention(graph: str, heads: int) -> None:
    nodes, edges = GRAPHS[graph]
    built = CSRGraph(edges, nodes, nodes)
    given = [features(nodes, width, seed=width) for width in (2 * heads, heads, heads)]
    arguments = [each.requires_grad_() for each in given]
    assert torch.autograd.gradcheck(lambda *three: built.attention(*three, 0.2), arguments)
    # What needs no gradient costs none.
    given[0].requires_grad_(False)
    out = built.attention(*given, 0.2)
    out.sum().backward()
    assert given[0].grad is None
    assert given[1].grad is not None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_attention_in_two_bytes_has_shares_in_four(dtype: torch.dtype) -> None:
    nodes, edges = GRAPHS["random"]
    built = BACKEND.graph(edges, nodes)
    given = [features(nodes, width, seed=width).to(dtype) for width in (6, 2, 3)]
    x, *ends = given[0], given[1], given[1].flip(0)
    exact = built.attention(x.double(), *(end.double() for end in ends))
    out = built.attention(*(each.requires_grad_() for each in (x, *ends)))
    assert out.dtype == dtype
    torch.testing.assert_close(out.double(), exact, atol=0.02, rtol=0.02)
    out.sum().backward()
    assert x.grad.dtype == ends[0].grad.dtype == ends[1].grad.dtype == dtype


def test_memory_is_reused_in_attention() -> None:
    """Large activations of several heads lie in the pool, with padded rows."""
    nodes = 3000
    node = torch.arange(nodes)
    built = CSRGraph(torch.stack([node, node.roll(1)]), nodes, nodes)
    x = features(nodes, 3 * 40, torch.float32)
    ends = features(nodes, 3, torch.float32), features(nodes, 3, torch.float32, seed=4)
    expected = built.attention(x, *ends)
    with memory.reused():
        padded = memory.empty_like(x).copy_(x)
        assert not padded.is_contiguous()
        torch.testing.assert_close(built.attention(padded, *ends), expected)


def test_what_attention_refuses() -> None:
    nodes, edges = GRAPHS["random"]
    ends = torch.zeros(nodes, 1), torch.zeros(nodes, 1)
    weighted = CSRGraph(edges, nodes, nodes, torch.linspace(0, 1, edges.size(1)))
    with pytest.raises(GraphError, match="attention counts edges, but this graph has edge weights"):
        weighted.attention(torch.ones(nodes, 2), *ends)
    with pytest.raises(GraphError, match="has no roots"):
        CSRGraph(torch.tensor([[0, 1], [0, 0]]), 2, 1).attention(torch.ones(2, 2), *ends)
    with pytest.raises(GraphError, match=f"{nodes} source nodes"):
        BACKEND.graph(edges, nodes).attention(torch.ones(3, 2), *ends)


def test_a_loop_that_is_there_is_the_one_loop() -> None:
    nodes, edges = GRAPHS["self-loops"]
    plain = edges[:, edges[0] != edges[1]]
    given = [features(nodes, width, seed=width) for width in (4, 2, 2)]
    found = [BACKEND.graph(each, nodes).attention(*given) for each in (edges, plain)]
    assert torch.equal(*found)
    assert adjacency(edges, nodes, nodes).diagonal().any()
