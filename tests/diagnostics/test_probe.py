"""The probe: every step is seen once, nothing is changed, and what is seen is what is there."""

from __future__ import annotations

import json
import math
import os
import sys
import warnings
import weakref
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import networkx
import pytest
import torch
import torch.nn.functional as F
from graphs import GRAPHS, adjacency, features, mean_matrix
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import gslt
from gslt.backends import BACKENDS, get_backend
from gslt.diagnostics import MEASURES, Labels, Measure, SearchProbe, as_topology, measure, probe
from gslt.diagnostics.probe import PROBE, log_epochs
from gslt.environment import import_quietly
from gslt.errors import ConfigError, DataError, GraphError, GsltWarning
from gslt.training.results import AT_BEST, AT_LAST

os.environ.setdefault("DGLBACKEND", "pytorch")
try:
    dgl = import_quietly("dgl")
    AVAILABLE = BACKENDS
except ImportError:
    dgl = None
    AVAILABLE = tuple(name for name in BACKENDS if name != "dgl")


pyg = import_quietly("torch_geometric.nn")

NODES, EDGES = GRAPHS["random"]
TOPOLOGY = as_topology(EDGES, NODES)
ARCHITECTURES = ["gin", "gcn", "sage", "gat"]
# They are directed, and some stand twice.
pytestmark = pytest.mark.filterwarnings("ignore:the graph has .* edges:gslt.errors.GsltWarning")


def make(backend: str = "pyg", **options: Any) -> gslt.GNN:
    config = gslt.SearchConfig(**{"num_layers": 3, "hidden_channels": 5, **options})
    model = gslt.GNN(6, 4, config, get_backend(backend))
    gslt.freeze(model, config)
    return model


def inputs(model: gslt.GNN) -> Any:
    graph = model.backend.graph(EDGES, NODES)
    return model.backend.inputs(features(NODES, 6, torch.float32), graph)


def places(trace: Any) -> list[tuple[int, str, str, int]]:
    return [(r.layer, r.module, r.step, r.width) for r in trace.readings]


def test_edges_that_measures_do_not_take_are_told() -> None:
    model = nn.Sequential(pyg.GCNConv(3, 3))
    both = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    one_way, twice = both[:, :3], both[:, [0, 1, 2, 3, 0, 1]]
    for edges, words in ((one_way, "1 edges without a reverse"), (twice, "2 edges listed twice")):
        told = pytest.warns(
            GsltWarning, match=f"the graph has {words}: messages of GCNConv follow these"
        )
        with told, probe(model, as_topology(edges, 3)):
            pass
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for edges in (one_way, twice):
            with probe(model, as_topology(edges, 3), laplacian="augmented"):
                pass
        with probe(model, as_topology(both, 3)), probe(model, networkx.path_graph(3)):
            pass


def test_layers_that_give_tuples_and_inputs_by_name_are_seen() -> None:
    class Net(nn.Module):
        """A map, then attention whose weights are wanted too."""

        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = pyg.GCNConv(3, 3), pyg.GATConv(3, 3)

        def forward(self, x: Tensor, edges: Tensor) -> Tensor:
            out, _ = self.b(self.a(x, edges), edges, return_attention_weights=True)
            return out  # type: ignore[no-any-return]

    edges, model = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), Net()
    with probe(
        model, as_topology(edges, 3), laplacian="augmented", steps=["input", "layer"]
    ) as trace:
        model(x=torch.ones(3, 3), edges=edges)
    assert places(trace) == [(0, "", "input", 3), (1, "a", "layer", 3), (2, "b", "layer", 3)]


@pytest.mark.parametrize("backend", AVAILABLE)
def test_steps_of_a_gin(backend: str) -> None:
    model = make(backend, num_layers=2, hidden_channels=7)
    with probe(model, TOPOLOGY) as trace:
        model(*inputs(model))
    # The second layer is narrower behind its product, so that comes first.
    assert places(trace) == [
        (0, "", "input", 6),
        (1, "layers.0", "aggregation", 6),
        (1, "layers.0.nn", "projection", 7),
        (1, "activations.0", "normalisation", 7),
        (1, "activations.0", "activation", 7),
        (1, "", "layer", 7),
        (2, "layers.1.nn", "projection", 4),
        (2, "layers.1", "aggregation", 4),
        (2, "activations.1", "normalisation", 4),
        (2, "activations.1", "activation", 4),
        (2, "", "layer", 4),
        (2, "head", "projection", 4),
    ]


