"""Frozen layers of DGL against DGL's layers of the same effective weights and dense algebra."""

from __future__ import annotations

import copy
import inspect
import math
import os
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from graphs import (
    GRAPHS,
    adjacency,
    attention_matrices,
    features,
    mean_matrix,
    symmetric_matrix,
    with_loops,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gslt.backends import pyg
from gslt.config import FreezeConfig
from gslt.environment import import_quietly
from gslt.errors import ConfigError, GraphError
from gslt.masking.freeze import bake, freeze
from gslt.masking.parametrization import frozen_weights, random_weight

os.environ.setdefault("DGLBACKEND", "pytorch")
try:
    dgl = import_quietly("dgl")
except ImportError:
    pytest.skip("dgl is not installed", allow_module_level=True)
host = import_quietly("dgl.nn")

from gslt.backends.dgl import (  # noqa: E402
    BACKEND,
    FrozenGATConv,
    FrozenGCNConv,
    FrozenGINConv,
    FrozenGraphConv,
    FrozenSAGEConv,
    as_graph,
)

CONFIG = FreezeConfig(sparsity=0.4, freezing_ratio=0.3, weight_init="kn")
HOST = {
    FrozenGINConv: host.GINConv,
    FrozenGraphConv: host.GraphConv,
    FrozenSAGEConv: host.SAGEConv,
    FrozenGATConv: host.GATConv,
}
Frozen = type[nn.Module]


def build(graph: str) -> Any:
    nodes, edges = GRAPHS[graph]
    return dgl.graph((edges[0], edges[1]), num_nodes=nodes)


def block() -> Any:
    """Targets 1 and 3 of a sampled neighbourhood; its sources are 1, 3 and then the others."""
    g = dgl.graph(([0, 2, 3, 3, 1], [1, 1, 1, 3, 2]), num_nodes=5)
    return dgl.to_block(dgl.in_subgraph(g, [1, 3]), torch.tensor([1, 3]))


def bipartite() -> Any:
    return dgl.heterograph({("a", "to", "b"): ([0, 1, 1, 4, 4], [0, 0, 1, 2, 2])}, {"a": 5, "b": 3})


def mlp(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 4), nn.Tanh(), nn.Linear(4, outputs))


#: A frozen layer 5 → 3 of every kind.
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "gin": lambda: FrozenGINConv(nn.Linear(5, 3), init_eps=0.25, config=CONFIG),
    "gin max": lambda: FrozenGINConv(mlp(5, 3), "max", activation=torch.tanh, config=CONFIG),
    "graph": lambda: FrozenGraphConv(5, 3, allow_zero_in_degree=True, config=CONFIG),
    "gat": lambda: FrozenGATConv(5, 3, 2, 0.5, 0.5, allow_zero_in_degree=True, config=CONFIG),
    "sage": lambda: FrozenSAGEConv(5, 3, feat_drop=0.5, config=CONFIG),
    "sage gcn": lambda: FrozenSAGEConv(5, 3, "gcn", config=CONFIG),
    "sage lstm": lambda: FrozenSAGEConv(5, 3, "lstm", config=CONFIG),
    "sage pool": lambda: FrozenSAGEConv(5, 3, "pool", config=CONFIG),
}


@pytest.fixture(params=sorted(LAYERS))
def layer(request: pytest.FixtureRequest) -> nn.Module:
    return LAYERS[request.param]()


def compare(frozen: nn.Module, plain: nn.Module, call: Callable[..., Tensor], *xs: Tensor) -> None:
    """Equal output and equal gradients of the inputs and, through the weights, of the scores.

    The host's layer takes the baked weights by its own names and shapes; biases are made to count.
    """
    dtype = xs[0].dtype
    frozen, plain = frozen.to(dtype), plain.to(dtype)
    for number, (name, bias) in enumerate(frozen.named_buffers()):
        if "bias" in name:
            bias.copy_(torch.linspace(-1, 1, bias.numel()) + number)
    baked = bake(frozen) if frozen_weights(frozen) else frozen
    plain.load_state_dict(baked.state_dict())
    ours, theirs = ([x.detach().clone().requires_grad_() for x in xs] for _ in range(2))
    # Dropout draws the same.
    torch.manual_seed(0)
    a = call(frozen, *ours)
    torch.manual_seed(0)
    b = call(plain, *theirs)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    assert torch.allclose(a, b, rtol=tolerance, atol=tolerance)
    upstream = features(a.shape[0], a[0].numel(), dtype, seed=9).view(a.shape)
    for out in (a, b):
        if out.requires_grad:
            out.backward(upstream)
    for x, y in zip(ours, theirs, strict=True):
        assert (x.grad is None) == (y.grad is None)
        if x.grad is not None and y.grad is not None:
            assert torch.allclose(x.grad, y.grad, rtol=tolerance, atol=tolerance)
    for weight in frozen_weights(frozen):
        gradient, score = plain.get_parameter(weight.name).grad, weight.score()
        if gradient is None:
            assert score.grad is None
            continue
        searched = gradient.flatten()
        if weight.searched_index is not None:
            searched = searched[weight.searched_index]
        expected = searched * weight.searched_weight * weight.scale() * score.sign()
        assert score.grad is not None
        assert torch.allclose(score.grad, expected, rtol=tolerance, atol=10 * tolerance)


