"""Steps of models of PyG, of DGL and of plain torch are seen, each once."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from graphs import GRAPHS, features
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import gslt
from gslt.backends import get_backend
from gslt.config import FreezeConfig
from gslt.diagnostics import as_topology, measure, probe
from gslt.diagnostics.steps import Reading, watching
from gslt.environment import import_quietly
from gslt.errors import GsltWarning
from gslt.masking.freeze import freeze

os.environ.setdefault("DGLBACKEND", "pytorch")
try:
    dgl = import_quietly("dgl")
except ImportError:
    dgl = None


NODES, EDGES = GRAPHS["random"]
TOPOLOGY = as_topology(EDGES, NODES)


def places(trace: Any) -> list[tuple[int, str, str, int]]:
    return [(r.layer, r.module, r.step, r.width) for r in trace.readings]


class InPlace(nn.Module):
    """A product, a bias that is added in place, and an activation in place."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.relu = Shifted(), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(self.layer(x))
        return out


class Shifted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(6))
        self.bias = nn.Parameter(torch.linspace(-2, 2, 6))

    def forward(self, x: Tensor) -> Tensor:
        out = x @ self.weight
        out += self.bias
        return out


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_what_is_written_in_place_is_measured_anew(mode: Callable[[], Any]) -> None:
    model, x = InPlace(), features(NODES, 6, torch.float32)
    shifted = x + model.layer.bias.detach()
    with mode(), probe(model, TOPOLOGY, laplacian="combinatorial", layers=["layer"]) as trace:
        model(x)
    assert [r.step for r in trace.readings] == ["input", "projection", "layer", "activation"]
    for reading, wanted in zip(trace.readings, (x, x, shifted, shifted.relu()), strict=True):
        expected = measure(wanted, TOPOLOGY)
        for name in ("dirichlet_energy", "collapse", "effective_rank"):
            found = getattr(reading.smoothness, name)
            assert found == pytest.approx(getattr(expected, name), rel=1e-6)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_function_and_its_module_are_one_step(mode: Callable[[], Any]) -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU())
    with mode(), probe(model, TOPOLOGY, laplacian="combinatorial", layers=["2"]) as trace:
        model(features(NODES, 6, torch.float32))
    steps = ["input", "projection", "normalisation", "activation", "layer"]
    assert [r.step for r in trace.readings] == steps


def test_a_model_of_pyg() -> None:
    pyg = import_quietly("torch_geometric.nn")

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm = pyg.GCNConv(6, 8), pyg.BatchNorm(8)
            self.second, self.last = pyg.SAGEConv(8, 4), pyg.GATConv(4, 3, heads=2)

        def forward(self, x: Tensor, edges: Tensor) -> Tensor:
            x = F.relu(self.norm(self.first(x, edges)))
            out: Tensor = self.last(torch.tanh(self.second(x, edges)), edges)
            return out

    model, x = Net().eval(), features(NODES, 6, torch.float32)
    expected = model(x, EDGES)
    with probe(model, TOPOLOGY, laplacian="combinatorial") as trace:
        assert torch.equal(model(x, EDGES), expected)
    assert places(trace) == [
        (0, "", "input", 6),
        (1, "first.lin", "projection", 8),
        (1, "first", "aggregation", 8),
        (1, "first", "layer", 8),
        (1, "norm.module", "normalisation", 8),
        (1, "", "activation", 8),
        (2, "second", "aggregation", 8),
        (2, "second.lin_l", "projection", 4),
        (2, "second.lin_r", "projection", 4),
        (2, "second", "layer", 4),
        (2, "", "activation", 4),
        (3, "last.lin", "projection", 6),
        (3, "last", "aggregation", 6),
        (3, "last", "layer", 6),
    ]
    assert {r.smoothness.laplacian for r in trace.readings} == {"combinatorial"}


def layers_of_dgl() -> Any:
    if dgl is None:
        pytest.skip("DGL is not installed")
    return import_quietly("dgl.nn.pytorch")