def test_what_is_measured_is_what_the_equations_give() -> None:
    model, x = make(num_layers=2, hidden_channels=7).double(), features(NODES, 6)
    with probe(model, TOPOLOGY, only=["dirichlet_energy", "effective_rank"]) as trace:
        model(x, EDGES)
    operator = torch.eye(NODES, dtype=x.dtype) + mean_matrix(adjacency(EDGES, NODES, NODES))
    first, second, head = (m.weight for m in (model.layers[0].nn, model.layers[1].nn, model.head))
    expected: dict[tuple[int, str], Tensor] = {(0, "input"): x}
    gathered = expected[1, "aggregation"] = operator @ x
    product = expected[1, "projection"] = gathered @ first.T
    normal = expected[1, "normalisation"] = F.batch_norm(product, None, None, training=True)
    hidden = expected[1, "activation"] = expected[1, "layer"] = normal.relu()
    product = expected[2, "projection"] = hidden @ second.T
    normal = F.batch_norm(operator @ product, None, None, training=True)
    expected[2, "aggregation"], expected[2, "normalisation"] = operator @ product, normal
    expected[2, "activation"] = expected[2, "layer"] = normal.relu()
    seen = {(r.layer, r.step): r.smoothness for r in trace.readings if r.module != "head"}
    assert seen.keys() == expected.keys()
    for place, representation in expected.items():
        wanted = measure(representation, TOPOLOGY, "random_walk", only=["dirichlet_energy"])
        assert seen[place].dirichlet_energy == pytest.approx(wanted.dirichlet_energy, rel=1e-9)
        assert seen[place].laplacian == "random_walk"
        assert seen[place].collapse is None
    assert trace.readings[-1].module == "head"
    of_head = measure(hidden @ head.T, TOPOLOGY).effective_rank
    assert trace.readings[-1].smoothness.effective_rank == pytest.approx(of_head, rel=1e-9)


@pytest.mark.parametrize("options", [{}, {"residual": True}, {"batch_norm": False}], ids=str)
@pytest.mark.parametrize("backend", AVAILABLE)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nothing_is_changed(architecture: str, backend: str, options: dict[str, bool]) -> None:
    model = make(backend, architecture=architecture, **options)

    def results() -> list[Tensor]:
        model.zero_grad()
        out = model(*inputs(model))
        out.square().sum().backward()
        return [out.detach(), *(p.grad for p in model.parameters())]

    before = results()
    with probe(model, TOPOLOGY) as trace:
        during = results()
    after = results()
    assert all(map(torch.equal, before, during))
    assert all(map(torch.equal, before, after))
    assert [r.layer for r in trace.layers()] == [1, 2, 3]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_no_representation_is_kept() -> None:
    model = make(num_layers=4)
    seen: list[weakref.ref[Tensor]] = []

    def remember(module: nn.Module, given: Any, out: Tensor) -> None:
        seen.append(weakref.ref(out))

    with probe(model, TOPOLOGY) as trace, torch.no_grad():
        hook = model.layers[1].register_forward_hook(remember)
        model(*inputs(model))
        hook.remove()
        assert seen[0]() is None
    assert len(trace.layers()) == 4


def test_backends_see_the_same() -> None:
    if dgl is None:
        pytest.skip("DGL is not installed")
    traces = []
    for backend in AVAILABLE:
        model = make(backend, architecture="sage")
        with probe(model, TOPOLOGY) as trace:
            model(*inputs(model))
        traces.append(trace)
    assert places(traces[0]) == places(traces[1])
    for one, other in zip(*(trace.readings for trace in traces), strict=True):
        left, right = one.smoothness.as_dict(), other.smoothness.as_dict()
        assert left.pop("laplacian") == right.pop("laplacian") == "random_walk"
        assert left == pytest.approx(right, rel=1e-4, abs=1e-6, nan_ok=True)


