"""The node classifiers: PyG = DGL = the equations written out with dense matrices."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from graphs import (
    GRAPHS,
    adjacency,
    attention_matrices,
    features,
    mean_matrix,
    symmetric_matrix,
)
from torch import Tensor

from gslt.backends import BACKENDS, get_backend
from gslt.config import FreezeConfig, ModelConfig
from gslt.environment import import_quietly
from gslt.errors import ConfigError, GraphError
from gslt.masking.freeze import freeze
from gslt.masking.parametrization import frozen_weights
from gslt.nn.gnn import GNN, compact_features, weight_shapes

os.environ.setdefault("DGLBACKEND", "pytorch")
try:
    import_quietly("dgl")
    AVAILABLE = BACKENDS
except ImportError:
    AVAILABLE = tuple(name for name in BACKENDS if name != "dgl")

FROZEN = FreezeConfig(sparsity=0.4, freezing_ratio=0.3)
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def make(backend: str, config: ModelConfig, inputs: int = 6, classes: int = 4) -> GNN:
    model = GNN(inputs, classes, config, get_backend(backend))
    # Signed constants give narrow heads scores of 0 up to rounding, where LeakyReLU has its corner.
    attention = config.architecture == "gat"
    freeze(model, replace(FROZEN, weight_init="ku") if attention else FROZEN)
    return model


def call(model: GNN, x: Tensor, edges: Tensor) -> Tensor:
    graph = model.backend.graph(edges, x.size(0))
    out: Tensor = model(*model.backend.inputs(x, graph))
    return out


def batch_norm(h: Tensor) -> Tensor:
    return (h - h.mean(0)) / (h.var(0, unbiased=False) + 1e-5).sqrt()


def pair_norm(h: Tensor) -> Tensor:
    # Zhao & Akoglu 2020: s · (x_i − mean) · √n / ‖X_centred‖_F, here with s = √width.
    centred = h - h.mean(0)
    size = (centred.square().sum() / h.size(0) / h.size(1) + 1e-5).sqrt()
    return centred / size


def dense_attention(layer: Any, A: Tensor, x: Tensor, last: bool) -> Tensor:
    """Velickovic et al. 2018, Eq. 5, and Eq. 6 in the last layer, with a matrix for each head."""
    h = (x @ layer.lin.weight.T).reshape(len(x), *layer.att_src.weight.shape)
    said, asked = ((h * each.weight).sum(2) for each in (layer.att_src, layer.att_dst))
    heads = attention_matrices(A.clone().fill_diagonal_(1), said, asked)
    out = torch.einsum("hij,jhc->ihc", heads, h)
    return out.mean(1) if last else out.flatten(1)


def dense(model: GNN, x: Tensor, edges: Tensor) -> Tensor:
    """The method's equations, with the effective weights and dense matrices."""
    config = model.config
    A = adjacency(edges, x.size(0), x.size(0)).to(x.dtype)
    eye = torch.eye(x.size(0), dtype=x.dtype)
    hidden = x
    for number, layer in enumerate(model.layers):
        if config.architecture == "gin":
            out = (eye + mean_matrix(A)) @ hidden @ layer.nn.weight.T
        elif config.architecture == "gcn":
            out = symmetric_matrix(A) @ hidden @ layer.lin.weight.T
        elif config.architecture == "gat":
            out = dense_attention(layer, A, hidden, number == config.num_layers - 1)
        else:
            out = mean_matrix(A) @ hidden @ layer.lin_l.weight.T + hidden @ layer.lin_r.weight.T
        last = number == config.num_layers - 1
        if last and not config.head:
            return out
        if config.batch_norm or config.pair_norm:
            out = batch_norm(out) if config.batch_norm else pair_norm(out)
        out = torch.relu(out)
        if last:
            assert model.head is not None
            return (hidden @ model.head.weight.T + out) / 2
        if config.unit_gain:
            out = out / {"gin": 2, "gcn": 1, "sage": 2**0.5, "gat": 1}[config.architecture]
        if config.residual and number > 0:
            out = (hidden + out) / (3**0.5 if config.unit_gain else 1)
        hidden = out
    raise AssertionError


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "graph", ["random", "isolated nodes", "self-loops", "parallel", "no edges"]
)
@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
def test_both_backends_compute_the_equations(
    architecture: Any, depth: int, head: bool, graph: str, dtype: torch.dtype
) -> None:
    nodes, edges = GRAPHS[graph]
    config = ModelConfig(architecture=architecture, num_layers=depth, hidden_channels=5, head=head)
    x = features(nodes, 6).to(dtype)
    upstream = features(nodes, 4, seed=3).to(dtype)
    outputs, gradients = [], []
    for backend in AVAILABLE:
        model = make(backend, config).to(dtype)
        out = call(model, x, edges)
        out.backward(upstream)
        outputs.append(out)
        gradients.append(torch.cat([p.grad for p in model.parameters() if p.grad is not None]))
    reference = make("pyg", config).to(dtype)
    # The equations are evaluated in double precision, with the model's own weights.
    expected = dense(reference.double(), x.double(), edges)
    expected.backward(upstream.double())
    wanted = torch.cat([p.grad for p in reference.parameters() if p.grad is not None])
    # Batch norm divides by tiny variances on tiny graphs: the error grows with the condition.
    tolerance = TOLERANCE[dtype]
    for out, gradient in zip(outputs, gradients, strict=True):
        assert torch.allclose(out.double(), expected, rtol=tolerance, atol=tolerance)
        size = float(wanted.abs().max().clamp(min=1))
        assert float((gradient.double() - wanted).abs().max()) < 50 * tolerance * size


