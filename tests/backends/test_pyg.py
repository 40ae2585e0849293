"""Frozen layers with PyG's signatures against PyG's layers and against dense matrix algebra."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from graphs import GRAPHS, adjacency, features, mean_matrix, symmetric_matrix
from torch import Tensor, nn

from gslt.backends.csr import CSRGraph
from gslt.backends.pyg import BACKEND, FrozenGCNConv, FrozenGINConv, FrozenSAGEConv
from gslt.config import FreezeConfig
from gslt.environment import import_quietly, quiet
from gslt.errors import ConfigError, GraphError
from gslt.masking.parametrization import frozen_weights

pyg = import_quietly("torch_geometric.nn")
EdgeIndex = import_quietly("torch_geometric").EdgeIndex

CONFIG = FreezeConfig(sparsity=0.4, freezing_ratio=0.3, weight_init="kn")
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
WIDTHS = [(5, 3), (3, 5)]  # projects first, aggregates first


def quietly_sparse(matrix: Tensor, layout: str) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return matrix.to_sparse_coo() if layout == "coo" else matrix.to_sparse_csr()


def give_weights(host: nn.Module, frozen: nn.Module) -> None:
    """Copy the effective weights, and the biases, of a frozen layer into the host's layer."""
    names = dict(host.named_parameters())
    with torch.no_grad():
        for name, parameter in names.items():
            owner, _, attribute = name.rpartition(".")
            parameter.copy_(getattr(frozen.get_submodule(owner), attribute))


def set_biases(frozen: nn.Module) -> None:
    """Biases are fixed at 0; give them values, so that they are compared too."""
    for number, (name, buffer) in enumerate(frozen.named_buffers()):
        if name.endswith("bias"):
            buffer.copy_(torch.linspace(-1, 1, buffer.numel()) + number)


def compare(
    frozen: nn.Module,
    host: nn.Module,
    xs: list[Tensor],
    call: Callable[[nn.Module, list[Tensor]], Tensor],
    dtype: torch.dtype,
) -> Tensor:
    """Equal output, equal gradient of the inputs, of the effective weights and of the scores."""
    frozen, host = frozen.to(dtype), host.to(dtype)
    set_biases(frozen)
    give_weights(host, frozen)
    ours = [x.detach().to(dtype).requires_grad_() for x in xs]
    theirs = [x.detach().to(dtype).requires_grad_() for x in xs]
    a = call(frozen, ours)
    with quiet():  # PyG warns about the sparse tensors that it makes itself
        b = call(host, theirs)
    assert a.shape == b.shape
    assert a.dtype == b.dtype == dtype
    tolerance = TOLERANCE[dtype]
    assert torch.allclose(a, b, rtol=tolerance, atol=tolerance)
    upstream = features(*a.shape, seed=9).to(dtype)
    a.backward(upstream)
    b.backward(upstream)
    for x, y in zip(ours, theirs, strict=True):
        if y.grad is not None:
            assert x.grad is not None
            assert torch.allclose(x.grad, y.grad, rtol=tolerance, atol=tolerance)
    wanted = dict(host.named_parameters())
    for weight in frozen_weights(frozen):
        gradient = wanted[weight.name].grad
        assert gradient is not None
        searched, score = gradient.flatten(), weight.score()
        index = weight.searched_index
        searched = searched if index is None else searched[index]
        expected = (
            searched * weight.searched_weight * weight.scale() * torch.where(score < 0, -1.0, 1.0)
        )
        assert score.grad is not None
        assert torch.allclose(score.grad, expected, rtol=tolerance, atol=10 * tolerance)
    return a.detach()


def mlp(widths: list[int], bias: bool = True) -> nn.Module:
    if len(widths) == 2:
        return nn.Linear(*widths, bias=bias)
    steps: list[nn.Module] = []
    for i, o in pairwise(widths):
        steps += [nn.Linear(i, o, bias=bias), nn.Tanh()]
    return nn.Sequential(*steps[:-1])