def test_layers_of_a_users_own() -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    x = features(NODES, 6, torch.float32)
    with probe(
        model, TOPOLOGY, laplacian="combinatorial", layers=["0", "2"], steps=["layer", "activation"]
    ) as trace:
        model(x)
        model(2 * x)
    assert places(trace) == 2 * [
        (1, "0", "layer", 5),
        (1, "1", "activation", 5),
        (2, "2", "layer", 2),
    ]
    assert [r.call for r in trace.readings] == [0, 0, 0, 1, 1, 1]
    assert [r.width for r in trace.layers(0)] == [5, 2]
    unknown = probe(model, TOPOLOGY, laplacian="symmetric", layers=["third"])
    with pytest.raises(ConfigError, match="the model has no module 'third'"):
        unknown.__enter__()


def test_what_is_not_the_models_is_passed_by() -> None:
    model, other, x = make(), make(), features(NODES, 6, torch.float32)
    with probe(model, TOPOLOGY) as alone:
        model(x, EDGES)
    with probe(model, TOPOLOGY) as trace:
        other(x, EDGES)
        torch.sigmoid(model(F.relu(x) - F.relu(-x), EDGES))
        other(x, EDGES)
    assert places(trace) == places(alone)
    assert {r.call for r in trace.readings} == {0}


def test_a_model_called_as_a_function_is_seen() -> None:
    model, x = make(), features(NODES, 6, torch.float32)
    with probe(model, TOPOLOGY) as called:
        model(x, EDGES)
    weights = {name: 2 * p.detach() for name, p in model.named_parameters()}
    with probe(model, TOPOLOGY) as trace:
        torch.func.functional_call(model, weights, (x, EDGES))
    assert places(trace) == places(called)


def test_a_step_that_there_is_not_is_refused() -> None:
    topology = as_topology(GRAPHS["random"][1], GRAPHS["random"][0])
    with pytest.raises(ConfigError, match=r"steps must be one of input.*mean aggregation"):
        SearchProbe(topology, 1, steps=["agregation"])  # type: ignore[list-item]
    for options, words in (
        ({"steps": ["layr"]}, "mean layer"),
        ({"only": ["colapse"]}, "mean collapse"),
        ({"laplacian": ""}, "laplacian must be one of"),
        ({"steps": "layer"}, "steps takes several names, got the text 'layer'; give a list"),
        ({"only": "collapse"}, "only takes several names"),
        ({"layers": "0"}, "layers takes several names"),
        ({"layers": ["0", ""]}, "layer '0' lies within layer 'the model'"),
    ):
        wrong: Any = {"laplacian": "augmented", **options}
        refused = probe(nn.Sequential(nn.ReLU()), topology, **wrong)
        with pytest.raises(ConfigError, match=words):
            refused.__enter__()
    with pytest.raises(ConfigError, match="only takes several names"):
        SearchProbe(topology, 1, only="collapse")
    with pytest.raises(ConfigError, match="only takes several names"):
        measure(torch.ones(NODES, 2), topology, only="collapse")


def test_layers_within_layers_are_refused() -> None:
    model = nn.Sequential(pyg.GCNConv(6, 5), pyg.GCNConv(5, 2))
    refused = probe(model, TOPOLOGY, layers=["0", "0.lin"])
    with pytest.raises(ConfigError, match=r"layer '0\.lin' lies within layer '0'.*name one"):
        refused.__enter__()
    # A name may begin as another without lying within it.
    many = nn.Sequential(*(nn.Linear(6, 6) for _ in range(11)))
    with probe(many, TOPOLOGY, laplacian="augmented", layers=["1", "10"]) as trace:
        many(features(NODES, 6, torch.float32))
    assert [(r.layer, r.module) for r in trace.layers()] == [(1, "1"), (2, "10")]


