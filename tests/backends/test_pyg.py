"""Frozen layers with PyG's signatures against PyG's layers and against dense matrix algebra."""

from __future__ import annotations

import copy
import io
import pickle
import re
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from unittest import mock

import pytest
import torch
from graphs import GRAPHS, adjacency, features, mean_matrix, symmetric_matrix
from hypothesis import given, settings
from hypothesis import strategies as st
from small_modules import Attending
from torch import Tensor, nn
from torch.autograd import forward_ad

from gslt.backends.csr import CSRGraph
from gslt.backends.pyg import (
    BACKEND,
    FrozenGATConv,
    FrozenGCNConv,
    FrozenGINConv,
    FrozenSAGEConv,
)
from gslt.config import FreezeConfig
from gslt.environment import import_quietly, quiet
from gslt.errors import ConfigError, GraphError, GsltWarning
from gslt.masking.freeze import bake, freeze
from gslt.masking.parametrization import frozen_weights
from gslt.ticket import Ticket

pyg = import_quietly("torch_geometric.nn")
EdgeIndex = import_quietly("torch_geometric").EdgeIndex
utils = import_quietly("torch_geometric.utils")
get_num_hops, get_embeddings = utils.get_num_hops, utils.get_embeddings
masks = import_quietly("torch_geometric.explain.algorithm.utils")
set_masks, clear_masks = masks.set_masks, masks.clear_masks

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
    upstream = features(a.numel(), 1, seed=9).reshape(a.shape).to(dtype)
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


#: Each drop-in and its host, from width 5 to 3.
LAYERS: dict[str, Callable[..., tuple[Any, Any]]] = {
    "gcn": lambda **o: (FrozenGCNConv(5, 3, config=CONFIG, **o), pyg.GCNConv(5, 3, **o)),
    "gin": lambda **o: (
        FrozenGINConv(mlp([5, 4, 3]), eps=0.25, config=CONFIG, **o),
        pyg.GINConv(mlp([5, 4, 3]), eps=0.25, **o),
    ),
    "sage": lambda **o: (FrozenSAGEConv(5, 3, config=CONFIG, **o), pyg.SAGEConv(5, 3, **o)),
}


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