# Against PyG


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("widths", [*WIDTHS, (4, 6, 2), (2, 3, 4, 5)], ids=str)
@pytest.mark.parametrize("aggr", ["add", "mean"])
def test_gin(aggr: str, widths: tuple[int, ...], graph: str, dtype: torch.dtype) -> None:
    nodes, edges = GRAPHS[graph]
    frozen = FrozenGINConv(mlp(list(widths)), eps=0.25, aggr=aggr, config=CONFIG)
    host = pyg.GINConv(mlp(list(widths)), eps=0.25, aggr=aggr)
    compare(frozen, host, [features(nodes, widths[0])], lambda m, x: m(x[0], edges), dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"improved": True},
        {"cached": True},
        {"add_self_loops": False},
        {"normalize": False},
        {"normalize": False, "add_self_loops": False, "bias": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_gcn(
    weighted: bool, options: dict[str, Any], widths: Any, graph: str, dtype: torch.dtype
) -> None:
    nodes, edges = GRAPHS[graph]
    weight = torch.linspace(0.5, 2.0, edges.size(1)).to(dtype) if weighted else None
    frozen, host = FrozenGCNConv(*widths, **options, config=CONFIG), pyg.GCNConv(*widths, **options)
    for _ in range(2 if options.get("cached") else 1):
        x = [features(nodes, widths[0])]
        compare(frozen, host, x, lambda m, x: m(x[0], edges, weight), dtype)
        frozen.zero_grad()
        host.zero_grad()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"aggr": "sum"},
        {"normalize": True},
        {"root_weight": False},
        {"project": True},
        {"bias": False, "project": True, "normalize": True},
    ],
    ids=str,
)
def test_sage(options: dict[str, Any], widths: Any, graph: str, dtype: torch.dtype) -> None:
    nodes, edges = GRAPHS[graph]
    frozen = FrozenSAGEConv(*widths, **options, config=CONFIG)
    host = pyg.SAGEConv(*widths, **options)
    compare(frozen, host, [features(nodes, widths[0])], lambda m, x: m(x[0], edges), dtype)