@pytest.mark.parametrize("frozen", [False, True], ids=["plain", "frozen"])
def test_a_model_of_dgl(frozen: bool) -> None:
    layers = layers_of_dgl()

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = layers.GraphConv(6, 8)
            self.second = layers.SAGEConv(8, 4, "mean")

        def forward(self, graph: Any, x: Tensor) -> Tensor:
            out: Tensor = self.second(graph, torch.relu(self.first(graph, x)))
            return out

    graph = dgl.add_self_loop(dgl.graph((EDGES[0], EDGES[1]), num_nodes=NODES))
    model, x = Net(), features(NODES, 6, torch.float32)
    if frozen:
        freeze(model, FreezeConfig())
    update_all, expected = dgl.DGLGraph.update_all, model(graph, x)
    with probe(model, graph, laplacian="augmented") as trace:
        assert torch.equal(model(graph, x), expected)
    assert dgl.DGLGraph.update_all is update_all
    assert places(trace) == [
        (0, "", "input", 6),
        (1, "first", "aggregation", 6),
        (1, "first", "projection", 8),
        (1, "first", "layer", 8),
        (1, "", "activation", 8),
        (2, "second.fc_neigh", "projection", 4),
        (2, "second", "aggregation", 4),
        (2, "second.fc_self", "projection", 4),
        (2, "second", "layer", 4),
    ]


@pytest.mark.parametrize(
    ("function", "step"),
    [
        (lambda x: torch.addmm(x, x, torch.eye(6)), "projection"),
        (lambda x: torch.addmm(x, torch.eye(NODES).to_sparse(), x), "aggregation"),
        (lambda x: torch.sparse.addmm(x, torch.eye(NODES).to_sparse(), x), "aggregation"),
        (lambda x: torch.spmm(torch.eye(NODES).to_sparse(), x), "aggregation"),
        (lambda x: torch.layer_norm(x, [6]), "normalisation"),
        (lambda x: torch.group_norm(x, 2), "normalisation"),
        (lambda x: x.clone().tanh_(), "activation"),
        (lambda x: x.clone().sigmoid_(), "activation"),
        (lambda x: torch.tanh_(x.clone()), "activation"),
        (lambda x: F.elu_(x.clone()), "activation"),
        (lambda x: F.leaky_relu_(x.clone()), "activation"),
        (lambda x: torch.selu_(x.clone()), "activation"),
        (lambda x: torch.prelu(x, torch.ones(1)), "activation"),
    ],
)
def test_functions_of_a_model_are_seen(function: Any, step: str) -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = function(x)
            return out

    model = Net()
    with probe(model, TOPOLOGY, laplacian="augmented") as trace:
        model(features(NODES, 6, torch.float32))
    assert [r.step for r in trace.readings] == ["input", step]


