"""Frozen layers with DGL's signatures against DGL's layers and against dense matrix algebra."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from graphs import GRAPHS, adjacency, features, mean_matrix, symmetric_matrix
from torch import Tensor, nn

from gslt.config import FreezeConfig
from gslt.environment import import_quietly
from gslt.errors import ConfigError, GraphError
from gslt.masking.parametrization import frozen_weights

os.environ.setdefault("DGLBACKEND", "pytorch")
try:
    dgl = import_quietly("dgl")
except ImportError:
    pytest.skip("dgl is not installed", allow_module_level=True)
host_layers = import_quietly("dgl.nn")

from gslt.backends.dgl import (  # noqa: E402
    BACKEND,
    FrozenGCNConv,
    FrozenGINConv,
    FrozenGraphConv,
    FrozenSAGEConv,
)

CONFIG = FreezeConfig(sparsity=0.4, freezing_ratio=0.3, weight_init="kn")
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
WIDTHS = [(5, 3), (3, 5)]  # projects first, aggregates first
Call = Callable[[nn.Module, list[Tensor]], Tensor]


def build(graph: str) -> Any:
    nodes, edges = GRAPHS[graph]
    return dgl.graph((edges[0], edges[1]), num_nodes=nodes)


def pairs(frozen: nn.Module, host: nn.Module) -> list[tuple[Tensor, nn.Parameter]]:
    """Effective weight of the frozen layer and the host's parameter, in the host's orientation."""
    if isinstance(host, host_layers.GraphConv):
        return [(frozen.lin.weight.t(), host.weight)]
    if isinstance(host, host_layers.SAGEConv):
        return [
            (frozen.lin_l.weight, host.fc_neigh.weight),
            (frozen.lin_r.weight, host.fc_self.weight),
        ]
    names = [name for name, p in host.apply_func.named_parameters() if p.dim() == 2]
    return [
        (
            getattr(frozen.nn.get_submodule(n.rpartition(".")[0]), "weight"),  # noqa: B009
            host.apply_func.get_parameter(n),
        )
        for n in names
    ]


def set_biases(frozen: nn.Module, host: nn.Module) -> None:
    ours = [b for name, b in frozen.named_buffers() if name.endswith("bias")]
    theirs = [p for p in host.parameters() if p.dim() == 1]
    assert [b.shape for b in ours] == [p.shape for p in theirs]
    with torch.no_grad():
        for number, (b, p) in enumerate(zip(ours, theirs, strict=True)):
            b.copy_(torch.linspace(-1, 1, b.numel()) + number)
            p.copy_(b)


def compare(
    frozen: nn.Module, host: nn.Module, xs: list[Tensor], call: Call, dtype: torch.dtype
) -> Tensor:
    """Equal output, equal gradient of the inputs, of the effective weights and of the scores."""
    frozen, host = frozen.to(dtype), host.to(dtype)
    set_biases(frozen, host)
    with torch.no_grad():
        for weight, parameter in pairs(frozen, host):
            parameter.copy_(weight)
    ours = [x.detach().to(dtype).requires_grad_() for x in xs]
    theirs = [x.detach().to(dtype).requires_grad_() for x in xs]
    a, b = call(frozen, ours), call(host, theirs)
    tolerance = TOLERANCE[dtype]
    assert a.dtype == b.dtype == dtype
    assert a.shape == b.shape
    assert torch.allclose(a, b, rtol=tolerance, atol=tolerance)
    upstream = features(*a.shape, seed=9).to(dtype)
    a.backward(upstream)
    b.backward(upstream)
    for x, y in zip(ours, theirs, strict=True):
        if y.grad is not None:
            assert x.grad is not None
            assert torch.allclose(x.grad, y.grad, rtol=tolerance, atol=tolerance)
    transposed = isinstance(host, host_layers.GraphConv)
    hosts = [p for _, p in pairs(frozen, host)]
    for weight, parameter in zip(frozen_weights(frozen), hosts, strict=True):
        assert parameter.grad is not None
        gradient = (parameter.grad.t() if transposed else parameter.grad).flatten()
        score = weight.score()
        searched = gradient if weight.searched_index is None else gradient[weight.searched_index]
        expected = (
            searched * weight.searched_weight * weight.scale() * torch.where(score < 0, -1.0, 1.0)
        )
        assert score.grad is not None
        assert torch.allclose(score.grad, expected, rtol=tolerance, atol=10 * tolerance)
    return a.detach()


DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
#: DGL answers a graph without edges by other rules of its own in each layer.
WITH_EDGES = [name for name, (_, edges) in GRAPHS.items() if edges.size(1)]


@DTYPES
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("aggr", ["sum", "mean"])
@pytest.mark.parametrize("activation", [None, torch.tanh])
def test_gin(activation: Any, aggr: str, widths: Any, graph: str, dtype: torch.dtype) -> None:
    frozen = FrozenGINConv(
        nn.Linear(*widths), aggr, init_eps=0.25, activation=activation, config=CONFIG
    )
    host = host_layers.GINConv(nn.Linear(*widths), aggr, init_eps=0.25, activation=activation)
    g = build(graph)
    compare(frozen, host, [features(g.num_nodes(), widths[0])], lambda m, x: m(g, x[0]), dtype)


@DTYPES
@pytest.mark.parametrize("depth", [2, 3])
def test_gin_with_a_deeper_mlp(depth: int, dtype: torch.dtype) -> None:
    def mlp() -> nn.Module:
        steps: list[nn.Module] = [nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh()]
        return nn.Sequential(*steps[: 2 * (depth - 1)], nn.Linear(4, 2))

    frozen, host = FrozenGINConv(mlp(), config=CONFIG), host_layers.GINConv(mlp(), "sum")
    g = build("random")
    compare(frozen, host, [features(12, 3)], lambda m, x: m(g, x[0]), dtype)


@DTYPES
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("norm", ["both", "right", "left", "none"])
@pytest.mark.parametrize(
    "options", [{}, {"bias": False, "activation": torch.tanh}], ids=["plain", "activation"]
)
def test_graph_conv(
    options: dict[str, Any], norm: str, widths: Any, graph: str, dtype: torch.dtype
) -> None:
    options = {"norm": norm, "allow_zero_in_degree": True, **options}
    frozen = FrozenGCNConv(*widths, **options, config=CONFIG)
    host = host_layers.GraphConv(*widths, **options)
    g = build(graph)
    compare(frozen, host, [features(g.num_nodes(), widths[0])], lambda m, x: m(g, x[0]), dtype)


@DTYPES
@pytest.mark.parametrize("graph", WITH_EDGES)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize(
    "options",
    [{}, {"bias": False}, {"activation": torch.tanh, "norm": nn.functional.normalize}],
    ids=["plain", "no bias", "activation"],
)
def test_sage(options: dict[str, Any], widths: Any, graph: str, dtype: torch.dtype) -> None:
    frozen = FrozenSAGEConv(*widths, "mean", feat_drop=0.5, **options, config=CONFIG).eval()
    host = host_layers.SAGEConv(*widths, "mean", feat_drop=0.5, **options).eval()
    g = build(graph)
    compare(frozen, host, [features(g.num_nodes(), widths[0])], lambda m, x: m(g, x[0]), dtype)


def block() -> Any:
    """Targets 1 and 3 of a sampled neighbourhood; its sources are 1, 3 and then the others."""
    g = dgl.graph(([0, 2, 3, 3, 1], [1, 1, 1, 3, 2]), num_nodes=5)
    return dgl.to_block(dgl.in_subgraph(g, [1, 3]), torch.tensor([1, 3]))


@DTYPES
@pytest.mark.parametrize("kind", ["gin", "gcn", "sage"])
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_blocks(widths: tuple[int, int], kind: str, dtype: torch.dtype) -> None:
    b = block()
    assert b.num_src_nodes() == 4
    make: dict[str, Callable[[], tuple[nn.Module, nn.Module]]] = {
        "gin": lambda: (
            FrozenGINConv(nn.Linear(*widths), config=CONFIG),
            host_layers.GINConv(nn.Linear(*widths), "sum"),
        ),
        "gcn": lambda: (FrozenGCNConv(*widths, config=CONFIG), host_layers.GraphConv(*widths)),
        "sage": lambda: (
            FrozenSAGEConv(*widths, config=CONFIG),
            host_layers.SAGEConv(*widths, "mean"),
        ),
    }
    frozen, host = make[kind]()
    out = compare(frozen, host, [features(4, widths[0])], lambda m, x: m(b, x[0]), dtype)
    assert out.shape == (2, widths[1])


@DTYPES
@pytest.mark.parametrize("kind", ["gin", "gcn", "sage"])
def test_bipartite(kind: str, dtype: torch.dtype) -> None:
    g = dgl.heterograph({("a", "to", "b"): ([0, 1, 1, 4, 4], [0, 0, 1, 2, 2])}, {"a": 5, "b": 3})
    make: dict[str, Callable[[], tuple[nn.Module, nn.Module, int]]] = {
        "gin": lambda: (
            FrozenGINConv(nn.Linear(4, 2), config=CONFIG),
            host_layers.GINConv(nn.Linear(4, 2), "sum"),
            4,
        ),
        "gcn": lambda: (FrozenGCNConv(4, 2, config=CONFIG), host_layers.GraphConv(4, 2), 4),
        "sage": lambda: (
            FrozenSAGEConv((4, 6), 2, config=CONFIG),
            host_layers.SAGEConv((4, 6), 2, "mean"),
            6,
        ),
    }
    frozen, host, width = make[kind]()
    xs = [features(5, 4), features(3, width, seed=2)]
    compare(frozen, host, xs, lambda m, x: m(g, (x[0], x[1])), dtype)


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_layers_are_matrix_algebra(widths: tuple[int, int], graph: str) -> None:
    g, (nodes, edges) = build(graph), GRAPHS[graph]
    A, x = adjacency(edges, nodes, nodes), features(nodes, widths[0])
    gin = FrozenGINConv(nn.Linear(*widths, bias=False), init_eps=0.5, config=CONFIG).double()
    expected = ((1.5 * torch.eye(nodes) + A) @ x) @ gin.apply_func.weight.T
    assert torch.allclose(gin(g, x), expected, atol=1e-10)
    gcn = FrozenGCNConv(*widths, allow_zero_in_degree=True, config=CONFIG).double()
    left, right = (A.sum(d).clamp(min=1).rsqrt() for d in (1, 0))
    expected = left[:, None] * A * right[None, :] @ x @ gcn.weight
    assert gcn.weight.shape == widths
    assert torch.allclose(gcn(g, x), expected, atol=1e-10)
    sage = FrozenSAGEConv(*widths, config=CONFIG).double()
    expected = mean_matrix(A) @ x @ sage.fc_neigh.weight.T + x @ sage.fc_self.weight.T
    assert torch.allclose(sage(g, x), expected, atol=1e-10)


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_backend_sums_as_the_matrix_does(graph: str) -> None:
    nodes, edges = GRAPHS[graph]
    wrapped, A = BACKEND.graph(edges, nodes), adjacency(edges, nodes, nodes)
    x = features(nodes, 3)
    assert torch.allclose(wrapped.sum(x), A @ x, atol=1e-12)
    assert torch.allclose(wrapped.mean(x), mean_matrix(A) @ x, atol=1e-12)
    assert torch.allclose(wrapped.mean(x, root=0.5), mean_matrix(A) @ x + x / 2, atol=1e-12)
    assert torch.allclose(wrapped.symmetric(x), symmetric_matrix(A) @ x, atol=1e-12)
    x.requires_grad_()
    for aggregate in (wrapped.sum, wrapped.mean, wrapped.symmetric):
        assert torch.autograd.gradcheck(aggregate, (x,))
        assert torch.autograd.gradgradcheck(aggregate, (x,))
    assert wrapped.in_degree.tolist() == A.sum(1).tolist()
    assert wrapped.self_loops.tolist() == A.diagonal().tolist()
    assert set(wrapped.graph.ndata) == set()


def test_zero_in_degree_rule() -> None:
    g, x = build("isolated nodes"), features(6, 5, torch.float32)
    layer = FrozenGraphConv(5, 3, config=CONFIG)
    with pytest.raises(GraphError, match="node 0 has in-degree 0"):
        layer(g, x)
    looped = layer(dgl.add_self_loop(g), x)
    assert looped.shape == (6, 3)
    layer.set_allow_zero_in_degree(True)
    assert (layer(g, x)[[0, 2, 3, 5]] == 0).all()


def test_dropout_is_shared_by_the_two_roles_of_a_node() -> None:
    b = block()
    layer = FrozenSAGEConv(200, 3, feat_drop=0.5, config=FreezeConfig(sparsity=0.0))
    seen: list[tuple[Tensor, Tensor | None]] = []
    layer.lin_r.register_forward_pre_hook(lambda m, x: seen.append((x[0], None)))
    layer(b, torch.ones(4, 200))
    zeros = (seen[0][0] == 0).float().mean()
    assert 0.3 < float(zeros) < 0.7
    layer.eval()
    assert torch.equal(layer(b, torch.ones(4, 200)), layer(b, torch.ones(4, 200)))


def test_integer_types_of_the_graph() -> None:
    g, x = build("random"), features(12, 3, torch.float32)
    layer = FrozenSAGEConv(3, 2, config=CONFIG)
    assert torch.equal(layer(g.int(), x), layer(g, x))


def test_deepcopy() -> None:
    g, x = build("random"), features(12, 3, torch.float32)
    layer = FrozenGINConv(nn.Linear(3, 2), config=CONFIG)
    assert torch.equal(copy.deepcopy(layer)(g, x), layer(g, x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FrozenGINConv(nn.Linear(2, 2), learn_eps=True), "trained ε"),
        (lambda: FrozenGINConv(nn.Linear(2, 2), "max"), "aggregator_type must be one of sum, mean"),
        (lambda: FrozenGCNConv(2, 2, norm="sym"), "norm must be one of"),
        (lambda: FrozenGCNConv(2, 2, weight=False), "nothing to freeze"),
        (lambda: FrozenSAGEConv(2, 2, "pool"), "got 'pool'"),
    ],
)
def test_refused_options(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_refused_calls() -> None:
    g, x = build("single loop"), torch.ones(1, 2)
    layers = [FrozenGINConv(nn.Linear(2, 2)), FrozenGCNConv(2, 2), FrozenSAGEConv(2, 2)]
    hetero = dgl.heterograph({("a", "r", "a"): ([0], [0]), ("a", "s", "a"): ([0], [0])})
    for layer in layers:
        with pytest.raises(ConfigError, match="edge_weight is not supported on DGL"):
            layer(g, x, edge_weight=torch.ones(1))
        with pytest.raises(GraphError, match=r"expected a dgl\.DGLGraph, got Tensor"):
            layer(torch.ones(2, 1), x)
        with pytest.raises(GraphError, match="2 edge types; pick one"):
            layer(hetero, x)
        with pytest.raises(GraphError, match=re.escape("shape (1, width), got (3, 2)")):
            layer(g, torch.ones(3, 2))
    with pytest.raises(ConfigError, match="external weight"):
        layers[1](g, x, torch.eye(2))
    with pytest.raises(GraphError, match="target nodes are missing"):
        layers[2](g, (x, None))