BIPARTITE = torch.tensor([[0, 1, 1, 4, 4], [0, 0, 1, 2, 2]])  # 5 sources, 4 targets


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("form", ["edge_index", "sized", "csr", "coo", "EdgeIndex"])
@pytest.mark.parametrize("targets", [True, False])
@pytest.mark.parametrize("layer", ["gin", "sage"])
def test_bipartite(layer: str, targets: bool, form: str, dtype: torch.dtype) -> None:
    if layer == "gin":
        frozen: nn.Module = FrozenGINConv(nn.Linear(3, 2), eps=0.5, config=CONFIG)
        host, width = pyg.GINConv(nn.Linear(3, 2), eps=0.5), 3
    else:
        frozen = FrozenSAGEConv((3, 6), 2, config=CONFIG)
        host, width = pyg.SAGEConv((3, 6), 2), 6
    edges: Any = BIPARTITE
    size = (5, 4) if form == "sized" else None
    if form in ("csr", "coo"):
        edges = quietly_sparse(adjacency(BIPARTITE, 4, 5).to(dtype), form)
    if form == "EdgeIndex":
        edges = EdgeIndex(BIPARTITE, sparse_size=(5, 4))

    def call(module: nn.Module, xs: list[Tensor]) -> Tensor:
        pair = (xs[0], xs[1] if targets else None)
        return module(pair, edges, size=size)  # type: ignore[no-any-return]

    if targets or layer == "gin":
        out = compare(frozen, host, [features(5, 3), features(4, width, seed=2)], call, dtype)
    else:  # W_r has no gradient where the targets have no features
        give_weights(host.to(dtype), frozen.to(dtype))
        x = [features(5, 3, dtype)]
        out = call(frozen, x)
        with quiet():
            assert torch.allclose(out, call(host, x), atol=TOLERANCE[dtype])
    # Without a word about the targets there are as many as sources.
    assert out.shape == (5 if not targets and form == "edge_index" else 4, 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("graph", ["random", "self-loops", "directed", "isolated nodes"])
@pytest.mark.parametrize(
    ("form", "valued"),
    [("csr", False), ("csr", True), ("coo", False), ("coo", True), ("EdgeIndex", False)],
)
@pytest.mark.parametrize("layer", ["gin", "gin mean", "gcn", "gcn sum", "sage"])
def test_sparse_inputs(layer: str, valued: bool, form: str, graph: str, dtype: torch.dtype) -> None:
    nodes, edges = GRAPHS[graph]
    matrix = (adjacency(edges, nodes, nodes) > 0).to(dtype)
    if valued:
        matrix = matrix * features(nodes, nodes, dtype).abs()
    if form == "EdgeIndex":
        adj: Any = EdgeIndex(edges, sparse_size=(nodes, nodes)).sort_by("col").values
    else:
        adj = quietly_sparse(matrix, form)
    make: dict[str, Callable[[], tuple[nn.Module, nn.Module]]] = {
        "gin": lambda: (FrozenGINConv(mlp([3, 2]), config=CONFIG), pyg.GINConv(mlp([3, 2]))),
        "gin mean": lambda: (
            FrozenGINConv(mlp([3, 2]), aggr="mean", config=CONFIG),
            pyg.GINConv(mlp([3, 2]), aggr="mean"),
        ),
        "gcn": lambda: (FrozenGCNConv(3, 2, config=CONFIG), pyg.GCNConv(3, 2)),
        "gcn sum": lambda: (
            FrozenGCNConv(3, 2, normalize=False, config=CONFIG),
            pyg.GCNConv(3, 2, normalize=False),
        ),
        "sage": lambda: (FrozenSAGEConv(3, 2, config=CONFIG), pyg.SAGEConv(3, 2)),
    }
    frozen, host = make[layer]()
    compare(frozen, host, [features(nodes, 3)], lambda m, x: m(x[0], adj), dtype)


def test_parallel_edges_of_an_uncoalesced_adjacency_are_merged_as_in_pyg() -> None:
    edges = torch.tensor([[0, 0, 1, 2], [1, 1, 0, 1]])
    adj = torch.sparse_coo_tensor(edges.flip(0), torch.ones(4), (3, 3))
    frozen, host = FrozenSAGEConv(2, 2, config=CONFIG), pyg.SAGEConv(2, 2)
    compare(frozen, host, [features(3, 2)], lambda m, x: m(x[0], adj), torch.float32)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_types(dtype: torch.dtype) -> None:
    nodes, edges = GRAPHS["random"]
    layer, x = FrozenSAGEConv(3, 2, config=CONFIG), features(nodes, 3, torch.float32)
    expected = layer(x, edges)
    out = layer.to(dtype)(x.to(dtype), edges)
    out.sum().backward()
    assert out.dtype == dtype
    assert torch.allclose(out.float(), expected, rtol=0.05, atol=0.05)


# Against dense matrix algebra


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_layers_are_matrix_algebra(widths: tuple[int, int], graph: str) -> None:
    nodes, edges = GRAPHS[graph]
    A, x = adjacency(edges, nodes, nodes), features(nodes, widths[0])
    gin = FrozenGINConv(nn.Linear(*widths, bias=False), eps=0.5, config=CONFIG).double()
    W = gin.nn.weight
    assert torch.allclose(gin(x, edges), ((1.5 * torch.eye(nodes) + A) @ x) @ W.T, atol=1e-10)
    mean = FrozenGINConv(nn.Linear(*widths, bias=False), aggr="mean", config=CONFIG).double()
    assert torch.allclose(mean(x, edges), (x + mean_matrix(A) @ x) @ W.T, atol=1e-10)
    gcn = FrozenGCNConv(*widths, config=CONFIG).double()
    assert torch.allclose(gcn(x, edges), symmetric_matrix(A) @ x @ gcn.weight.T, atol=1e-10)
    sage = FrozenSAGEConv(*widths, config=CONFIG).double()
    expected = mean_matrix(A) @ x @ sage.lin_l.weight.T + x @ sage.lin_r.weight.T
    assert torch.allclose(sage(x, edges), expected, atol=1e-10)


# Inputs


@pytest.mark.parametrize(
    "layer",
    [
        lambda: FrozenGINConv(nn.Linear(6, 2), config=CONFIG),
        lambda: FrozenGINConv(nn.Linear(2, 6), aggr="mean", config=CONFIG),
        lambda: FrozenGCNConv(6, 2, config=CONFIG),
        lambda: FrozenSAGEConv(6, 2, config=CONFIG),
        lambda: FrozenSAGEConv(6, 2, project=True, config=CONFIG),
    ],
)
def test_sparse_features_equal_dense_ones(layer: Callable[[], nn.Module]) -> None:
    nodes, edges = GRAPHS["random"]
    module = layer()
    width = frozen_weights(module)[0].shape[1]
    x = features(nodes, width, torch.float32) * (features(nodes, width, seed=4) > 0.5)
    x = x.float()
    dense = module(x, edges)
    (expected,) = torch.autograd.grad(dense.square().sum(), next(module.parameters()))
    sparse = module(quietly_sparse(x, "csr"), edges)
    (actual,) = torch.autograd.grad(sparse.square().sum(), next(module.parameters()))
    assert torch.allclose(sparse, dense, atol=1e-5)
    assert torch.allclose(actual, expected, atol=1e-4)


def test_an_edge_index_written_in_place_is_seen() -> None:
    _, edges = GRAPHS["random"]
    edges = edges.clone()
    x = features(12, 3, torch.float32)
    layers = [
        FrozenGINConv(nn.Linear(3, 2), config=CONFIG),
        FrozenGCNConv(3, 2, config=CONFIG),
        FrozenSAGEConv(3, 2, config=CONFIG),
    ]
    before = [layer(x, edges) for layer in layers]
    edges[:, :20] = edges[:, :20].flip(0).clone()
    for layer, old in zip(layers, before, strict=True):
        new = layer(x, edges)
        assert not torch.equal(new, old)
        assert torch.equal(new, layer(x, edges.clone()))


@pytest.mark.parametrize("layout", ["csr", "coo"])
def test_values_written_in_place_are_seen(layout: str) -> None:
    adj = quietly_sparse(torch.tensor([[0.0, 2.0], [1.0, 0.0]]), layout)
    adj = adj.coalesce() if layout == "coo" else adj
    layer = FrozenGINConv(nn.Linear(2, 2, bias=False), config=FreezeConfig(sparsity=0.0))
    x = torch.eye(2)
    before = layer(x, adj)
    adj.values().mul_(3.0)
    assert torch.allclose(layer(x, adj) - before, 2 * (before - x @ layer.nn.weight.T))


def test_inference_mode() -> None:
    layer = FrozenGCNConv(3, 2, config=CONFIG)
    nodes, edges = GRAPHS["random"]
    x = features(nodes, 3, torch.float32)
    with torch.inference_mode():
        made_here = edges.clone()
        first = layer(x, made_here)
        made_here.copy_(edges.flip(0))
        second = layer(x, made_here)
    assert torch.equal(first, layer(x, edges))
    assert torch.equal(second, layer(x, edges.flip(0).contiguous()))


def test_cached_keeps_the_first_graph_until_reset() -> None:
    nodes, edges = GRAPHS["random"]
    x = features(nodes, 3, torch.float32)
    layer = FrozenGCNConv(3, 2, cached=True, config=CONFIG)
    first = layer(x, edges)
    other = edges.flip(0).contiguous()
    assert torch.equal(layer(x, other), first)
    assert torch.equal(copy.deepcopy(layer)(x, other), first)
    layer.reset_parameters()
    assert not torch.equal(layer(x, other), first)


def test_without_normalisation_nothing_is_cached() -> None:
    nodes, edges = GRAPHS["random"]
    x = features(nodes, 3, torch.float32)
    layer = FrozenGCNConv(3, 2, cached=True, normalize=False, config=CONFIG)
    host = pyg.GCNConv(3, 2, cached=True, normalize=False)
    give_weights(host, layer)
    for graph in (edges, edges.flip(0).contiguous()):
        assert torch.allclose(layer(x, graph), host(x, graph), atol=1e-5)


def test_a_graph_of_gslt_is_taken_as_it_is() -> None:
    nodes, edges = GRAPHS["self-loops"]
    x = features(nodes, 3, torch.float32)
    graph = BACKEND.graph(edges, nodes)
    for layer in (FrozenGCNConv(3, 2), FrozenSAGEConv(3, 2), FrozenGINConv(nn.Linear(3, 2))):
        assert torch.allclose(layer(x, graph), layer(x, edges), atol=1e-6)
    for options in ({"improved": True}, {"add_self_loops": False}):
        with pytest.raises(GraphError, match="pass edge_index"):
            FrozenGCNConv(3, 2, **options)(x, graph)  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="pass edge_index"):
        FrozenGCNConv(3, 2)(x, graph, torch.ones(6))
    with pytest.raises(GraphError, match="4 → 4 nodes, but the features have 5"):
        FrozenSAGEConv(3, 2)(features(5, 3, torch.float32), graph)