@pytest.mark.parametrize(
    ("name", "args", "power"),
    [
        ("GraphConv", (4, 4, "both", False, False), (-0.5, -0.5)),
        ("GraphConv", (4, 4, "right", False, False), (-1.0, 0.0)),
        ("GraphConv", (4, 4, "none", False, False), (0.0, 0.0)),
        ("SGConv", (4, 4, 1), (-0.5, -0.5)),
        ("APPNPConv", (1, 0.1), (-0.5, -0.5)),
        ("TAGConv", (4, 4, 1), (-0.5, -0.5)),
        ("GCN2Conv", (4, 1), (-0.5, -0.5)),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_of_dgl_are_measured_as_their_layers_scale_them(
    name: str, args: tuple[Any, ...], power: tuple[float, float], weighted: bool
) -> None:
    layers = layers_of_dgl()
    # A star of four nodes, with a loop at each.
    ends = torch.tensor([[0, 1, 0, 2, 0, 3, 0, 1, 2, 3], [1, 0, 2, 0, 3, 0, 0, 1, 2, 3]])
    graph, x = dgl.graph((ends[0], ends[1])), features(4, 4, torch.float32)
    layer = getattr(layers, name)(*args)
    weight = torch.arange(1.0, 11.0) if weighted else torch.ones(10)
    adjacency = torch.zeros(4, 4).index_put((ends[1], ends[0]), weight)
    # GraphConv counts edges, the others sum their weights.
    counted = (adjacency > 0).float() if name == "GraphConv" else adjacency
    left, right = counted.sum(1).pow(power[0]), counted.sum(0).pow(power[1])
    expected = left[:, None] * adjacency * right @ x
    given = (x, x) if name == "GCN2Conv" else (x,)
    options = {"edge_weight": weight} if weighted else {}
    with probe(layer, graph, laplacian="augmented", steps=["aggregation"]) as trace:
        layer(graph, *given, **options)
    (seen,) = trace.readings
    wanted = measure(expected, graph, "augmented")
    for measured in ("dirichlet_energy", "collapse", "effective_rank"):
        found = getattr(seen.smoothness, measured)
        assert found == pytest.approx(getattr(wanted, measured), rel=1e-4)


def test_each_reading_is_handed_over_at_once() -> None:
    seen: list[Reading] = []
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU())
    with watching(model, TOPOLOGY, "combinatorial", seen.append, layers=["1"]):
        model[0](features(NODES, 6, torch.float32))
        assert [reading.step for reading in seen] == ["input", "projection"]
        model(features(NODES, 6, torch.float32))
    assert [reading.step for reading in seen[2:]] == ["input", "projection", "activation", "layer"]
    assert {reading.smoothness.laplacian for reading in seen} == {"combinatorial"}


class Encoder(nn.Module):
    """A GCN as users write it, with one dropout and an encoder of its own."""

    def __init__(self) -> None:
        super().__init__()
        pyg = import_quietly("torch_geometric.nn")
        self.drop, self.first, self.second = nn.Dropout(0.5), pyg.GCNConv(6, 5), pyg.GCNConv(5, 3)

    def encode(self, x: Tensor, edges: Tensor) -> Tensor:
        out: Tensor = self.second(self.drop(self.first(self.drop(x), edges)), edges)
        return out

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        return self.encode(x, edges)


@pytest.mark.parametrize("method", ["encode", "forward"])
def test_a_method_beside_the_call_is_one_call(method: str) -> None:
    model, x = Encoder().eval(), features(NODES, 6, torch.float32)
    options: Any = {"laplacian": "augmented", "only": ["collapse"]}
    with probe(model, TOPOLOGY, **options) as called:
        model(x, EDGES)
    with probe(model, TOPOLOGY, **options) as trace:
        getattr(model, method)(x, EDGES)
        getattr(model, method)(2 * x, EDGES)
        model(x, EDGES)
        getattr(model, method)(x, EDGES)
    wanted = [(r.layer, r.step, r.width, r.smoothness.collapse) for r in called.readings]
    assert sorted({r.call for r in trace.readings}) == [0, 1, 2, 3]
    assert trace.frame().index.tolist() == [1, 2]
    for call in (0, 2, 3):
        mine = [r for r in trace.readings if r.call == call]
        assert [(r.layer, r.step, r.width, r.smoothness.collapse) for r in mine] == wanted


def test_the_layers_of_a_gnn_called_one_by_one_are_seen() -> None:
    model = gslt.GNN(6, 3, gslt.SearchConfig(num_layers=2, hidden_channels=4), get_backend("pyg"))
    x, graph = model.backend.bind(features(NODES, 6, torch.float32), EDGES)
    with probe(model, TOPOLOGY, laplacian="random_walk") as trace:
        model.logits(x, graph)
    assert [(r.layer, r.module) for r in trace.layers()] == [(1, "layers.0"), (2, "layers.1")]


@pytest.mark.parametrize("reentrant", [False, True])
def test_what_a_checkpoint_computes_anew_is_not_seen_again(reentrant: bool) -> None:
    class Checkpointed(Encoder):
        def encode(self, x: Tensor, edges: Tensor) -> Tensor:
            for layer in (self.first, self.second):
                x = checkpoint(layer, x, edges, use_reentrant=reentrant)
            return x

    model = Checkpointed()
    x = features(NODES, 6, torch.float32).requires_grad_()
    with probe(model, TOPOLOGY, laplacian="augmented") as trace:
        model(x, EDGES)
    expected = places(trace)
    with probe(model, TOPOLOGY, laplacian="augmented") as trace:
        model(x, EDGES).sum().backward()
        model(x, EDGES).sum().backward()
    assert [r.call for r in trace.readings] == [0] * len(expected) + [1] * len(expected)
    assert places(trace) == 2 * expected
    assert [r.layer for r in trace.layers()] == [1, 2]


def test_two_probes_do_not_see_each_other_measure() -> None:
    # Wider than there are nodes, so that measuring takes a product with a row for each node.
    model, x = nn.Linear(6, 2 * NODES), features(NODES, 6, torch.float32)
    with probe(model, TOPOLOGY, laplacian="symmetric") as alone:
        model(x)
    with (
        probe(model, TOPOLOGY, laplacian="symmetric") as outer,
        probe(model, TOPOLOGY, laplacian="augmented") as inner,
    ):
        model(x)
    assert places(outer) == places(inner) == places(alone)
    assert [r.smoothness.collapse for r in outer.readings] == [
        r.smoothness.collapse for r in alone.readings
    ]


def test_functions_on_edges_are_no_steps_where_there_are_as_many_edges_as_nodes() -> None:
    pyg = import_quietly("torch_geometric.nn")
    node = torch.arange(5)
    cycle, x, weights = torch.stack([node, (node + 1) % 5]), torch.rand(5, 4), torch.rand(5, 3)
    for layer, given in (
        (pyg.GATConv(4, 2, heads=2, edge_dim=3, add_self_loops=False), weights),
        (pyg.GATv2Conv(4, 2, heads=2, edge_dim=3, add_self_loops=False), weights),
        (pyg.GINEConv(nn.Linear(4, 4), edge_dim=3), weights),
    ):
        # Another edge, and they are not as many.
        more, extra = torch.cat([cycle, cycle[:, :1]], 1), torch.cat([given, given[:1]])
        found = []
        for edges, values in ((cycle, given), (more, extra)):
            topology = as_topology(edges, 5)
            with probe(layer, topology, laplacian="random_walk") as trace:
                layer(x, edges, values)
            found.append([place for place in places(trace) if place[2] != "input"])
        assert found[0] == found[1]
        assert [step for _, _, step, _ in found[0]].count("aggregation") == 1


def test_messages_that_failed_are_over() -> None:
    pyg = import_quietly("torch_geometric.nn")
    layer, x = pyg.GINEConv(nn.Linear(6, 4), edge_dim=3), features(NODES, 6, torch.float32)
    attributes = torch.rand(EDGES.size(1), 3)
    with probe(layer, TOPOLOGY, laplacian="random_walk", steps=["input", "projection"]) as trace:
        with pytest.raises(RuntimeError):
            layer(x, EDGES, torch.rand(EDGES.size(1), 2))
        layer(x, EDGES, attributes)
        layer(x, EDGES, attributes)
    assert [r.step for r in trace.readings] == ["input", *2 * ["input", "projection"]]


class BatchNormBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.map, self.norm = nn.Linear(6, 5), nn.BatchNorm1d(5)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.map(x)) + 1