# A drop-in is the host's layer


@pytest.mark.parametrize("kind", HOST, ids=lambda kind: kind.__name__)
def test_the_hosts_signature_and_class(kind: Frozen) -> None:
    theirs = inspect.signature(HOST[kind]).parameters
    ours = inspect.signature(kind).parameters
    assert [*ours] == [*theirs, "config", "name"]
    for name, parameter in theirs.items():
        assert ours[name].kind == parameter.kind
        # DGL names no default aggregation for GraphSAGE.
        assert ours[name].default == parameter.default or name == "aggregator_type"
    assert inspect.signature(kind.forward) == inspect.signature(HOST[kind].forward)
    assert issubclass(kind, HOST[kind])
    assert FrozenGCNConv is FrozenGraphConv


def test_scores_are_all_that_is_trained(layer: nn.Module) -> None:
    weights = frozen_weights(layer)
    assert isinstance(layer, tuple(HOST.values()))
    assert [id(p) for p in layer.parameters()] == [id(w.score()) for w in weights]
    assert len({id(w.supermask) for w in weights}) == 1
    assert type(layer).__name__.removeprefix("Parametrized") in repr(layer)


def test_weights_have_the_hosts_names_and_shapes() -> None:
    config = FreezeConfig(sparsity=0.0, scale="none", weight_init="kn")
    conv = FrozenGraphConv(6, 4, config=config, name="conv")
    drawn = random_weight(torch.Size((6, 4)), 6, "kn", config.seed, "conv.weight")
    assert torch.equal(conv.weight, drawn.view(6, 4))
    sage = FrozenSAGEConv((6, 2), 4, "lstm", config=config, name="sage")
    assert {w.name: (tuple(w.shape), w.fan_in) for w in frozen_weights(sage)} == {
        "sage.lstm.weight_ih_l0": ((24, 6), 6),
        "sage.lstm.weight_hh_l0": ((24, 6), 6),
        "sage.fc_neigh.weight": ((4, 6), 6),
        "sage.fc_self.weight": ((4, 2), 2),
    }
    gin = FrozenGINConv(nn.Linear(6, 4), config=config, name="gin")
    drawn = random_weight(torch.Size((4, 6)), 6, "kn", config.seed, "gin.apply_func.weight")
    assert torch.equal(gin.apply_func.weight, drawn.view(4, 6))


# Against the host


DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
ACTIVATIONS = [None, torch.tanh]


@st.composite
def options(draw: st.DrawFn, kind: Frozen) -> tuple[Any, ...]:
    """Arguments of the frozen layer and of the host's, and the widths of sources and targets."""
    inputs, outputs = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    activation = draw(st.sampled_from(ACTIVATIONS))
    if kind is FrozenGINConv:
        given = (
            draw(st.sampled_from(["max", "mean", "sum"])),
            draw(st.sampled_from([0, 0.25, -1.5])),
            False,
            activation,
        )
        make = draw(st.sampled_from([nn.Linear, mlp]))
        if inputs == outputs and draw(st.booleans()):
            return (None, *given), (None, *given), inputs, inputs
        one, other = make(inputs, outputs), make(inputs, outputs)
        return (one, *given), (other, *given), inputs, inputs
    if kind is FrozenGraphConv:
        norm = draw(st.sampled_from(["both", "left", "none", "right"]))
        arguments = (inputs, outputs, norm, True, draw(st.booleans()), activation, True)
        return arguments, arguments, inputs, draw(st.integers(1, 4))
    if kind is FrozenGATConv:
        heads, drops = draw(st.integers(1, 3)), draw(st.sampled_from([(0.0, 0.0), (0.5, 0.25)]))
        slope, residual, bias = draw(st.tuples(st.floats(0.0, 1.0), st.booleans(), st.booleans()))
        rest = (outputs, heads, *drops, slope, residual, activation, True, bias)
        targets = draw(st.sampled_from([None, inputs, inputs + 1]))
        arguments = (inputs if targets is None else (inputs, targets), *rest)
        return arguments, arguments, inputs, targets or inputs
    aggregator = draw(st.sampled_from(["gcn", "lstm", "mean", "pool"]))
    targets = inputs if aggregator == "gcn" else draw(st.integers(1, 4))
    norm = draw(st.sampled_from([None, nn.functional.normalize]))
    rest = (outputs, aggregator, draw(st.sampled_from([0.0, 0.5])), draw(st.booleans()), norm)
    arguments = ((inputs, targets), *rest, activation)
    return arguments, arguments, inputs, targets