def test_what_is_cached_is_of_the_weights_of_that_layer() -> None:
    """Without self-loops PyG keeps the caller's own edges, which both layers have."""
    nodes, edges = GRAPHS["random"]
    x, weights = features(nodes, 3, torch.float32), torch.linspace(0.5, 2.0, edges.size(1))
    options = {"cached": True, "add_self_loops": False}
    layers = [FrozenGCNConv(3, 2, **options, config=CONFIG, name=name) for name in "ab"]
    for layer, weight in zip(layers, (weights, weights.flip(0)), strict=True):
        host = pyg.GCNConv(3, 2, **options)
        give_weights(host, layer)
        for _ in range(2):
            assert torch.allclose(layer(x, edges, weight), host(x, edges, weight), atol=1e-5)
    layers[0].reset_parameters()
    host = pyg.GCNConv(3, 2, **options)
    give_weights(host, layers[0])
    other = weights.flip(0)
    assert torch.allclose(layers[0](x, edges, other), host(x, edges, other), atol=1e-5)


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
        (lambda: FrozenGINConv(nn.ReLU()), "no weight to freeze"),
    ],
)
def test_refused_options(build: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        build()


def test_what_the_host_refuses_is_refused_in_its_words() -> None:
    with pytest.raises(ValueError, match="does not support adding self-loops"):
        FrozenGCNConv(2, 2, add_self_loops=True, normalize=False)
    with pytest.raises(ValueError, match="does not support lazy"):
        FrozenSAGEConv(-1, 2, project=True)
    with pytest.raises(ValueError, match="'flow' to be either"):
        FrozenSAGEConv(2, 2, flow="upwards")
    with pytest.raises(TypeError, match="unexpected keyword argument 'heads'"):
        FrozenGCNConv(2, 2, heads=2)


E2 = torch.tensor([[0, 1], [1, 2]])


@pytest.mark.parametrize(
    ("edges", "x", "message"),
    [
        (torch.tensor([[0, 1], [1, 3]]), torch.ones(3, 2), "edge 1 has target 3, but there are 3"),
        (torch.tensor([[-1, 1], [1, 2]]), torch.ones(3, 2), "edge 0 has source -1"),
        (E2.float(), torch.ones(3, 2), "integer tensor of shape (2, E)"),
        (E2.flatten(), torch.ones(3, 2), "integer tensor of shape (2, E)"),
        (torch.eye(4).to_sparse(), torch.ones(3, 2), "has shape (4, 4)"),
    ],
)
def test_refused_graphs(edges: Any, x: Tensor, message: str) -> None:
    with pytest.raises(GraphError, match=re.escape(message)):
        FrozenGINConv(nn.Linear(2, 3))(x, edges)
    with pytest.raises(GraphError, match=re.escape(message)):
        FrozenSAGEConv(2, 3)(x, edges)


def test_refused_calls() -> None:
    gcn, x = FrozenGCNConv(2, 2), torch.ones(3, 2)
    with pytest.raises(ValueError, match="does not support bipartite"):
        gcn((x, x), E2)
    with pytest.raises(GraphError, match="2 edges but 3 edge weights"):
        gcn(x, E2, torch.ones(3))
    with pytest.raises(ValueError, match="only supports integer tensors"):
        gcn(x, [[0], [1]])
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


@pytest.mark.parametrize("build", sorted(LAYERS))
def test_a_graph_of_gslt_has_no_messages(build: str) -> None:
    layer, _ = LAYERS[build]()
    layer.explain = True
    with pytest.raises(ValueError, match="only supports integer tensors"):
        layer(features(3, 5, torch.float32), BACKEND.graph(E2, 3))


def test_repr() -> None:
    assert repr(FrozenGCNConv(16, 32)) == "FrozenGCNConv(16, 32)"
    assert repr(FrozenSAGEConv(16, 32)) == "FrozenSAGEConv(16, 32, aggr=mean)"
    assert repr(FrozenSAGEConv((8, 16), 32)) == "FrozenSAGEConv((8, 16), 32, aggr=mean)"
    assert repr(FrozenGINConv(nn.Linear(16, 32))).startswith("FrozenGINConv(nn=ParametrizedLinear(")


def test_names_separate_layers_of_equal_shape() -> None:
    one, two = FrozenGCNConv(4, 4, name="one"), FrozenGCNConv(4, 4, name="two")
    assert not torch.equal(one.weight, two.weight)
    assert torch.equal(one.weight, FrozenGCNConv(4, 4, name="one").weight)


# A drop-in is the host's layer


def fast_and_slow(layer: Any, *inputs: Any) -> tuple[Tensor, Tensor]:
    """The output by the sparse product, and by PyG's messages: a hook sees that they are passed."""
    seen: list[int] = []
    handle = layer.register_propagate_forward_hook(lambda *_: seen.append(1))
    try:
        slow = layer(*inputs)
    finally:
        handle.remove()
    assert seen == [1]
    return layer(*inputs), slow


def passes_messages(layer: Any, *inputs: Any) -> bool:
    """Whether this call passes PyG's messages, which begin with a check of their input."""
    with mock.patch.object(
        pyg.MessagePassing, "_check_input", autospec=True, side_effect=pyg_check
    ) as seen:
        layer(*inputs)
    return bool(seen.called)


pyg_check = pyg.MessagePassing._check_input


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_it_is_the_hosts_layer(kind: str) -> None:
    layer, host = LAYERS[kind]()
    assert isinstance(layer, type(host))
    assert isinstance(layer, pyg.MessagePassing)
    with pytest.warns(GsltWarning, match=f"another {type(layer).__name__} of ModuleL"):
        model = nn.ModuleList([layer, LAYERS[kind]()[0]])
    assert get_num_hops(model) == 2
    nodes, edges = GRAPHS["random"]
    x = features(nodes, 5, torch.float32)
    assert not passes_messages(layer, x, edges)
    assert passes_messages(host, x, edges)


@pytest.mark.parametrize("kind", sorted(LAYERS))
@given(
    nodes=st.integers(1, 9),
    pairs=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=30),
    weighted=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_both_ways_are_the_same_on_any_graph(
    kind: str, nodes: int, pairs: list[tuple[int, int]], weighted: bool
) -> None:
    """Isolated nodes, loops and parallel edges, and the gradients of features and scores."""
    edges = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).t() % nodes
    layer, host = LAYERS[kind]()
    give_weights(host, layer)
    x = features(nodes, 5, torch.float32).requires_grad_()
    rest = (torch.linspace(0.5, 2, edges.size(1)),) if weighted and kind == "gcn" else ()
    fast, slow = fast_and_slow(layer, x, edges, *rest)
    torch.testing.assert_close(fast, slow, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(fast, host(x, edges, *rest), rtol=1e-6, atol=1e-6)
    inputs = (x, *layer.parameters())
    for mine, theirs in zip(
        *(torch.autograd.grad(out.square().sum(), inputs) for out in (fast, slow)), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"aggr": "max"},
        {"aggr": ["mean", "max"], "aggr_kwargs": {"mode": "sum"}},
        {"flow": "target_to_source"},
        {"node_dim": 0},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_other_options_of_message_passing(kind: str, options: dict[str, Any]) -> None:
    nodes, edges = GRAPHS["random"]
    frozen, host = LAYERS[kind](**options)
    compare(frozen, host, [features(nodes, 5)], lambda m, x: m(x[0], edges), torch.float64)
    assert passes_messages(frozen, features(nodes, 5), edges) == ("node_dim" not in options)


def test_decomposed_layers() -> None:
    nodes, edges = GRAPHS["random"]
    frozen, host = FrozenGCNConv(5, 4, config=CONFIG), pyg.GCNConv(5, 4)
    frozen.decomposed_layers = 2
    compare(frozen, host, [features(nodes, 5)], lambda m, x: m(x[0], edges), torch.float64)
    assert passes_messages(frozen, features(nodes, 5), edges)
    frozen.decomposed_layers = 1
    assert not passes_messages(frozen, features(nodes, 5), edges)


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_static_features(kind: str) -> None:
    nodes, edges = GRAPHS["random"]
    x = features(2 * nodes, 5).reshape(2, nodes, 5)
    out = compare(*LAYERS[kind](), [x], lambda m, x: m(x[0], edges), torch.float64)
    assert out.shape == (2, nodes, 3)


def test_an_aggregation_with_weights_is_frozen() -> None:
    nodes, edges = GRAPHS["random"]
    layer = FrozenSAGEConv(5, 3, aggr="lstm", config=CONFIG)
    assert {weight.name for weight in frozen_weights(layer)} >= {"aggr_module.lstm.weight_ih_l0"}
    edges = edges[:, edges[1].argsort()]
    assert layer(features(nodes, 5, torch.float32), edges).shape == (nodes, 3)


@pytest.mark.parametrize("normalize", [True, False])
def test_edge_weights_are_learnt(normalize: bool) -> None:
    nodes, edges = GRAPHS["random"]
    weight = torch.linspace(0.5, 2.0, edges.size(1), dtype=torch.float64)
    frozen, host = LAYERS["gcn"](normalize=normalize)
    x = [features(nodes, 5), weight]
    compare(frozen, host, x, lambda m, x: m(x[0], edges, x[1]), torch.float64)


def test_an_adjacency_that_is_learnt_is_left_to_the_host() -> None:
    nodes, edges = GRAPHS["directed"]
    value = torch.linspace(0.5, 2.0, edges.size(1)).requires_grad_()
    adj = torch.sparse_coo_tensor(edges.flip(0), value, (nodes, nodes))
    frozen, host = LAYERS["sage"](aggr="sum")
    give_weights(host, frozen)
    x = features(nodes, 5, torch.float32)
    with quiet():
        torch.testing.assert_close(frozen(x, adj), host(x, adj))
        assert passes_messages(frozen, x, adj)
        assert not passes_messages(frozen, x, adj.detach())


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_an_explainer_is_obeyed(kind: str) -> None:
    nodes, edges = GRAPHS["undirected"]
    layer, host = LAYERS[kind]()  # the host was built first: PyG derives classes from classes
    give_weights(host, layer)
    x = features(nodes, 5, torch.float32)
    mask = torch.zeros(edges.size(1), requires_grad=True)
    outs = []
    for each in (layer, host):
        set_masks(each, mask, edges, apply_sigmoid=True)
        outs.append(each(x, edges))
        clear_masks(each)
    torch.testing.assert_close(*outs, rtol=1e-6, atol=1e-6)
    (gradient,) = torch.autograd.grad(outs[0].sum(), mask)
    assert bool((gradient != 0).all())
    assert not passes_messages(layer, x, edges)
    torch.testing.assert_close(layer(x, edges), host(x, edges), rtol=1e-6, atol=1e-6)


STEPS = ["aggregate", "message", "propagate"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_hooks_on_a_step_are_called(kind: str, step: str) -> None:
    nodes, edges = GRAPHS["random"]
    layer, x = LAYERS[kind]()[0], features(nodes, 5, torch.float32)
    before = layer(x, edges)
    register = getattr(layer, f"register_{step}_forward_hook")
    handle = register(lambda module, inputs, out: out * 0)
    assert not torch.allclose(layer(x, edges), before)
    handle.remove()
    assert torch.equal(layer(x, edges), before)


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_hooks_on_a_module_within_are_called_as_in_pyg(kind: str) -> None:
    nodes, edges = GRAPHS["random"]
    x, shapes = features(nodes, 5, torch.float32), []
    for layer in LAYERS[kind]():
        seen: list[tuple[int, ...]] = []
        for child in layer.children():
            child.register_forward_hook(lambda _, x, out, seen=seen: seen.append(tuple(out.shape)))
        layer(x, edges)
        shapes.append(seen)
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_a_rewritten_message_is_sent(kind: str) -> None:
    nodes, edges = GRAPHS["random"]
    layer, x = LAYERS[kind]()[0], features(nodes, 5, torch.float32)
    expected = layer(x, edges)

    class Silent:
        def message(self, x_j: Tensor) -> Tensor:
            return 0 * x_j

    class Changed(type(layer)):  # type: ignore[misc]
        def message(self, x_j: Tensor) -> Tensor:
            return 0 * x_j

    class Again(Changed):
        pass

    class Mixed(Silent, type(layer)):  # type: ignore[misc]
        pass

    class Same(type(layer)):  # type: ignore[misc]
        pass

    args = (mlp([5, 4, 3]), 0.25) if kind == "gin" else (5, 3)
    for changed in (Changed, Again, Mixed, Same):
        changed.__name__ += kind  # PyG keeps what it derives by the name of a class
    for changed in (Changed, Again, Mixed):
        assert not torch.allclose(changed(*args, config=CONFIG)(x, edges), expected)
    same = Same(*args, config=CONFIG)
    assert torch.equal(same(x, edges), expected)
    assert not passes_messages(same, x, edges)
    layer.message = lambda x_j, edge_weight=None: 0 * x_j
    assert not torch.allclose(layer(x, edges), expected)


@pytest.mark.parametrize(
    ("kind", "part"),
    [("gcn", "lin"), ("sage", "lin_l"), ("sage", "lin_r"), ("sage", "aggr_module"), ("gin", "nn")],
)
def test_a_forward_that_one_part_alone_has_is_called(kind: str, part: str) -> None:
    nodes, edges = GRAPHS["random"]
    layer, x = LAYERS[kind]()[0], features(nodes, 5, torch.float32)
    if kind == "gin":
        layer = FrozenGINConv(nn.Linear(5, 3), config=CONFIG)
    before = layer(x, edges)
    usual = getattr(layer, part).forward
    getattr(layer, part).forward = lambda *args, **options: 2 * usual(*args, **options)
    if kind == "sage":
        expected = layer._messages(x, edges)
        assert not torch.allclose(expected, before)
    else:
        expected = 2 * before
    assert torch.allclose(layer(x, edges), expected, rtol=1e-4, atol=1e-6)


def test_another_map_in_the_place_of_the_hosts() -> None:
    class Doubled(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    nodes, edges = GRAPHS["random"]
    x = features(nodes, 5, torch.float32)
    for layer in (FrozenGCNConv(5, 3), FrozenSAGEConv(5, 3), FrozenGINConv(nn.Linear(5, 3))):
        name = {"FrozenGCNConv": "lin", "FrozenSAGEConv": "lin_l"}.get(type(layer).__name__, "nn")
        plain = nn.Linear(5, 3)
        doubled = Doubled(5, 3)
        doubled.load_state_dict(plain.state_dict())
        outs = []
        for module in (plain, doubled, nn.Sequential(doubled)):
            setattr(layer, name, module)
            outs.append(layer(x, edges))
        torch.testing.assert_close(outs[1], outs[2])
        assert not torch.allclose(outs[0], outs[1])


# Lazy widths


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_a_lazy_layer_is_frozen_when_its_width_is_known(kind: str) -> None:
    nodes, edges = GRAPHS["random"]
    x = features(nodes, 5, torch.float32)
    wide: dict[str, Callable[[int], nn.Module]] = {
        "gcn": lambda width: FrozenGCNConv(width, 3, config=CONFIG, name="a"),
        "gin": lambda width: FrozenGINConv(
            nn.Sequential(pyg.Linear(width, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)),
            config=CONFIG,
            name="a",
        ),
        "sage": lambda width: FrozenSAGEConv(width, 3, config=CONFIG, name="a"),
    }
    lazy, eager = wide[kind](-1), wide[kind](5)
    optimizer = torch.optim.SGD(lazy.parameters(), lr=1.0)
    held = {id(parameter) for parameter in optimizer.param_groups[0]["params"]}
    assert not frozen_weights(lazy)
    for layer in (copy.deepcopy(lazy), lazy):
        out = layer(x, edges)
        assert torch.equal(out, eager(x, edges))
        assert [w.name for w in frozen_weights(layer)] == [w.name for w in frozen_weights(eager)]
        for name, value in eager.state_dict().items():
            assert torch.equal(value, layer.state_dict()[name]), name
        eager = wide[kind](5)
    assert {id(parameter) for parameter in lazy.parameters()} <= held
    assert all(module.training for module in lazy.modules())
    out.sum().backward()
    before = [parameter.detach().clone() for parameter in lazy.parameters()]
    optimizer.step()
    changed = [not torch.equal(p, old) for p, old in zip(lazy.parameters(), before, strict=True)]
    assert any(changed)


# Life of a layer


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_copies_and_pickles_compute_the_same(kind: str) -> None:
    nodes, edges = GRAPHS["random"]
    layer, x = LAYERS[kind]()[0], features(nodes, 5, torch.float32)
    expected = layer(x, edges)
    saved = io.BytesIO()
    torch.save(layer, saved)
    saved.seek(0)
    other = LAYERS[kind]()[0]
    other.load_state_dict(layer.state_dict())
    for again in (
        copy.deepcopy(layer),
        pickle.loads(pickle.dumps(layer)),
        torch.load(saved, weights_only=False),
        other,
    ):
        assert torch.equal(again(x, edges), expected)
        assert not passes_messages(again, x, edges)
        torch.testing.assert_close(*fast_and_slow(again, x, edges), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_reset_parameters_resets_scores_and_nothing_else(kind: str) -> None:
    layer = LAYERS[kind]()[0]
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    with torch.no_grad():
        for score in layer.parameters():
            score.add_(1.0)
    layer.reset_parameters()
    after = layer.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_a_baked_layer_is_the_hosts_layer(kind: str) -> None:
    nodes, edges = GRAPHS["random"]
    layer, host = LAYERS[kind]()
    x = features(nodes, 5, torch.float32)
    plain = bake(layer)
    assert torch.equal(plain(x, edges), layer(x, edges))
    host.load_state_dict(plain.state_dict())
    torch.testing.assert_close(host(x, edges), layer(x, edges), rtol=1e-6, atol=1e-6)


def test_the_cache_is_the_hosts() -> None:
    nodes, edges = GRAPHS["random"]
    x, other = features(nodes, 5, torch.float32), edges.flip(0).contiguous()
    layer, host = LAYERS["gcn"](cached=True)
    give_weights(host, layer)
    first = layer(x, edges)
    host(x, edges)
    for mine, theirs in zip(layer._cached_edge_index, host._cached_edge_index, strict=True):
        assert torch.equal(mine, theirs)
    fast, slow = fast_and_slow(layer, x, other)
    assert torch.equal(fast, first)
    torch.testing.assert_close(slow, first, rtol=1e-6, atol=1e-6)


# Around the layers


#: Before torch 2.8 scatter_add has no batching rule, and says so.
UNBATCHED = pytest.mark.filterwarnings("ignore:There is a performance drop")


@UNBATCHED
@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_transforms_of_torch(kind: str) -> None:
    nodes, edges = GRAPHS["random"]
    frozen, x = LAYERS[kind]()[0], features(nodes, 5, torch.float32)
    layer = bake(frozen)
    both = torch.stack([x, 2 * x])
    batched = torch.func.vmap(lambda each: layer(each, edges))(both)
    torch.testing.assert_close(batched[1], layer(2 * x, edges), rtol=1e-5, atol=1e-5)
    with quiet():
        _, tangent = torch.func.jvp(lambda each: layer(each, edges), (x,), (x,))
    with forward_ad.dual_level():
        dual = layer(forward_ad.make_dual(x, x), edges)
        torch.testing.assert_close(forward_ad.unpack_dual(dual).tangent, tangent)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert frozen(x, edges).dtype == LAYERS[kind]()[1](x, edges).dtype


def test_to_hetero_gives_node_types() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = FrozenSAGEConv((-1, -1), 3, config=CONFIG)

        # Without annotations: torch before 2.8 trips over those that are texts.
        def forward(self, x, edge_index):  # type: ignore[no-untyped-def]
            return self.conv(x, edge_index)

    metadata = (["a", "b"], [("a", "to", "b"), ("b", "to", "a")])
    with quiet():
        net = pyg.to_hetero(Net(), metadata)
    x = {"a": features(5, 5, torch.float32), "b": features(4, 5, torch.float32)}
    there = torch.tensor([[0, 4], [1, 3]])
    out = net(x, {("a", "to", "b"): there, ("b", "to", "a"): there.flip(0)})
    assert {name: tuple(value.shape) for name, value in out.items()} == {"a": (5, 3), "b": (4, 3)}
    assert len(frozen_weights(net)) == 4


@pytest.mark.parametrize("kind", ["gcn", "sage"])
def test_layers_that_hold_layers(kind: str) -> None:
    nodes, edges = GRAPHS["random"]
    x, layer = features(nodes, 5, torch.float32), LAYERS[kind]()[0]
    # PyG makes both of one layer by copying it, and resets them.
    with pytest.warns(GsltWarning, match=f"conv_out and another {type(layer).__name__} of DirGNN"):
        directed = pyg.DirGNNConv(layer)
    # It leaves out, and does not reset, the root of a SAGEConv.
    a, b = (frozen_weights(conv)[0] for conv in (directed.conv_in, directed.conv_out))
    assert not torch.equal(a.score(), b.score())
    assert torch.equal(a.regenerated()[0], b.regenerated()[0])
    # As one network they have weights of their own.
    freeze(directed, CONFIG)
    out, turned = directed(x, edges), directed(x, edges.flip(0))
    assert not torch.allclose(out, turned)
    assert get_num_hops(directed) == 2
    assert get_embeddings(directed, x, edges)[0].shape == (nodes, 3)
    gps = pyg.GPSConv(5, FrozenSAGEConv(5, 5, config=CONFIG), heads=1)
    assert gps(x, edges).shape == (nodes, 5)
    pool = pyg.SAGPooling(5, ratio=0.5, GNN=FrozenGCNConv)
    assert pool(x, edges)[0].shape == (nodes // 2, 5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_a_baked_layer_is_compiled_whole_where_the_hosts_is(kind: str) -> None:
    nodes, edges = GRAPHS["random"]
    x, breaks = features(nodes, 5, torch.float32), []
    layer, host = LAYERS[kind]()
    for each in (bake(layer), host):
        torch._dynamo.reset()
        breaks.append(torch._dynamo.explain(each)(x, edges).graph_break_count)
    assert breaks[0] == breaks[1]


# Attention


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"heads": 3},
        {"heads": 3, "concat": False, "negative_slope": 0.05},
        {"heads": 2, "add_self_loops": False, "bias": False},
        {"heads": 2, "edge_dim": 2, "residual": True, "fill_value": "add"},
        {"aggr": "max", "heads": 2},
    ],
    ids=str,
)
def test_gat(options: dict[str, Any], graph: str, dtype: torch.dtype) -> None:
    nodes, edges = GRAPHS[graph]
    frozen = FrozenGATConv(5, 3, config=CONFIG, **options)
    host = pyg.GATConv(5, 3, **options)
    masked = {"lin.weight", "att_src", "att_dst"}
    if "edge_dim" in options:
        masked |= {"lin_edge.weight", "att_edge", "res.weight"}
    weights = frozen_weights(frozen)
    assert {w.name for w in weights} == masked
    assert all(w.fan_in == 3 for w in weights if w.name.startswith("att"))
    assert [id(p) for p in frozen.parameters()] == [id(w.score()) for w in weights]
    attributes = features(edges.size(1), 2, seed=4).to(dtype) if "edge_dim" in options else None
    if not edges.numel() and (attributes is not None or "add_self_loops" in options):
        return  # Where nothing is summed, some weights have no part in the result.

    def call(layer: Any, xs: list[Tensor]) -> Tensor:
        return layer(xs[0], edges, attributes)  # type: ignore[no-any-return]

    compare(frozen, host, [features(nodes, 5)], call, dtype)


def test_gat_between_two_sets() -> None:
    edges = torch.tensor([[0, 1, 4, 4], [0, 0, 1, 2]])
    options: dict[str, Any] = {"heads": 2, "add_self_loops": False}
    frozen = FrozenGATConv((5, 4), 3, config=CONFIG, **options)
    assert {w.name for w in frozen_weights(frozen)} >= {"lin_src.weight", "lin_dst.weight"}
    xs = [features(5, 5), features(3, 4, seed=2)]
    host = pyg.GATConv((5, 4), 3, **options)
    compare(frozen, host, xs, lambda layer, x: layer(tuple(x), edges), torch.float64)


@UNBATCHED
def test_a_gat_goes_through_the_transforms_of_torch() -> None:
    """Other scores by name, gradients by function, vmap over inputs, and none over scores."""
    nodes, edges = GRAPHS["random"]
    x = features(nodes, 5, torch.float32)
    layer = FrozenGATConv(5, 3, 2, config=CONFIG)
    expected = layer(x, edges)
    own = {name: p.detach() for name, p in layer.named_parameters()}
    other = {name: 9.0 - p.abs() for name, p in own.items()}
    found = torch.func.functional_call(layer, other, (x, edges))
    assert not torch.allclose(found, expected)
    assert torch.equal(layer(x, edges), expected)
    restored = copy.deepcopy(layer)
    restored.load_state_dict(other, strict=False)
    assert torch.equal(restored(x, edges), found)

    def loss(scores: dict[str, Tensor], given: Tensor) -> Tensor:
        out: Tensor = torch.func.functional_call(layer, scores, (given, edges))
        return out.square().sum()

    loss(own, x)
    layer(x, edges).square().sum().backward()
    gradients = torch.func.grad(loss)(own, x)
    for name, p in layer.named_parameters():
        torch.testing.assert_close(gradients[name], p.grad, rtol=1e-4, atol=1e-5)
    # One gradient for each input, as of one after the other.
    both = torch.stack([x, 2 * x])
    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(own, both)
    for name, gradient in torch.func.grad(loss)(own, 2 * x).items():
        torch.testing.assert_close(each[name][1], gradient, rtol=1e-4, atol=1e-5)
    batched = torch.func.vmap(lambda given: layer(given, edges))(both)
    torch.testing.assert_close(batched[0], expected, rtol=1e-5, atol=1e-5)
    stacked = {name: torch.stack([own[name], other[name]]) for name in own}
    with pytest.raises(ConfigError, match="vmap goes over inputs, not over scores"):
        torch.func.vmap(loss, in_dims=(0, None))(stacked, x)
    # Nothing of it is left behind.
    assert torch.equal(layer(x, edges), expected)


def test_a_gat_under_autocast_has_the_hosts_types() -> None:
    nodes, edges = GRAPHS["random"]
    x = features(nodes, 5, torch.float32)
    frozen, host = FrozenGATConv(5, 3, 2, config=CONFIG), pyg.GATConv(5, 3, 2)
    host.load_state_dict(bake(frozen).state_dict())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mine, theirs = frozen(x, edges), host(x, edges)
    assert mine.dtype == theirs.dtype
    assert torch.equal(mine, theirs)
    mine.float().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in frozen.parameters())


@pytest.mark.slow
def test_a_gat_works_in_a_loader_that_spawns() -> None:
    nodes, edges = GRAPHS["isolated nodes"]
    x = features(nodes, 5, torch.float32)
    layer = FrozenGATConv(5, 3, 2, config=CONFIG)
    data = Attending(layer, x, edges)
    loader = torch.utils.data.DataLoader(
        data, batch_size=nodes, num_workers=1, multiprocessing_context="spawn"
    )
    (found,) = list(loader)
    assert torch.equal(found, layer(x, edges))


@pytest.mark.slow
@pytest.mark.parametrize("loops", [True, False])
def test_a_gat_is_compiled_with_the_breaks_of_its_host_alone(loops: bool) -> None:
    nodes, edges = GRAPHS["random"]
    x, breaks = features(nodes, 5, torch.float32), []
    layer = bake(FrozenGATConv(5, 3, 2, config=CONFIG, add_self_loops=loops))
    # torch looks at gradients of what is no leaf between two graphs.
    with quiet():
        for each in (layer, pyg.GATConv(5, 3, 2, add_self_loops=loops)):
            torch._dynamo.reset()
            breaks.append(torch._dynamo.explain(each)(x, edges).graph_break_count)
        assert breaks[0] == breaks[1]
        assert bool(breaks[0]) is loops
        torch._dynamo.reset()
        compiled = torch.compile(layer, backend="aot_eager", fullgraph=not loops)
        torch.testing.assert_close(compiled(x, edges), layer(x, edges), rtol=1e-5, atol=1e-5)


def test_life_of_a_gat() -> None:
    nodes, edges = GRAPHS["random"]
    x = features(nodes, 5, torch.float32)

    def build(width: int) -> Any:
        return FrozenGATConv(width, 3, 2, config=CONFIG, name="a")

    layer, lazy = build(5), build(-1)
    expected = layer(x, edges)
    assert torch.equal(lazy(x, edges), expected)
    assert isinstance(layer, pyg.GATConv)
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), bake(layer)):
        assert torch.equal(again(x, edges), expected)
    host = pyg.GATConv(5, 3, 2)
    host.load_state_dict(bake(layer).state_dict())
    assert torch.equal(host(x, edges), expected)
    out, (_, attention) = layer(x, edges, return_attention_weights=True)
    assert torch.equal(out, expected)
    assert attention.shape[1] == 2
    scores = [p.detach().clone() for p in layer.parameters()]
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.neg_().add_(0.5)
    layer.reset_parameters()
    assert all(torch.equal(a, b) for a, b in zip(scores, layer.parameters(), strict=True))
    program = torch.export.export(bake(layer), (x, edges))
    torch.testing.assert_close(program.module()(x, edges), expected)
    explained = []
    for each in (layer, host):
        set_masks(each, torch.linspace(-3, 3, edges.size(1)), edges, apply_sigmoid=True)
        explained.append(each(x, edges))
        clear_masks(each)
    assert torch.equal(*explained)
    assert not torch.allclose(explained[0], expected)
    with pytest.raises(GraphError, match="attention needs a message per edge"):
        layer(x, CSRGraph(edges, nodes, nodes))
    freeze(model := nn.ModuleList([build(5), pyg.GATConv(6, 4)]), CONFIG)
    ticket = Ticket.of(model)
    fresh = nn.ModuleList([pyg.GATConv(5, 3, 2), pyg.GATConv(6, 4)])
    ticket.restore(fresh)
    for a, b in zip(model, fresh, strict=True):
        assert torch.equal(a.att_src, b.att_src)
        assert torch.equal(a.lin.weight, b.lin.weight)