@pytest.mark.parametrize("options", [{}, {"batch_norm": False}, {"head": False}], ids=str)
@pytest.mark.parametrize("heads", [2, 3, 6])
@pytest.mark.parametrize("graph", GRAPHS)
def test_heads(graph: str, heads: int, options: dict[str, Any]) -> None:
    nodes, edges = GRAPHS[graph]
    config = ModelConfig(
        architecture="gat", heads=heads, num_layers=3, hidden_channels=6, **options
    )
    x, upstream = features(nodes, 6), features(nodes, 4, seed=3)
    for backend in AVAILABLE:
        model = make(backend, config).double()
        assert model.layers[0].att_src.weight.shape == (heads, 6 // heads)
        assert model.layers[-1].lin.weight.shape == (heads * 4, 6)
        out, expected = call(model, x, edges), dense(model, x, edges)
        torch.testing.assert_close(out, expected, atol=1e-10, rtol=1e-10)
        scores = list(model.parameters())
        for mine, theirs in zip(
            *(torch.autograd.grad(each, scores, upstream) for each in (out, expected)),
            strict=True,
        ):
            torch.testing.assert_close(mine, theirs, atol=1e-7, rtol=1e-7)
        searched = {weight.name: weight.fan_in for weight in frozen_weights(model)}
        assert searched["layers.1.att_dst.weight"] == 6 // heads
        assert searched["layers.2.att_src.weight"] == 4
        assert searched["layers.2.lin.weight"] == 6
        assert weight_shapes(6, 4, config) == {
            weight.name: tuple(weight.shape) for weight in frozen_weights(model)
        }


@pytest.mark.parametrize("backend", AVAILABLE)
def test_attention_that_sees_nothing_is_the_mean_over_the_neighbourhood(backend: str) -> None:
    nodes, edges = GRAPHS["random"]
    config = ModelConfig(architecture="gat", heads=2, num_layers=2, hidden_channels=4)
    model = GNN(6, 4, config, get_backend(backend)).double()
    with torch.no_grad():
        for layer in model.layers:
            layer.att_src.weight.zero_()
    A, x = adjacency(edges, nodes, nodes).fill_diagonal_(1), features(nodes, 6)
    first, last = (layer.lin.weight for layer in model.layers)
    hidden = torch.relu(batch_norm(mean_matrix(A) @ x @ first.T))
    # Weights of the heads of the last layer, (2, 4, 4): the mean of what they give.
    out = torch.relu(batch_norm(mean_matrix(A) @ hidden @ last.reshape(2, 4, 4).mean(0).T))
    expected = (hidden @ model.head.weight.T + out) / 2
    torch.testing.assert_close(call(model, x, edges), expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
def test_without_batch_norm(architecture: Any) -> None:
    nodes, edges = GRAPHS["random"]
    config = ModelConfig(architecture=architecture, hidden_channels=5, batch_norm=False)
    x = features(nodes, 6)
    for backend in AVAILABLE:
        model = make(backend, config).double()
        assert torch.allclose(call(model, x, edges), dense(model, x, edges), atol=1e-10)


@pytest.mark.parametrize(
    "options",
    [
        {"residual": True},
        {"residual": True, "batch_norm": False, "unit_gain": True},
        {"residual": True, "batch_norm": False, "pair_norm": True},
    ],
    ids=["batch norm", "unit gain", "PairNorm"],
)
@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
def test_residual_connections(architecture: Any, options: dict[str, bool]) -> None:
    nodes, edges = GRAPHS["random"]
    config = ModelConfig(architecture=architecture, hidden_channels=5, **options)
    x = features(nodes, 6)
    plain = make("pyg", ModelConfig(architecture=architecture, hidden_channels=5)).double()
    for backend in AVAILABLE:
        model = make(backend, config).double()
        out, expected = call(model, x, edges), dense(model, x, edges)
        torch.testing.assert_close(out, expected, atol=1e-10, rtol=1e-10)
        assert not torch.allclose(out, call(plain, x, edges))
        scores = list(model.parameters())
        for mine, theirs in zip(
            *(torch.autograd.grad(each.square().sum(), scores) for each in (out, expected)),
            strict=True,
        ):
            torch.testing.assert_close(mine, theirs, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize("graph", ["random", "isolated nodes", "no edges"])
@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
def test_pair_norm(architecture: Any, graph: str, head: bool) -> None:
    nodes, edges = GRAPHS[graph]
    options = {"batch_norm": False, "pair_norm": True, "head": head}
    config = ModelConfig(architecture=architecture, hidden_channels=5, **options)
    x, upstream = features(nodes, 6), features(nodes, 4, seed=3).double()
    for backend in AVAILABLE:
        model, reference = (make(backend, config).double() for _ in range(2))
        out, expected = call(model, x.double(), edges), dense(reference, x.double(), edges)
        torch.testing.assert_close(out, expected, atol=1e-10, rtol=1e-10)
        for one, p in ((out, model), (expected, reference)):
            one.backward(upstream)
            assert all(score.grad is not None for score in p.parameters())
        for mine, theirs in zip(model.parameters(), reference.parameters(), strict=True):
            torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-7, rtol=1e-7)


def perceptron(model: GNN, x: Tensor) -> Tensor:
    """The network without any graph: a matrix for each layer, and the head."""
    config, hidden = model.config, x
    parts = {"gin": "nn", "gcn": "lin", "sage": "lin_r", "gat": "lin"}
    for number, layer in enumerate(model.layers):
        out = hidden @ getattr(layer, parts[config.architecture]).weight.T
        last = number == config.num_layers - 1
        if last and not config.head:
            return out
        norm = batch_norm if config.batch_norm else pair_norm if config.pair_norm else None
        out = torch.relu(out if norm is None else norm(out))
        if last:
            assert model.head is not None
            return (hidden @ model.head.weight.T + out) / 2
        hidden = hidden + out if config.residual and number > 0 else out
    raise AssertionError


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"head": False, "batch_norm": False},
        {"residual": True},
        {"batch_norm": False, "pair_norm": True},
    ],
    ids=["batch norm", "plain", "residual", "PairNorm"],
)
@pytest.mark.parametrize("graph", ["random", "self-loops", "parallel", "no edges"])
@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
def test_without_edges_it_is_a_perceptron(architecture: Any, graph: str, options: Any) -> None:
    nodes, edges = GRAPHS[graph]
    config = ModelConfig(architecture=architecture, hidden_channels=5, edges="none", **options)
    whole = ModelConfig(architecture=architecture, hidden_channels=5, **options)
    x = features(nodes, 6)
    outputs = []
    for backend in AVAILABLE:
        model, with_edges = make(backend, config).double(), make(backend, whole).double()
        out = call(model, x, edges)
        outputs.append(out)
        expected = perceptron(model, x)
        torch.testing.assert_close(out, expected, atol=1e-10, rtol=1e-10)
        # A graph that has no edges gives the same, on the backend's own kernels.
        none = torch.empty(2, 0, dtype=torch.int64)
        torch.testing.assert_close(call(with_edges, x, none), out, atol=1e-10, rtol=1e-10)
        # What has no part in a perceptron: neighbours, and attention with nothing to choose from.
        idle = ("lin_l", "att_src", "att_dst")
        weights = [w for w in frozen_weights(model) if not any(name in w.name for name in idle)]
        scores = [w.score() for w in weights]
        for mine, theirs in zip(
            *(torch.autograd.grad(each.square().sum(), scores) for each in (out, expected)),
            strict=True,
        ):
            torch.testing.assert_close(mine, theirs, atol=1e-8, rtol=1e-8)
        if graph == "random":
            assert not torch.allclose(out, call(with_edges, x, edges), atol=1e-3)
    for out in outputs[1:]:
        assert torch.equal(out, outputs[0])