@st.composite
def graphs(draw: st.DrawFn) -> Any:
    """Any few edges: parallel ones, loops and isolated nodes; of one kind of nodes, or of two."""
    targets, sources = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    one = draw(st.booleans())
    ends = st.tuples(st.integers(0, (targets if one else sources) - 1), st.integers(0, targets - 1))
    edges = draw(st.lists(ends, min_size=1, max_size=12))
    columns = [torch.tensor(column) for column in zip(*edges, strict=True)]
    if not one:
        numbers = {"a": sources, "b": targets}
        return dgl.heterograph({("a", "to", "b"): (columns[0], columns[1])}, numbers)
    graph = dgl.graph((columns[0], columns[1]), num_nodes=targets)
    return dgl.to_block(graph) if draw(st.booleans()) else graph


@pytest.mark.parametrize("kind", HOST, ids=lambda kind: kind.__name__)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_options_on_any_graph(kind: Frozen, data: st.DataObject) -> None:
    ours, theirs, sources, targets = data.draw(options(kind))
    graph = data.draw(graphs())
    if data.draw(st.booleans()):
        graph = graph.int()
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64]))
    pair = len(graph.ntypes) == 2 or (
        isinstance(ours[0], tuple) and (sources != targets or kind is FrozenGATConv)
    )
    xs = [features(graph.num_src_nodes(), sources, dtype)]
    if pair:
        xs.append(features(graph.num_dst_nodes(), targets, dtype, seed=2))
    weighted = data.draw(st.booleans())
    if weighted:
        xs.append(features(graph.num_edges(), 1, dtype, seed=3).exp())
        if kind is FrozenGATConv:
            xs[-1] = xs[-1].flatten()

    def call(layer: nn.Module, *xs: Tensor) -> Tensor:
        weight = {"edge_weight": xs[-1]} if weighted else {}
        out: Tensor = layer(graph, (xs[0], xs[1]) if pair else xs[0], **weight)
        return out

    compare(kind(*ours, config=CONFIG), HOST[kind](*theirs), call, *xs)


@DTYPES
@pytest.mark.parametrize("make", [block, bipartite, lambda: build("random")], ids=range(3))
def test_a_weight_given_in_the_call(make: Callable[[], Any], dtype: torch.dtype) -> None:
    graph = make()
    frozen = FrozenGraphConv(5, 3, "right", weight=False, allow_zero_in_degree=True)
    plain = host.GraphConv(5, 3, "right", weight=False, allow_zero_in_degree=True)
    assert not [*frozen.parameters()]
    assert frozen.bias.tolist() == [0, 0, 0]
    frozen.reset_parameters()
    xs = features(graph.num_src_nodes(), 5, dtype), features(5, 3, dtype, seed=3)
    compare(frozen, plain, lambda m, x, w: m(graph, x, weight=w), *xs)
    with pytest.raises(dgl.DGLError, match="External weight is provided"):
        FrozenGraphConv(5, 3)(dgl.add_self_loop(build("random")), features(12, 5), torch.eye(5))


@DTYPES
def test_more_dimensions_and_normalised_edge_weights(dtype: torch.dtype) -> None:
    graph = dgl.add_self_loop(build("random"))
    x, weight = features(12, 5 * 4, dtype).view(12, 4, 5), features(52, 1, dtype)[:, 0].exp()
    norm = host.EdgeWeightNorm("both")

    def call(layer: nn.Module, x: Tensor, weight: Tensor) -> Tensor:
        out: Tensor = layer(graph, x, edge_weight=norm(graph, weight).view(-1, 1, 1))
        return out

    compare(
        FrozenGraphConv(5, 3, "none", config=CONFIG), host.GraphConv(5, 3, "none"), call, x, weight
    )