class OwnNorm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


def test_a_block_that_is_called_after_its_norm_is_none() -> None:
    model, x = nn.Sequential(BatchNormBlock(), OwnNorm()), features(NODES, 6, torch.float32)
    with probe(model, TOPOLOGY, laplacian="augmented", steps=["normalisation"]) as trace:
        model(x)
    assert [r.module for r in trace.readings] == ["0.norm", "1"]
    with probe(model[0], TOPOLOGY, laplacian="augmented", steps=["normalisation"]) as trace:
        model[0](x)
    assert [r.module for r in trace.readings] == ["norm"]
    host = nn.Sequential(import_quietly("torch_geometric.nn").DiffGroupNorm(6, groups=2))
    with probe(host, TOPOLOGY, laplacian="augmented", steps=["normalisation"]) as trace:
        host(x)
    assert [r.module for r in trace.readings] == ["0.norm", "0"]


def test_a_composition_of_pyg_is_one_layer() -> None:
    pyg = import_quietly("torch_geometric.nn")
    x = features(NODES, 6, torch.float32)
    model = pyg.Sequential(
        "x, edges", [(pyg.GPSConv(6, pyg.GCNConv(6, 6), heads=2), "x, edges -> x")] * 2
    )
    with probe(model, TOPOLOGY, laplacian="augmented", steps=["layer"]) as trace:
        out = model(x, EDGES)
    assert [(r.layer, r.width) for r in trace.readings] == [(1, 6), (2, 6)]
    expected = measure(out.detach(), TOPOLOGY, "augmented").collapse
    assert trace.readings[-1].smoothness.collapse == pytest.approx(expected)