# Refused


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: FrozenGINConv(nn.Linear(2, 2), train_eps=True), "trained ε"),
        (lambda: FrozenGINConv(nn.Linear(2, 2), aggr="max"), "'mean' or 'sum' ('add'), got 'max'"),
        (lambda: FrozenGINConv(nn.ReLU()), "no weight to freeze"),
        (lambda: FrozenGINConv(nn.Linear(2, 2), flow="target_to_source"), "no option flow"),
        (lambda: FrozenGCNConv(2, 2, add_self_loops=True, normalize=False), "normalize=True"),
        (lambda: FrozenGCNConv(2, 2, aggr="mean"), "no option aggr"),
        (lambda: FrozenSAGEConv(2, 2, aggr="lstm"), "got 'lstm'"),
        (lambda: FrozenSAGEConv(2, 2, aggr=None), "got None"),
        (lambda: FrozenSAGEConv(2, 2, node_dim=1), "no option node_dim"),
    ],
)
def test_refused_options(build: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        build()


E2 = torch.tensor([[0, 1], [1, 2]])


@pytest.mark.parametrize(
    ("edges", "x", "message"),
    [
        (torch.tensor([[0, 1], [1, 3]]), torch.ones(3, 2), "edge 1 has target 3, but there are 3"),
        (torch.tensor([[-1, 1], [1, 2]]), torch.ones(3, 2), "edge 0 has source -1"),
        (E2.float(), torch.ones(3, 2), "integer tensor of shape (2, E)"),
        (E2.flatten(), torch.ones(3, 2), "integer tensor of shape (2, E)"),
        ([[0], [1]], torch.ones(3, 2), "must be a tensor"),
        (torch.eye(4).to_sparse(), torch.ones(3, 2), "has shape (4, 4)"),
        (E2, torch.ones(3, 4, 2), "must have shape (3, width), got (3, 4, 2)"),
        (torch.eye(3).requires_grad_().to_sparse(), torch.ones(3, 2), "require a gradient"),
    ],
)
def test_refused_graphs(edges: Any, x: Tensor, message: str) -> None:
    with pytest.raises(GraphError, match=re.escape(message)):
        FrozenGINConv(nn.Linear(2, 3))(x, edges)
    with pytest.raises(GraphError, match=re.escape(message)):
        FrozenSAGEConv(2, 3)(x, edges)


def test_refused_calls() -> None:
    gcn, x = FrozenGCNConv(2, 2), torch.ones(3, 2)
    with pytest.raises(GraphError, match="FrozenSAGEConv"):
        gcn((x, x), E2)  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="2 edges but 3 edge weights"):
        gcn(x, E2, torch.ones(3))
    with pytest.raises(GraphError, match="require a gradient"):
        gcn(x, E2, torch.ones(2, requires_grad=True))
    with pytest.raises(GraphError, match="give the edge weights once"):
        gcn(x, torch.eye(3).to_sparse(), torch.ones(3))
    with pytest.raises(GraphError, match="does not fit 3 × 3"):
        FrozenSAGEConv(2, 2)(x, E2, size=(4, 3))
    sparse = FrozenGINConv(mlp([2, 4, 2]))
    with pytest.raises(GraphError, match="sparse features cannot be aggregated"):
        sparse(quietly_sparse(x, "csr"), E2)
    weighted = CSRGraph(E2, 3, 3, torch.full((2,), 2.0))
    with pytest.raises(GraphError, match="edge weights"):
        gcn(x, weighted)


def test_repr() -> None:
    assert repr(FrozenGCNConv(16, 32)) == "FrozenGCNConv(16, 32)"
    assert repr(FrozenSAGEConv(16, 32)) == "FrozenSAGEConv(16, 32, aggr=mean)"
    assert repr(FrozenSAGEConv((8, 16), 32)) == "FrozenSAGEConv((8, 16), 32, aggr=mean)"
    assert repr(FrozenGINConv(nn.Linear(16, 32))).startswith("FrozenGINConv(nn=ParametrizedLinear(")


def test_names_separate_layers_of_equal_shape() -> None:
    one, two = FrozenGCNConv(4, 4, name="one"), FrozenGCNConv(4, 4, name="two")
    assert not torch.equal(one.weight, two.weight)
    assert torch.equal(one.weight, FrozenGCNConv(4, 4, name="one").weight)