def test_without_edges_in_sparse_features_and_another_graph() -> None:
    config = ModelConfig(num_layers=2, hidden_channels=4, edges="none")
    model = make("pyg", config, inputs=30)
    for nodes in (9, 12):
        x = torch.zeros(nodes, 30)
        x[torch.arange(nodes), torch.arange(nodes)] = 1.0
        edges = torch.tensor([[0, 1], [1, 2]])
        expected = perceptron(model, x)
        assert compact_features(x).layout == torch.sparse_csr
        for given in (x, compact_features(x)):
            out = call(model, given, edges)
            torch.testing.assert_close(out, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
def test_unit_gain_is_one_without_edges(architecture: Any) -> None:
    nodes, edges = GRAPHS["random"]
    options = {"architecture": architecture, "hidden_channels": 5, "batch_norm": False}
    x = features(nodes, 6)
    plain, unit = (
        make("pyg", ModelConfig(**options, edges="none", unit_gain=on)).double()
        for on in (False, True)
    )
    assert torch.equal(call(plain, x, edges), call(unit, x, edges))


@pytest.mark.parametrize(("architecture", "gain"), [("gin", 8.0), ("gcn", 1.0), ("sage", 2**1.5)])
def test_unit_gain_scales_the_logits_of_a_network_without_residuals(
    architecture: Any, gain: float
) -> None:
    nodes, edges = GRAPHS["random"]
    options = {"architecture": architecture, "hidden_channels": 5, "batch_norm": False}
    x = features(nodes, 6)
    plain, unit = (
        make("pyg", ModelConfig(**options, unit_gain=on)).double() for on in (False, True)
    )
    # Three hidden layers.
    torch.testing.assert_close(call(plain, x, edges), gain * call(unit, x, edges))


def test_residual_connections_need_a_layer_between_two_hidden_ones() -> None:
    with pytest.raises(ConfigError, match="num_layers of 3 or more"):
        ModelConfig(residual=True, num_layers=2)


def test_inputs_that_do_not_fit_are_told() -> None:
    nodes, edges = GRAPHS["random"]
    x = features(nodes, 6, torch.float32)
    model = make("pyg", ModelConfig(hidden_channels=5))
    refused: list[tuple[tuple[object, ...], str]] = [
        ((x, edges, torch.ones(edges.size(1))), r"takes \(x, edge_index\) and no more.*3 inputs"),
        ((x[:, :3], edges), r"shape \(N, 6\), got"),
        ((x.double(), edges), r"float64 and the weights float32; pass x\.to\(torch\.float32\)"),
        ((x.long(), edges), "int64 and the weights float32"),
        ((x[:0], edges[:, :0]), "without nodes"),
    ]
    for inputs, message in refused:
        with pytest.raises(GraphError, match=message):
            model(*inputs)
    assert model(x.bfloat16(), edges).dtype == torch.float32


def test_residual_by_hand() -> None:
    # One edge 0 → 1, width 1, no norm, weights 2, 3, 1, head 5, three layers of a GIN.
    # h₁ = 2 · (1, 11) = (2, 22); h₂ = h₁ + 3 · (2, 24) = (8, 94); h₃ = (8, 102);
    # logits ½ (5 h₂ + h₃) = (24, 286). With unit gain h₁ = (1, 11), √3 h₂ = h₁ + ½ · 3 · (1, 12)
    # = (2.5, 29), √3 h₃ = (2.5, 31.5), logits (7.5, 88.25) / √3.
    for unit, expected in ((False, [24.0, 286.0]), (True, [7.5 / 3**0.5, 88.25 / 3**0.5])):
        config = ModelConfig(
            num_layers=3, hidden_channels=1, batch_norm=False, residual=True, unit_gain=unit
        )
        model = GNN(1, 1, config, get_backend("pyg"))
        with torch.no_grad():
            for p, value in zip(model.parameters(), (2.0, 3.0, 1.0, 5.0), strict=True):
                p.fill_(value)
        out = model(torch.tensor([[1.0], [10.0]]), torch.tensor([[0], [1]]))
        assert out.flatten().tolist() == pytest.approx(expected, rel=1e-6)


def test_a_tiny_gin_by_hand() -> None:
    # One edge 0 → 1, width 1, no norm, all weights w: logits of the two-layer GIN.
    config = ModelConfig(num_layers=2, hidden_channels=1, batch_norm=False)
    model = GNN(1, 1, config, get_backend("pyg"))
    with torch.no_grad():
        for p, value in zip(model.parameters(), (2.0, 3.0, 5.0), strict=True):
            p.fill_(value)
    out = model(torch.tensor([[1.0], [10.0]]), torch.tensor([[0], [1]]))
    # h₁ = 2 · (1, 11) = (2, 22); h₂ = 3 · (2, 24) = (6, 72); V h₁ = (10, 110); the mean of both.
    assert out.flatten().tolist() == [8.0, 91.0]


@pytest.mark.parametrize(
    ("architecture", "head", "weights"),
    [
        ("gin", True, 378_280),
        ("gin", False, 362_840),
        ("gcn", True, 378_280),
        ("sage", True, 2 * 362_840 + 15_440),
        ("gat", True, 378_280 + 2 * (3 * 386 + 40)),
    ],
)
def test_the_size_of_the_papers_networks(architecture: Any, head: bool, weights: int) -> None:
    config = ModelConfig(architecture=architecture, head=head)
    model = GNN(128, 40, config, get_backend("pyg"))
    assert sum(p.numel() for p in model.parameters()) == weights
    report = freeze(model, FreezeConfig(sparsity=0.2, freezing_ratio=0.2))
    assert report.counts.total == weights
    assert sum(p.numel() for p in model.parameters()) == weights - round(0.2 * weights)
    assert not any(value.requires_grad for w in frozen_weights(model) for value in w.regenerated())
    # The scores, and for each weight the source that they belong to.
    names = {name for name, _ in model.named_parameters()}
    sources = {name.replace("original", "0._extra_state") for name in names}
    assert set(model.state_dict()) == names | sources


def test_names_are_those_of_the_architecture() -> None:
    model = GNN(128, 40, ModelConfig(), get_backend("pyg"))
    names = [f"layers.{i}.nn.weight" for i in range(4)] + ["head.weight"]
    assert [name for name, _ in model.named_parameters()] == names
    freeze(model, FROZEN)
    assert [w.name for w in frozen_weights(model)] == names


@pytest.mark.parametrize("backend", AVAILABLE)
def test_training_and_evaluation_are_the_same_function(backend: str) -> None:
    nodes, edges = GRAPHS["random"]
    model, x = make(backend, ModelConfig(hidden_channels=5)), features(nodes, 6, torch.float32)
    assert torch.equal(call(model.train(), x, edges), call(model.eval(), x, edges))


def test_dropout_is_on_in_training_only() -> None:
    nodes, edges = GRAPHS["random"]
    x = features(nodes, 6, torch.float32)
    plain = make("pyg", ModelConfig(hidden_channels=5))
    model = make("pyg", ModelConfig(hidden_channels=5, dropout=0.5))
    assert torch.equal(call(model.eval(), x, edges), call(plain, x, edges))
    assert not torch.equal(call(model.train(), x, edges), call(plain, x, edges))
    assert call(model, quietly_csr(x), edges).isfinite().all()


def quietly_csr(x: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x.to_sparse_csr()


# Transforms of torch


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
def test_functions_of_scores_and_inputs_are_transformed(architecture: str) -> None:
    nodes, edges = GRAPHS["parallel"]
    config = ModelConfig(architecture=architecture, num_layers=3, hidden_channels=4)
    model, x = make("pyg", config).double(), features(nodes, 6)
    own = {name: p.detach() for name, p in model.named_parameters()}

    def loss(scores: dict[str, Tensor], given: Tensor) -> Tensor:
        out: Tensor = torch.func.functional_call(model, scores, (given, edges))
        return out.square().sum()

    both = torch.stack([x, x.flip(0)])
    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(own, both)
    for number, given in enumerate(both):
        model.zero_grad()
        model(given, edges).square().sum().backward()
        for name, p in model.named_parameters():
            torch.testing.assert_close(each[name][number], p.grad, atol=1e-7, rtol=1e-7)
    built = model.backend.graph(edges, nodes)
    with pytest.raises(GraphError, match="no kernel of a sparse product"):
        torch.func.vmap(lambda given: model(given, built))(both)
    stacked = {name: torch.stack([p, -p]) for name, p in own.items()}
    with pytest.raises(ConfigError, match="vmap goes over inputs, not over scores"):
        torch.func.vmap(loss, in_dims=(0, None))(stacked, x)


# Sparse features


def test_compact_features_by_hand() -> None:
    x = torch.zeros(3, 10)
    x[0, 7], x[2, 1], x[2, 4] = 1.0, 2.0, 3.0
    compact = compact_features(x)
    assert compact.layout == torch.sparse_csr
    assert compact.crow_indices().tolist() == [0, 1, 1, 3]
    assert compact.col_indices().tolist() == [7, 1, 4]
    assert compact.values().tolist() == [1.0, 2.0, 3.0]
    assert compact_features(compact) is compact
    x[1, :] = 1.0
    assert compact_features(x) is x
    assert compact_features(torch.zeros(2, 3)).values().numel() == 0


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
@pytest.mark.parametrize("backend", AVAILABLE)
def test_compact_features_change_nothing(backend: str, architecture: Any) -> None:
    nodes, edges = GRAPHS["random"]
    # Sums of equal ± constants can be exactly 0, where the ReLU's gradient hangs on the last bit:
    # every node has another size.
    sizes = torch.linspace(0.5, 1.7, nodes, dtype=torch.float64).unsqueeze(1)
    x = F.one_hot(torch.arange(nodes) % 11, 20) * sizes
    config = ModelConfig(architecture=architecture, hidden_channels=24)
    model = make(backend, config, inputs=20).double()
    compact = compact_features(x)
    assert compact.layout == torch.sparse_csr
    gradients = []
    for features_ in (x, compact):
        model.zero_grad()
        out = call(model, features_, edges)
        out.square().sum().backward()
        gradients.append((out.detach(), torch.cat([p.grad for p in model.parameters()])))
    torch.testing.assert_close(gradients[0][0], gradients[1][0], atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(gradients[0][1], gradients[1][1], atol=1e-8, rtol=1e-8)


# Calls and configs


def test_models_are_called_as_their_host_is() -> None:
    nodes, edges = GRAPHS["random"]
    x = features(nodes, 6, torch.float32)
    model = make("pyg", ModelConfig(hidden_channels=5))
    expected = call(model, x, edges)
    adjacency_t = quietly_csr(adjacency(edges, nodes, nodes).float())
    for graph in (edges, import_quietly("torch_geometric").EdgeIndex(edges)):
        assert torch.equal(model(x, graph), expected)
    unique = torch.unique(edges, dim=1)
    simple = quietly_csr((adjacency_t.to_dense() > 0).float())
    assert torch.allclose(model(x, simple), model(x, unique), atol=1e-5)
    if "dgl" in AVAILABLE:
        dgl = import_quietly("dgl")
        twin = make("dgl", ModelConfig(hidden_channels=5))
        graph = dgl.graph((edges[0], edges[1]), num_nodes=nodes)
        assert torch.allclose(twin(graph, x), expected, atol=1e-5)


def test_a_gcn_refuses_edge_weights_that_it_would_misread() -> None:
    model = make("pyg", ModelConfig(architecture="gcn", hidden_channels=5))
    x = features(12, 6, torch.float32)
    ring = (torch.arange(12), (torch.arange(12) + 1) % 12)
    plain = quietly_csr(torch.zeros(12, 12).index_put(ring, torch.tensor(1.0)))
    edges = torch.stack([ring[1], ring[0]])
    assert torch.allclose(model(x, plain), model(x, edges), atol=1e-5)
    weighted = quietly_csr(2 * torch.eye(12))
    with pytest.raises(GraphError, match="this graph has edge weights"):
        model(x, weighted)


def test_batch_norm_has_nothing_to_store() -> None:
    model = GNN(3, 2, ModelConfig(), get_backend("pyg"))
    assert [type(m).__name__ for m in model.activations] == ["NormReLU"] * 4
    assert not list(model.activations.parameters()) + list(model.activations.buffers())