def test_labels_are_checked_before_the_model_is_called() -> None:
    model, masks = make(), dict.fromkeys(("train", "val", "test"), torch.ones(3).bool())
    short = Labels(y=torch.zeros(3, dtype=torch.int64), num_classes=1, **masks)
    wrong: Any = torch.zeros(NODES)
    for labels, words in ((wrong, r"got Tensor; give Labels\("), (short, "there are 3 labels")):
        refused = probe(model, TOPOLOGY, labels=labels)
        with pytest.raises(DataError, match=words):
            refused.__enter__()
        with pytest.raises(DataError, match=words):
            measure(torch.ones(NODES, 2), TOPOLOGY, labels=labels)


def test_a_graph_without_nodes_is_measured_as_nothing() -> None:
    empty = as_topology(torch.empty(2, 0, dtype=torch.int64), 0)
    model = nn.Linear(3, 2)
    with probe(model, empty, laplacian="augmented", only=["collapse", "mad"]) as trace:
        model(torch.empty(0, 3))
    assert [(r.step, r.width) for r in trace.readings] == [("input", 3), ("projection", 2)]
    assert all(math.isnan(each) for r in trace.readings for each in r.smoothness.values.values())


@pytest.mark.parametrize("whole", [True, False])
def test_a_model_that_jit_has_compiled_is_refused(whole: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        part = torch.jit.script(nn.Linear(3, 2))
    refused = probe(part if whole else nn.Sequential(part), TOPOLOGY, laplacian="augmented")
    with pytest.raises(ConfigError, match=r"was compiled by torch\.jit.*that it was made of"):
        refused.__enter__()


@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize("of", ["compiled", "original"])
def test_a_compiled_model_is_measured_as_it_is_written(warm: bool, of: str) -> None:
    torch._dynamo.reset()
    model, x = pyg.GCN(6, 5, num_layers=2, out_channels=3), features(NODES, 6, torch.float32)
    compiled: Any = torch.compile(model, backend="eager")
    with torch.no_grad():
        if warm:
            compiled(x, EDGES)
        with probe(model, TOPOLOGY, laplacian="augmented") as expected:
            out = model(x, EDGES)
        with probe(
            compiled if of == "compiled" else model, TOPOLOGY, laplacian="augmented"
        ) as trace:
            assert torch.equal(compiled(x, EDGES), out)
        compiled(x, EDGES)
    assert trace.model == "GCN"
    assert str(trace.readings) == str(expected.readings)


def test_a_copy_and_a_file_of_a_model_take_no_hooks_along(tmp_path: Path) -> None:
    model, x = pyg.GCN(6, 5, num_layers=2, out_channels=3), features(NODES, 6, torch.float32)
    with probe(model, TOPOLOGY, laplacian="augmented") as trace:
        model(x, EDGES)
        seen = places(trace)
        copy = deepcopy(model)
        torch.save(model, tmp_path / "model.pt")
        saved = torch.load(tmp_path / "model.pt", weights_only=False)
        for other in (copy, saved):
            assert torch.equal(other(x, EDGES), copy(x, EDGES))
    copy(x, EDGES)
    assert places(trace) == seen
    assert seen


def test_a_graph_of_another_size_is_told() -> None:
    model, x = nn.Sequential(nn.Linear(2, 2), nn.ReLU()), torch.ones(3, 2)
    topology = as_topology(torch.tensor([[0, 1], [1, 0]]), 7)
    with (
        pytest.warns(GsltWarning, match=r"nothing was measured.*each of the graph's 7 nodes"),
        probe(model, topology, laplacian="augmented") as trace,
    ):
        model(x)
    assert trace.readings == []
    with probe(model, topology, laplacian="augmented"):  # It was not called.
        pass


def test_a_model_that_fails_leaves_no_hooks() -> None:
    model = make()
    with pytest.raises(GraphError, match="source nodes"), probe(model, TOPOLOGY) as trace:
        model(torch.zeros(NODES - 1, 6), EDGES)
    assert trace.readings == []
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


# Along a search


SMALL = {"num_layers": 3, "hidden_channels": 6, "epochs": 5, "lr": 0.05}


@pytest.mark.parametrize("run", ["search", "train"])
def test_a_search_with_a_probe_is_the_same_search(
    blocks: gslt.NodeDataset, tmp_path: Path, run: str
) -> None:
    options = {**SMALL, "dropout": 0.2, "runs": 2}
    kind: Callable[..., Any] = gslt.SearchConfig if run == "search" else gslt.TrainConfig
    results = []
    for number, found in enumerate((None, SearchProbe(blocks, 2))):
        with gslt.RunFolder(tmp_path / str(number), kind(**options)) as folder:
            results.append(getattr(gslt, run)(blocks, kind(**options), folder=folder, probe=found))
    name = "ticket" if run == "search" else "weights"
    for file in ("metrics.jsonl", f"{name}-seed0.safetensors", f"{name}-seed1.safetensors"):
        assert len({(tmp_path / str(number) / file).read_bytes() for number in (0, 1)}) == 1
    assert found is not None
    assert sorted({(row["seed"], row["epoch"]) for row in found.rows}) == [
        (seed, epoch) for seed in (0, 1) for epoch in (0, 2, 4, 5)
    ]
    last = [row for row in found.rows if (row["seed"], row["epoch"]) == (1, 5)]
    model = results[1].runs[1].model
    if results[1].runs[1].best_epoch == 5:
        with probe(model, blocks) as trace:
            model(blocks.x, blocks.edge_index)
        assert trace.readings[-1].smoothness.dirichlet_energy == pytest.approx(
            last[-1]["dirichlet_energy"], rel=1e-4
        )


def test_what_a_killed_run_measured_is_there_once(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    config = gslt.SearchConfig(**SMALL)
    paths = [tmp_path / name for name in ("whole", "killed")]
    with gslt.RunFolder(paths[0], config) as folder:
        gslt.search(
            blocks, config, folder=folder, probe=SearchProbe(blocks, 1, paths[0] / "probe.jsonl")
        )

    class KilledError(Exception):
        pass

    def kill(epoch: Any) -> None:
        if epoch.epoch == 4:
            raise KilledError

    for attempt in range(2):
        watch = SearchProbe(blocks, 1, paths[1] / "probe.jsonl")
        with gslt.RunFolder(paths[1], config, checkpoint_seconds=0) as folder:
            try:
                gslt.search(
                    blocks, config, folder=folder, probe=watch, on_epoch=None if attempt else kill
                )
            except KilledError:
                assert attempt == 0
                with (paths[1] / "probe.jsonl").open("a") as file:
                    file.write('{"seed": 0, "epo')
    whole, killed = (path.joinpath("probe.jsonl").read_text() for path in paths)
    assert whole == killed
    assert len({json.loads(line)["epoch"] for line in whole.splitlines()}) == 6


def test_log_spaced_epochs_by_hand() -> None:
    # 10^0, 10^½, 10^1, 10^1½, 10^2.
    assert log_epochs(100, 5) == (1, 3, 10, 32, 100)
    assert log_epochs(20) == tuple(range(1, 21))
    assert log_epochs(1) == (1,)


@given(st.integers(1, 5000))
def test_log_spaced_epochs_are_about_twenty(epochs: int) -> None:
    found = log_epochs(epochs)
    assert found[0] == 1
    assert found[-1] == epochs
    assert list(found) == sorted(set(found))
    assert min(20, epochs) <= len(found) <= 21


def sparse(epochs: int) -> tuple[int, ...]:
    return 1, 3, epochs


@pytest.mark.parametrize("run", ["search", "train"])
def test_a_probe_of_log_spaced_epochs_has_the_best_and_the_last(
    blocks: gslt.NodeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    """Twelve epochs of which 1, 3 and 12 are due: the best one comes after them, and once."""
    monkeypatch.setattr(sys.modules["gslt.diagnostics.probe"], "log_epochs", sparse)
    options = {**SMALL, "epochs": 12, "lr": 0.02, "dropout": 0.2}
    kind: Callable[..., Any] = gslt.SearchConfig if run == "search" else gslt.TrainConfig
    watch = SearchProbe(blocks, "log", tmp_path / "probe.jsonl", steps=["layer"])
    found = getattr(gslt, run)(blocks, kind(**options), probe=watch, progress=False).best
    rows = watch.of(0)
    assert rows == [
        json.loads(line) for line in (tmp_path / "probe.jsonl").read_text().splitlines()
    ]
    due = [0, 1, 3, 12]
    extra = [] if found.best_epoch in due else [found.best_epoch]
    assert [row["epoch"] for row in rows[::3]] == due + extra
    assert rows[0]["best_epoch"] == 0
    assert {row["best_epoch"] for row in rows if row["epoch"] == 12} == {found.best_epoch}
    for epoch, names in ((found.best_epoch, AT_BEST), (12, AT_LAST)):
        mine = next(row for row in rows if row["epoch"] == epoch)
        assert [mine[name] for name in AT_BEST] == [getattr(found, name) for name in names]
    with probe(found.model, blocks, steps=["layer"]) as trace, torch.no_grad():
        found.model(blocks.x, blocks.edge_index)
    mine = [row for row in rows if row["epoch"] == found.best_epoch]
    for row, reading in zip(mine, trace.layers(), strict=True):
        expected = reading.smoothness.dirichlet_energy
        assert row["dirichlet_energy"] == pytest.approx(expected, rel=1e-5)


def test_without_a_data_set_there_is_no_accuracy(blocks: gslt.NodeDataset) -> None:
    watch = SearchProbe(as_topology(blocks), "log", steps=["layer"])
    gslt.search(blocks, gslt.SearchConfig(**SMALL), probe=watch, progress=False)
    assert not {"best_epoch", *AT_BEST} & set(watch.of(0)[0])


def test_what_is_not_a_number_is_null_in_the_file(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    def strict(text: str) -> Any:
        def refuse(name: str) -> None:
            raise AssertionError(f"{name} is no JSON")

        return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]

    path, model = tmp_path / "probe.jsonl", make()
    watch = SearchProbe(as_topology(blocks), 1, path)
    watch.begin(0, 0, 5)
    # Nothing is left of a constant, so that no quotient of it is a number.
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    watch(0, 1, 5, model, (torch.zeros(blocks.num_nodes, 6), blocks.edge_index))
    rows = strict(path.read_text())
    assert rows[0]["rayleigh_quotient"] is None
    assert rows[0]["dirichlet_energy"] == 0


def test_no_epochs_between(blocks: gslt.NodeDataset) -> None:
    for every in (0, "often"):
        with pytest.raises(ConfigError, match=f"must be at least 1, or log, got {every}"):
            SearchProbe(blocks, every)  # type: ignore[arg-type]


def test_a_new_measure_is_in_every_row(
    blocks: gslt.NodeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Measure(
        function=lambda representation: float(representation.norms.max()),
        label="largest norm",
        smoother="lower",
        source="this test",
    )
    monkeypatch.setitem(MEASURES, "largest_norm", entry)
    model, x = make(), features(NODES, 6, torch.float32)
    with probe(model, TOPOLOGY) as trace:
        model(x, EDGES)
    largest = float(x.double().square().sum(1).max())
    assert trace.readings[0].smoothness.largest_norm == pytest.approx(largest)
    assert all(row["largest_norm"] > 0 for row in trace.rows())
    config, path = gslt.SearchConfig(**SMALL), tmp_path / PROBE
    watch = SearchProbe(blocks, 5, path, only=["largest_norm"])
    gslt.search(blocks, config, probe=watch)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert {row["epoch"] for row in rows} == {0, 5}
    assert all(row["largest_norm"] > 0 and "collapse" not in row for row in rows)
    everything = SearchProbe(blocks, 5)
    gslt.search(blocks, config, probe=everything)
    assert all({"largest_norm", "collapse"} < row.keys() for row in everything.rows)