def test_relations_of_a_heterogeneous_graph() -> None:
    edges = {("a", "r", "a"): ([0, 1], [1, 2]), ("a", "s", "b"): ([0, 0, 2], [0, 1, 1])}
    graph = dgl.heterograph(edges, {"a": 3, "b": 2})

    def convs(graph_conv: Any, sage_conv: Any) -> nn.Module:
        layers = {"r": graph_conv(4, 3), "s": sage_conv(4, 3, "pool")}
        together: nn.Module = host.HeteroGraphConv(layers)
        return together

    frozen, plain = convs(FrozenGraphConv, FrozenSAGEConv), convs(host.GraphConv, host.SAGEConv)
    freeze(frozen, CONFIG)

    def call(layer: nn.Module, a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([*layer(graph, {"a": a, "b": b}).values()])

    compare(frozen, plain, call, features(3, 4), features(2, 4, seed=2))


# Against dense algebra


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("widths", [(5, 3), (3, 5)], ids=str)
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
    sage = FrozenSAGEConv(*widths, "gcn", config=CONFIG).double()
    expected = (A @ x + x) / (A.sum(1, keepdim=True) + 1) @ sage.fc_neigh.weight.T
    assert torch.allclose(sage(g, x), expected, atol=1e-10)


@pytest.mark.parametrize("graph", GRAPHS)
def test_attention_is_matrix_algebra_on_both_hosts(graph: str) -> None:
    nodes, edges = GRAPHS[graph]
    x, loops = features(nodes, 5), with_loops(edges, nodes)
    ours = FrozenGATConv(5, 3, 2, config=CONFIG).double()
    theirs = pyg.FrozenGATConv(5, 3, 2, config=CONFIG).double()
    found = []
    for w, left, right in (
        (ours.fc.weight, ours.attn_l, ours.attn_r),
        (theirs.lin.weight, theirs.att_src, theirs.att_dst),
    ):
        z = (x @ w.T).view(nodes, 2, 3)
        source, target = ((z * vector).sum(-1) for vector in (left, right))
        alpha = attention_matrices(adjacency(loops, nodes, nodes), source, target)
        found.append(torch.einsum("hij,jhc->ihc", alpha, z))
    g = dgl.graph((loops[0], loops[1]), num_nodes=nodes)
    torch.testing.assert_close(ours(g, x), found[0], rtol=1e-12, atol=1e-12)
    # PyG makes the loops itself.
    torch.testing.assert_close(theirs(x, edges), found[1].flatten(1), rtol=1e-12, atol=1e-12)
    # The same weights in the other host's layer.
    names = {"lin.weight": "fc.weight", "att_src": "attn_l", "att_dst": "attn_r", "bias": "bias"}
    plain = host.GATConv(5, 3, 2).double()
    plain.load_state_dict({names[name]: value for name, value in bake(theirs).state_dict().items()})
    torch.testing.assert_close(plain(g, x).flatten(1), theirs(x, edges), rtol=1e-12, atol=1e-12)


def test_attention_by_hand() -> None:
    """0 → 1 and both loops, x = (1, 3), W = 2, a_l = −1, a_r = ½, slope 0.2."""
    conv = host.GATConv(1, 1, 1)
    with torch.no_grad():
        for name, value in (("fc.weight", 2.0), ("attn_l", -1.0), ("attn_r", 0.5)):
            conv.get_parameter(name).fill_(value)
    frozen = FrozenGATConv(1, 1, 1, config=FreezeConfig(sparsity=0.0, scale="none"))
    g, x = dgl.graph(([0, 0, 1], [1, 0, 1])), torch.tensor([[1.0], [3.0]])
    # z = (2, 6). Node 1: from 0 it is −2 + 3 = 1, from itself −6 + 3 = −3, so −0.6.
    far, near = math.exp(1.0), math.exp(-0.6)
    expected = (far * 2 + near * 6) / (far + near)
    assert conv(g, x).flatten().tolist() == pytest.approx([2.0, expected])
    # Signed constants: W = ± √2, a = ± √2, each with fan-in 1.
    parts = (frozen.fc.weight, frozen.attn_l, frozen.attn_r)
    w, left, right = (float(part.detach()) for part in parts)
    assert [abs(w), abs(left), abs(right)] == pytest.approx([2**0.5] * 3)
    scores = [left * w * v + right * w * 3.0 for v in (1.0, 3.0)]
    far, near = (math.exp(e if e > 0 else 0.2 * e) for e in scores)
    expected = (far * w + near * 3 * w) / (far + near)
    assert frozen(g, x).flatten().tolist() == pytest.approx([w, expected], rel=1e-6)


def test_by_hand() -> None:
    """Node 2 hears node 0 by weight 2 and node 1 by weight 3."""
    g, x = dgl.graph(([0, 1], [2, 2])), torch.tensor([[1.0], [10.0], [100.0]])
    weight = torch.tensor([2.0, 3.0])
    w = FreezeConfig(sparsity=0.0, weight_init="skc")
    conv = FrozenGraphConv(1, 1, "right", allow_zero_in_degree=True, config=w)
    assert conv.weight.abs().item() == pytest.approx(2**0.5)
    unit = conv.weight.item()
    assert conv(g, x).flatten().tolist() == pytest.approx([0, 0, 5.5 * unit])
    assert conv(g, x, edge_weight=weight)[2].item() == pytest.approx(16 * unit)
    gin = FrozenGINConv(nn.Linear(1, 1), "max", init_eps=1.0, config=w)
    unit = gin.apply_func.weight.item()
    assert gin(g, x).flatten().tolist() == pytest.approx([2 * unit, 20 * unit, 210 * unit])


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


@pytest.mark.parametrize("make", [block, bipartite], ids=["block", "bipartite"])
def test_the_backend_sums_from_sources_to_targets(make: Callable[[], Any]) -> None:
    graph = make()
    wrapped = as_graph(graph)
    assert as_graph(wrapped) is wrapped
    targets, sources = wrapped.shape
    A = adjacency(torch.stack(graph.edges()), targets, sources)
    x = features(sources, 3).requires_grad_()
    assert torch.allclose(wrapped.sum(x), A @ x, atol=1e-12)
    assert torch.allclose(wrapped.mean(x), mean_matrix(A) @ x, atol=1e-12)
    assert torch.autograd.gradcheck(wrapped.mean, (x,))


def test_what_is_no_graph_of_the_backend() -> None:
    hetero = dgl.heterograph({("a", "r", "a"): ([0], [0]), ("a", "s", "a"): ([0], [0])})
    with pytest.raises(GraphError, match=r"expected a dgl\.DGLGraph, got Tensor"):
        as_graph(torch.ones(2, 1))
    with pytest.raises(GraphError, match="2 edge types; pick one"):
        as_graph(hetero)


# Rules of the host


def test_zero_in_degree_rule() -> None:
    g, x = build("isolated nodes"), features(6, 5, torch.float32)
    conv = FrozenGraphConv(5, 3, config=CONFIG)
    with pytest.raises(dgl.DGLError, match="0-in-degree nodes"):
        conv(g, x)
    assert conv(dgl.add_self_loop(g), x).shape == (6, 3)
    conv.set_allow_zero_in_degree(True)
    assert (conv(g, x)[[0, 2, 3, 5]] == 0).all()


def test_copies_reset_and_states(layer: nn.Module) -> None:
    g, x = build("random"), features(12, 5, torch.float32)
    layer.eval()
    before = layer(g, x)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert type(twin).__mro__[1:] == type(layer).__mro__[1:]
        assert torch.equal(twin(g, x), before)
        with torch.no_grad():
            for score in twin.parameters():
                score.copy_(score.abs().max() - score.abs())
        assert not torch.equal(twin(g, x), before)
        twin.reset_parameters()
        own = [w.number for w in frozen_weights(twin)]
        assert torch.equal(twin(g, x), before) == (set(own) == {0})
        layer.load_state_dict(twin.state_dict())
        layer.reset_parameters()
    assert torch.equal(layer(g, x), before)


def test_a_layer_that_holds_frozen_layers_is_frozen_anew() -> None:
    inner = nn.Linear(5, 3)
    freeze(inner, FreezeConfig(seed=4))
    gin = FrozenGINConv(inner, config=CONFIG)
    assert [w.config.seed for w in frozen_weights(gin)] == [CONFIG.seed]


def test_nothing_to_freeze_is_no_fault() -> None:
    g, x = build("random"), features(12, 5)
    for gin in (FrozenGINConv(), FrozenGINConv(torch.tanh), FrozenGINConv(nn.ReLU())):
        assert not [*gin.parameters()]
        assert gin(g, x).shape == (12, 5)


def test_refused_options() -> None:
    with pytest.raises(ConfigError, match="trained ε"):
        FrozenGINConv(nn.Linear(2, 2), learn_eps=True)
    with pytest.raises(KeyError, match="min"):
        FrozenGINConv(nn.Linear(2, 2), "min")
    with pytest.raises(dgl.DGLError, match="Invalid norm value"):
        FrozenGraphConv(2, 2, norm="sym")
    with pytest.raises(dgl.DGLError, match="Invalid aggregator_type"):
        FrozenSAGEConv(2, 2, "max")
