"""The sparse product of the PyG backend against dense algebra, in every type and layout."""

from __future__ import annotations

import pytest
import torch
from graphs import GRAPHS
from torch import Tensor

from gslt.backends import csr
from gslt.backends.csr import CSRGraph
from gslt.nn import memory
from gslt.nn.graph import Propagation

PLAIN = Propagation(("sum",))


def graph_of(nodes: int, edges: int, seed: int = 0) -> tuple[CSRGraph, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(nodes, (2, edges), generator=generator)
    weight = torch.randint(-3, 4, (edges,), generator=generator).double()
    dense = torch.zeros(nodes, nodes, dtype=torch.float64)
    dense.index_put_((index[1], index[0]), weight, accumulate=True)
    return CSRGraph(index, nodes, nodes, weight), dense


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("width", [1, 7, 16, 33])
@pytest.mark.parametrize(
    ("dtype", "error"),
    [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 1e-2), (torch.float16, 2e-3)],
)
def test_product_is_dense_algebra(
    dtype: torch.dtype, error: float, width: int, transposed: bool
) -> None:
    graph, dense = graph_of(30, 90)
    x = torch.randn(30, width, generator=torch.Generator().manual_seed(1)).to(dtype)
    expected = (dense.t() if transposed else dense) @ x.double()
    found = graph.multiply(PLAIN, x, transposed)
    assert found.dtype == dtype
    assert torch.allclose(found.double(), expected, rtol=error, atol=error)


def test_many_rows_go_by_blocks() -> None:
    nodes = 4000 * torch.get_num_threads() + 17
    index = torch.stack([torch.arange(nodes), torch.arange(nodes).roll(1)])
    x = torch.arange(nodes, dtype=torch.float32).unsqueeze(1)
    found = CSRGraph(index, nodes, nodes).multiply(PLAIN, x, transposed=False)
    assert torch.equal(found, x.roll(-1, 0))


def test_no_edges_sum_to_zero() -> None:
    graph = CSRGraph(torch.empty(2, 0, dtype=torch.int64), 5, 5)
    assert torch.equal(graph.multiply(PLAIN, torch.ones(5, 3), False), torch.zeros(5, 3))


def test_narrow_numbers_are_added_in_single_precision() -> None:
    # 256 + 1 + … + 1: in bfloat16 every single addition of 1 would be lost.
    index = torch.stack([torch.arange(257), torch.zeros(257, dtype=torch.int64)])
    x = torch.ones(257, 2, dtype=torch.bfloat16)
    x[0] = 256
    found = CSRGraph(index, 257, 1).multiply(PLAIN, x, transposed=False)
    assert found.tolist() == [[512.0, 512.0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_padding_never_leaks(dtype: torch.dtype) -> None:
    graph, dense = graph_of(700, 3000)
    wide = torch.full((700, 416), float("nan"), dtype=dtype)
    wide[:, :390] = torch.randn(700, 390, generator=torch.Generator().manual_seed(1)).to(dtype)
    x = wide[:, :390]
    with memory.reused():
        found = graph.multiply(PLAIN, x, transposed=False)
    assert found.shape == x.shape
    error = 1e-4 if dtype == torch.float32 else 1e-2
    assert torch.allclose(found.double(), dense @ x.double(), rtol=error, atol=10 * error)


@pytest.mark.parametrize("layout", ["columns", "every other row", "transposed"])
def test_any_strides(layout: str) -> None:
    graph, dense = graph_of(40, 200)
    full = torch.randn(80, 80, generator=torch.Generator().manual_seed(1))
    x = {
        "columns": full[:40, 3:9],
        "every other row": full[::2, :5],
        "transposed": full[:7, :40].t(),
    }
    given = x[layout]
    found = graph.multiply(PLAIN, given, transposed=False)
    assert torch.allclose(found.double(), dense @ given.double(), atol=1e-4)


def test_the_graph_is_built_once_and_forgotten_with_its_tensor() -> None:
    _, edges = GRAPHS["random"]
    edges = edges.clone()
    built = csr.as_graph(edges, 12, 12)
    assert csr.as_graph(edges, 12, 12) is built
    assert csr.as_graph(edges, 13, 13) is not built
    assert csr.as_graph(edges.clone(), 12, 12) is not built
    size = len(csr._CACHE)
    del edges
    assert len(csr._CACHE) == size - 1