def test_several_types_of_nodes_are_one_layer() -> None:
    pyg = import_quietly("torch_geometric.nn")
    x = features(NODES, 6, torch.float32)
    across = torch.tensor([[0, 1, 2], [3, 4, 5]])
    edges = {("a", "to", "a"): EDGES, ("b", "to", "a"): across, ("a", "to", "b"): across}
    layer = pyg.HeteroConv({each: pyg.SAGEConv((-1, -1), 4) for each in edges})
    with probe(layer, TOPOLOGY, laplacian="random_walk", steps=["layer"]) as trace:
        out = layer({"a": x, "b": torch.rand(7, 3)}, edges)
    assert places(trace) == [(1, "", "layer", 4)]
    expected = measure(out["a"].detach(), TOPOLOGY, "random_walk").collapse
    assert trace.readings[0].smoothness.collapse == pytest.approx(expected)


class Half(nn.Module):
    """A map of the first nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.map(x[: len(x) // 2])
        return out


def test_layers_without_a_result_are_told() -> None:
    model, x = nn.Sequential(nn.Linear(6, 6), Half(), nn.Linear(5, 2)), torch.rand(NODES, 6)
    layers: Any = ["0", "1", "2"]
    told = pytest.warns(GsltWarning, match="no result was measured of the layers 1, 2: none of")
    with told, probe(model, TOPOLOGY, laplacian="augmented", layers=layers) as trace:
        model(x)
    assert [r.module for r in trace.layers()] == ["0"]
    told = pytest.warns(GsltWarning, match="no result was measured of the layers 2: none of")
    with told, probe(model, TOPOLOGY, laplacian="augmented", layers=["0", "2"]):
        model[0](x)
    # Other steps are asked for.
    with probe(model, TOPOLOGY, laplacian="augmented", layers=layers, steps=["projection"]):
        model(x)


def test_weights_of_edges_are_no_layer() -> None:
    layers = layers_of_dgl()

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = layers.EdgeWeightNorm("both")
            self.layer = layers.GraphConv(6, 4, norm="none")

        def forward(self, graph: Any, x: Tensor) -> Tensor:
            weight = self.norm(graph, torch.ones(graph.num_edges()))
            out: Tensor = self.layer(graph, x, edge_weight=weight)
            return out

    graph = dgl.add_self_loop(dgl.graph((EDGES[0], EDGES[1]), num_nodes=NODES))
    model, x = Net(), features(NODES, 6, torch.float32)
    with probe(model, graph, laplacian="augmented") as trace:
        model(graph, x)
    assert [(r.layer, r.module) for r in trace.layers()] == [(1, "layer")]
