"""The comparison of backends: hand-computed cases, equal routes, errors that must be found."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from graphs import GRAPHS, adjacency, mean_matrix, symmetric_matrix

import gslt
from gslt.comparison import compare as module
from gslt.comparison import figures, panels
from gslt.comparison import routes as routes_module
from gslt.comparison.compare import CompareConfig, compare_backends
from gslt.comparison.graphs import block_model
from gslt.comparison.layers import time_layers
from gslt.comparison.memory import Meter, measure_memory, save_graph
from gslt.comparison.parity import difference, outputs
from gslt.comparison.reference import Outputs, operator, reference
from gslt.comparison.routes import HOST, Candidate, HostBackend, HostGNN, Route, find_routes
from gslt.comparison.rows import table
from gslt.comparison.speed import race
from gslt.comparison.tables import tables
from gslt.config import SearchConfig
from gslt.data import NodeDataset
from gslt.environment import import_quietly
from gslt.errors import ConfigError, GsltError

ROUTES, ABSENT = find_routes()
ARCHITECTURES = pytest.mark.parametrize("architecture", ["gin", "gcn", "sage"])
#: The path 0 – 1 – 2, every edge in both directions.
PATH = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
SMALL: dict[str, Any] = {"num_layers": 2, "hidden_channels": 8, "freezing_ratio": 0.4, "lr": 0.05}
QUICK: dict[str, Any] = {"hidden_channels": (8,), "num_layers": 2, "epochs": 2, "repeats": 1}


def search_config(architecture: str, **changes: Any) -> SearchConfig:
    return SearchConfig(**{**SMALL, "architecture": architecture, "epochs": 3, **changes})


# The reference


def test_operators_of_a_path_by_hand() -> None:
    # Degrees 1, 2, 1; with self-loops 2, 3, 2.
    gin = [[1, 1, 0], [0.5, 1, 0.5], [0, 1, 1]]
    assert operator("gin", PATH, 3).tolist() == gin
    assert operator("sage", PATH, 3).tolist() == [[0, 1, 0], [0.5, 0, 0.5], [0, 1, 0]]
    r = 6**-0.5
    expected = torch.tensor([[1 / 2, r, 0], [r, 1 / 3, r], [0, r, 1 / 2]], dtype=torch.float64)
    assert torch.allclose(operator("gcn", PATH, 3), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("sparse", [False, True])
def test_operators_are_those_of_the_layers(
    graph: str, sparse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gslt.comparison.reference.DENSE_NODES", 0 if sparse else 100)
    nodes, edges = GRAPHS[graph]
    A = adjacency(edges, nodes, nodes)
    others = edges[:, edges[0] != edges[1]]
    loopless = adjacency(others, nodes, nodes) + torch.eye(nodes, dtype=torch.float64)
    scale = loopless.sum(1).rsqrt()
    expected = {
        "gin": mean_matrix(A) + torch.eye(nodes),
        "sage": mean_matrix(A),
        "gcn": scale[:, None] * loopless * scale[None, :],
    }
    if graph != "self-loops":
        assert torch.allclose(expected["gcn"], symmetric_matrix(A))
    for architecture, matrix in expected.items():
        found = operator(architecture, edges, nodes)
        assert (found.layout == torch.sparse_coo) is sparse
        dense = found.to_dense() if sparse else found
        assert torch.allclose(dense, matrix, rtol=0, atol=1e-14)


def path_dataset() -> NodeDataset:
    """The path of three nodes with one training node of class 0."""
    split = torch.eye(3, dtype=torch.bool)
    return NodeDataset(
        name="path (synthetic)",
        x=torch.tensor([[1.0], [2.0], [4.0]]),
        edge_index=PATH,
        y=torch.tensor([0, 1, 1]),
        train_mask=split[0],
        val_mask=split[1],
        test_mask=split[2],
        num_classes=2,
        synthetic=True,
    )


def set_weights(candidate: Candidate, **weights: float) -> None:
    """All weights of a layer to one value; layers are named by their beginning."""
    for weight in candidate.weights:
        value = next(
            v for name, v in weights.items() if weight.name.startswith(name.replace("_", "."))
        )
        weight.searched_weight.fill_(value)


@pytest.mark.parametrize("route", ROUTES)
def test_a_path_by_hand(route: str) -> None:
    # One hidden unit, nothing removed, so that the scale is 1. Weights 1, 1 and head 2.
    config = SearchConfig(
        architecture="gin", num_layers=2, hidden_channels=1, sparsity=0.0, weight_init="skc"
    )
    dataset = path_dataset()
    candidate = Candidate(ROUTES[route], dataset, config, torch.float64)
    set_weights(candidate, layers_0=1.0, layers_1=1.0, head=2.0)
    # M x = (3, 4.5, 6): mean 4.5, variance 1.5. h1 = ReLU(norm) = (0, 0, s), s = 1.5 / √1.50001.
    s = 1.5 / (1.5 + 1e-5) ** 0.5
    # M h1 = (0, s/2, s): mean s/2, variance s²/6. h2 = (0, 0, t), t = (s/2) / √(s²/6 + 1e-5).
    t = (s / 2) / (s * s / 6 + 1e-5) ** 0.5
    expected = torch.tensor([[0.0, 0.0], [0.0, 0.0], [(2 * s + t) / 2] * 2], dtype=torch.float64)
    for found in (outputs(candidate, dataset), reference(candidate, dataset)):
        assert torch.allclose(found.logits, expected, rtol=0, atol=1e-12)
        # The training node's representation is zero, and so is every gradient.
        assert found.gradient.abs().max() <= 1e-12


@pytest.mark.parametrize("route", ROUTES)
def test_a_gradient_by_hand(route: str) -> None:
    config = SearchConfig(architecture="gin", num_layers=2, hidden_channels=1, sparsity=0.0)
    plain = path_dataset()
    masks = {"train_mask": plain.test_mask, "test_mask": plain.train_mask}
    dataset = dataclasses.replace(plain, **masks)
    candidate = Candidate(ROUTES[route], dataset, config, torch.float64)
    set_weights(candidate, layers_0=1.0, layers_1=1.0, head=2.0)
    s = 1.5 / (1.5 + 1e-5) ** 0.5
    # Node 2 of class 1 has equal logits: dL/dlogits = (½, −½), dL/dV = ½ s (½, −½), and V is 2.
    by_name = dict(zip((w.name for w in candidate.weights), candidate.weights, strict=True))
    sign = torch.where(by_name["head.weight"].score() < 0, -1.0, 1.0).double()
    expected = torch.tensor([0.5, -0.5]).double() * 0.5 * s * 2.0 * sign
    for found in (outputs(candidate, dataset), reference(candidate, dataset)):
        assert torch.allclose(found.gradient[-2:], expected.detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("route", ROUTES)
def test_the_sides_of_a_relu(route: str) -> None:
    """Of the path of three nodes by hand: a node let pass that should not be is a flip."""
    config = SearchConfig(architecture="gin", num_layers=2, hidden_channels=1, sparsity=0.0)
    dataset = path_dataset()
    candidate = Candidate(ROUTES[route], dataset, config, torch.float64)
    set_weights(candidate, layers_0=1.0, layers_1=1.0, head=2.0)
    found = outputs(candidate, dataset)
    # Node 1 is at zero, up to rounding.
    assert [side[[0, 2]].tolist() for side in found.sides] == [
        [[False], [True]],
        [[False, False], [True, True]],
    ]
    same = reference(candidate, dataset, found.sides)
    assert same.flip_size < 1e-15
    assert torch.allclose(same.logits, reference(candidate, dataset).logits, rtol=0, atol=1e-12)
    # Before the first ReLU the nodes are at −s, 0 and s.
    other = found.sides[0].clone()
    other[0] = True
    flipped = reference(candidate, dataset, [other, found.sides[1]])
    assert flipped.flips >= 1
    assert flipped.flip_size == pytest.approx(1.0)
    # It passes −s to its own logits: (−2 s + 0) / 2.
    s = 1.5 / (1.5 + 1e-5) ** 0.5
    assert flipped.logits[0].tolist() == pytest.approx([-s, -s])


# The routes


@ARCHITECTURES
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch", ["blocks", "sparse features"])
def test_routes_are_equal(
    architecture: str, dtype: torch.dtype, batch: str, blocks: NodeDataset
) -> None:
    dataset = blocks
    if batch == "sparse features":
        x = torch.eye(30).repeat(4, 1)
        dataset = dataclasses.replace(blocks, x=x)
    tolerance = {torch.float32: 1e-5, torch.float64: 1e-10}[dtype]
    config = search_config(architecture, num_layers=3)
    candidates = [Candidate(route, dataset, config, dtype) for route in ROUTES.values()]
    prints = [candidate.fingerprints() for candidate in candidates]
    assert all(own == prints[0] for own in prints)
    for candidate in candidates:
        found = outputs(candidate, dataset)
        figures = difference(found, reference(candidates[0], dataset, found.sides), tolerance)
        assert figures["agrees"], (candidate.name, figures)
        assert figures["same_classes"] == 1


@ARCHITECTURES
def test_a_ticket_moves_to_the_host(architecture: str, blocks: NodeDataset) -> None:
    """The file of a searched ticket restores on PyG's own layers, and gives the same logits."""
    run = gslt.search(blocks, search_config(architecture), progress=False).best
    host = HostGNN(8, 3, search_config(architecture), HostBackend())
    assert run.ticket is not None
    run.ticket.restore(host)
    there = host(blocks.x, blocks.edge_index)
    here = run.model(blocks.x, blocks.edge_index)
    assert torch.allclose(there, here, atol=1e-5)
    assert torch.equal(there.argmax(1), here.argmax(1))


class Wrong(HostGNN):
    """A route with an error: its last layer adds a hundredth of one input column to the output."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.layers[-1].register_forward_hook(
            lambda layer, given, out: out + 0.01 * given[0][:, :1]
        )


def test_a_wrong_weight_is_found(blocks: NodeDataset) -> None:
    config = search_config("gcn")
    right = Candidate(ROUTES[HOST], blocks, config)
    wrong = Candidate(ROUTES["gslt on PyG"], blocks, config)
    expected = reference(right, blocks)
    with torch.no_grad():
        kept = wrong.weights[0].mask().nonzero()[0]
        wrong.weights[0].searched_weight[kept] *= 1.01
    figures = difference(outputs(wrong, blocks), expected, 1e-5)
    assert not figures["agrees"]
    assert figures["logits_rel"] > 1e-4
    assert wrong.fingerprints()["masks"] == right.fingerprints()["masks"]
    assert wrong.fingerprints()["weights"] != right.fingerprints()["weights"]
    assert wrong.fingerprints()["ticket"] != right.fingerprints()["ticket"]


def test_a_wrong_mask_is_found(blocks: NodeDataset) -> None:
    one, other = (Candidate(ROUTES[HOST], blocks, search_config("gin")) for _ in range(2))
    with torch.no_grad():
        other.weights[0].score().neg_().add_(0.5)
    prints = [candidate.fingerprints() for candidate in (one, other)]
    assert prints[0]["masks"] != prints[1]["masks"]


def test_differences_by_hand() -> None:
    expected = Outputs(torch.tensor([[4.0, -8.0], [1.0, 2.0]]), torch.tensor([0.5, -2.0]))
    found = Outputs(torch.tensor([[4.0, -7.0], [3.0, 2.0]]), torch.tensor([0.5, -1.5]))
    assert difference(found, expected, 0.25) == {
        "logits_abs": 2.0,
        "logits_rel": 0.25,
        "gradient_abs": 0.5,
        "gradient_rel": 0.25,
        "same_classes": 0.5,
        "flips": 0,
        "flip_size": 0.0,
        "agrees": True,
    }
    assert not difference(found, expected, 0.24)["agrees"]
    far = dataclasses.replace(expected, flips=1, flip_size=0.3)
    assert not difference(found, far, 0.25)["agrees"]
    for broken in (
        Outputs(torch.full((2, 2), torch.nan), found.gradient),
        Outputs(found.logits, torch.full((2,), torch.nan)),
    ):
        assert not difference(broken, expected, 1.0)["agrees"]


# Searches and times


@ARCHITECTURES
def test_the_race_is_the_search(architecture: str, blocks: NodeDataset) -> None:
    config = search_config(architecture, epochs=4)
    candidates = [Candidate(route, blocks, config) for route in ROUTES.values()]
    found = race(candidates, blocks, config)
    for backend, name in (("pyg", "gslt on PyG"), ("dgl", "gslt on DGL")):
        if name in ROUTES:
            same = dataclasses.replace(config, backend=backend)
            history = gslt.search(blocks, same, progress=False).history
            assert found[name]["trajectory"]["losses"][1:] == [e.loss for e in history]
            assert found[name]["trajectory"]["accuracy"]["val"] == history[-1].val
    for entry in found.values():
        trajectory, epoch = entry["trajectory"], entry["epoch"]
        assert trajectory["loss_difference"] < 1e-4
        assert len(trajectory["mask_agreement"]) == 5
        assert min(trajectory["mask_agreement"]) > 0.98
        assert epoch["timed"] == 3
        assert 0 < epoch["least_seconds"] <= epoch["seconds"] <= epoch["largest_seconds"]
        assert epoch["forward_seconds"] + epoch["backward_seconds"] < 1.5 * epoch["largest_seconds"]
    assert found[HOST]["trajectory"]["loss_difference"] == 0
    assert found[HOST]["trajectory"]["same_masks"]


def test_a_search_that_goes_elsewhere_is_found(blocks: NodeDataset) -> None:
    config = search_config("gin")
    one, other = (Candidate(ROUTES[name], blocks, config) for name in (HOST, "gslt on PyG"))
    other.weights[0].searched_weight.neg_()
    found = race([one, other], blocks, config)["gslt on PyG"]["trajectory"]
    assert found["loss_difference"] > 1e-3
    assert found["mask_agreement"][0] == 1
    assert found["mask_agreement"][-1] < 1
    assert not found["same_masks"]


@ARCHITECTURES
def test_layers_are_timed_at_their_widths(architecture: str, blocks: NodeDataset) -> None:
    candidates = [Candidate(r, blocks, search_config(architecture)) for r in ROUTES.values()]
    found = time_layers(candidates, repeats=2)
    assert list(found) == list(ROUTES)
    for layers in found.values():
        assert [(layer["in"], layer["out"]) for layer in layers] == [(8, 8), (8, 3)]
        assert all(layer["forward_seconds"] > 0 for layer in layers)
        assert all(layer["backward_seconds"] > 0 for layer in layers)


# Memory


@pytest.mark.skipif(not Meter.works(torch.device("cpu")), reason="this system tells no peak")
def test_the_meter_sees_a_peak_that_is_gone() -> None:
    meter = Meter(torch.device("cpu"))
    held = torch.ones(16 << 20)
    del held
    assert 60e6 < meter.peak() < 90e6
    meter.zero()
    assert meter.peak() < 30e6


@pytest.mark.skipif(not Meter.works(torch.device("cpu")), reason="this system tells no peak")
def test_a_graph_that_was_described_is_handed_over_whole(
    blocks: NodeDataset, tmp_path: Path
) -> None:
    described = blocks.info()
    save_graph(blocks, tmp_path / "graph.pt")
    values = torch.load(tmp_path / "graph.pt", weights_only=False)
    assert NodeDataset(**values).info() == described


@pytest.mark.slow
def test_memory_of_the_layers(tmp_path: Path) -> None:
    """Per edge, a GIN layer makes E × width × 4 bytes of messages; a sparse product makes none."""
    dataset = block_model(8_000)
    save_graph(dataset, tmp_path / "graph.pt")
    config = SearchConfig(num_layers=2, hidden_channels=64, epochs=3)
    found = {
        name: measure_memory(name, tmp_path / "graph.pt", config) for name in (HOST, "gslt on PyG")
    }
    messages = 4 * 128 * dataset.num_edges
    host, ours = found[HOST]["layers"][0]["forward"], found["gslt on PyG"]["layers"][0]["forward"]
    assert 0.9 * messages < host < 3 * messages
    assert ours < messages / 4
    assert found["gslt on PyG"]["peak"] < found[HOST]["peak"]
    assert found[HOST]["held"] > 50e6


def test_a_process_that_dies_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "graph.pt").write_bytes(b"no graph")
    with pytest.raises(GsltError, match="measures gslt on PyG ended with status 1: "):
        measure_memory("gslt on PyG", tmp_path / "graph.pt", search_config("gin"))


# The whole


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("compared")
    config = CompareConfig(nodes=(400, 600), memory=False, **QUICK)
    return out, compare_backends(config, out, progress=False)


def test_the_comparison(compared: tuple[Path, dict[str, Any]]) -> None:
    out, result = compared
    assert json.loads((out / "comparison.json").read_text()) == json.loads(json.dumps(result))
    assert result["same_ticket"] is True
    assert result["agree"] is True
    settings = [(s["architecture"], s["hidden_channels"], s["nodes"]) for s in result["settings"]]
    assert settings == [(a, 8, n) for n in (400, 600) for a in ("gin", "gcn", "sage")]
    assert [graph["synthetic"] for graph in result["graphs"]] == [True, True]
    for setting in result["settings"]:
        assert list(setting["routes"]) == list(ROUTES)
        # 128 × 8 and 8 × 40, GraphSAGE twice, and the head.
        per_layer = 2 if setting["architecture"] == "sage" else 1
        assert setting["weights"] == per_layer * (128 * 8 + 8 * 40) + 8 * 40
    text = (out / "comparison.md").read_text()
    assert "synthetic" in text
    assert "The same ticket, bit for bit" in text
    assert (out / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in out.iterdir()) == [
        f"comparison.{end}" for end in ("json", "md", "png")
    ]


def test_a_planted_error_is_told(
    tmp_path: Path, blocks: NodeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = {
        HOST: routes_module.ROUTES[HOST],
        "wrong": lambda: Route("wrong", HostBackend(), Wrong),
    }
    monkeypatch.setattr(routes_module, "ROUTES", routes)
    config = CompareConfig(architectures=("gin",), memory=False, **QUICK)
    result = compare_backends(config, tmp_path, dataset=blocks, progress=False)
    assert result["same_ticket"] is True
    assert result["agree"] is False
    entry = result["settings"][0]["routes"]["wrong"]["parity"]
    assert entry["float32"]["logits_rel"] > 1e-4
    assert entry["float64"]["agrees"] is False
    assert result["settings"][0]["routes"][HOST]["parity"]["float64"]["agrees"] is True
    rows = [
        line for line in (tmp_path / "comparison.md").read_text().splitlines() if "**NO**" in line
    ]
    assert len(rows) == 2
    assert all("| wrong |" in row for row in rows)


def test_absent_dgl(tmp_path: Path, blocks: NodeDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "gslt.backends.dgl", raising=False)
    monkeypatch.setitem(sys.modules, "dgl", None)
    config = CompareConfig(architectures=("gcn",), memory=False, **QUICK)
    result = compare_backends(config, tmp_path, dataset=blocks, progress=False)
    assert result["routes"] == [HOST, "gslt on PyG"]
    assert "'dgl', which is not installed" in result["absent"]["gslt on DGL"]
    text = (tmp_path / "comparison.md").read_text()
    assert "gslt on DGL is absent: The DGL backend needs the package" in text
    assert sum(line.count("| absent |") for line in text.splitlines()) == 4
    assert "blocks (synthetic)" in text


def test_a_route_that_dies_is_left_out(
    tmp_path: Path, blocks: NodeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(name: str, graph: Path, config: SearchConfig) -> dict[str, Any]:
        if name == HOST:
            raise GsltError("memory is full")
        return {
            "held": 0,
            "peak": 2_500_000,
            "layers": [{"forward": 1_000_000, "backward": 2_000_000}] * 2,
        }

    monkeypatch.setattr(module, "measure_memory", measure)
    monkeypatch.setattr(Meter, "works", staticmethod(lambda device: True))
    config = CompareConfig(architectures=("gin",), **QUICK)
    result = compare_backends(config, tmp_path, dataset=blocks, progress=False)
    setting = result["settings"][0]
    assert setting["failed"] == {HOST: "memory is full"}
    assert list(setting["routes"]) == [name for name in ROUTES if name != HOST]
    text = (tmp_path / "comparison.md").read_text()
    assert "Not measured, gin 8, 120 nodes: memory is full." in text
    assert "| failed | 2.5 MB |" in text
    assert ", 1.0 / 2.0 MB |" in text
    monkeypatch.setattr(module, "find_routes", lambda: ({HOST: ROUTES[HOST]}, {}))
    with pytest.raises(GsltError, match="no route was measured: memory is full"):
        compare_backends(config, tmp_path, dataset=blocks, progress=False)


def known_result() -> dict[str, Any]:
    """A result made by hand: two routes on one graph."""

    def entry(seconds: float, rel: float, agrees: bool, peak: int) -> dict[str, Any]:
        figures = {
            "logits_abs": 2 * rel,
            "logits_rel": rel,
            "gradient_abs": 3 * rel,
            "gradient_rel": 4 * rel,
            "same_classes": 0.99999,
            "flips": 3,
            "agrees": agrees,
        }
        return {
            "same_ticket": agrees,
            "parity": {"float32": figures},
            "epoch": {
                "seconds": seconds,
                "forward_seconds": seconds / 4,
                "backward_seconds": seconds / 2,
                "least_seconds": seconds / 2,
                "largest_seconds": 4 * seconds / 5,
            },
            "trajectory": {
                "losses": [3.0, 2.5],
                "loss_difference": 0.25,
                "mask_agreement": [1.0, 0.875],
                "same_masks": False,
                "same_classes": 1.0,
            },
            "layers": [{"in": 5, "out": 7, "forward_seconds": 0.001, "backward_seconds": 0.002}],
            "memory": {"peak": peak, "layers": [{"forward": 3_000_000, "backward": 4_000_000}]},
        }

    return {
        "config": {"epochs": 2, "device": "cpu", "num_layers": 1},
        "environment": {
            "versions": {"torch": "2"},
            "system": "S",
            "cores": 2,
            "threads": 2,
            "gpu": None,
        },
        "graphs": [{"name": "G (synthetic)", "nodes": 1234, "edges": 5678}],
        "routes": ["a", "b"],
        "same_ticket": False,
        "agree": False,
        "absent": {"c": "it is not installed"},
        "settings": [
            {
                "architecture": "gin",
                "hidden_channels": 7,
                "nodes": 1234,
                "failed": {},
                "routes": {
                    "a": entry(0.5, 1e-6, True, 40_000_000),
                    "b": entry(0.125, 2e-5, False, 10_000_000),
                },
            }
        ],
    }


def test_tables_of_a_known_result() -> None:
    lines = tables(known_result()).splitlines()
    for line in (
        "| gin | a | float32 | 2.0e-06 | 1.0e-06 | 3.0e-06 | 4.0e-06 | 3 | 99.9990 % | yes |",
        "| gin | b | float32 | 4.0e-05 | 2.0e-05 | 6.0e-05 | 8.0e-05 | 3 | 99.9990 % | **NO** |",
        "| gin | 7 | 1,234 | b | 2.5e-01 | 2.50000 | 2.50000 | 87.5000 % | 100 % | no |",
        "| gin | 7 | 1,234 | 0.5000 (0.1250 + 0.2500) × 1.0 | 0.1250 (0.0312 + 0.0625) × 4.0 | "
        "absent |",
        "| gin | 7 | 1,234 | 40.0 MB ÷ 1.0 | 10.0 MB ÷ 4.0 | absent |",
        "| gin | 1 | 5 → 7 | 1.00 + 2.00 ms, 3.0 / 4.0 MB | 1.00 + 2.00 ms, 3.0 / 4.0 MB | "
        "absent |",
        "**Not the same ticket**: gin 7, 1,234 nodes: b. **Not all routes agree** with matrix "
        "algebra in double precision.",
        "c is absent: it is not installed.",
    ):
        assert line in lines, line
    assert any("took 1.6 times its fastest" in line for line in lines)
    assert any("G (synthetic): 1,234 nodes, 5,678 directed edges" in line for line in lines)


def test_panels_of_a_known_result(tmp_path: Path) -> None:
    result = known_result()
    figure = import_quietly("matplotlib.figure").Figure()
    axes = figure.subplots()
    figures._against_size(axes, result, "gin", figures._milliseconds, True)
    drawn = [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in axes.lines]
    assert drawn == [([7], [500.0]), ([7], [125.0])]
    assert {line.get_color() for line in axes.lines} == {"#D55E00", "#0072B2"}
    assert [text.get_text() for text in axes.texts] == ["at width 7:", "4.0 × less, b", "b", "a"]
    axes = figure.subplots()
    figures._against_size(axes, result, "gin", lambda entry: None, True)
    assert [text.get_text() for text in axes.texts] == ["not measured"]
    axes = figure.subplots()
    panels.plot_layers(axes, result, {})
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == pytest.approx([1.0, 2.0] * 2)
    assert axes.get_title() == "Layers of gin, 1,234 nodes"
    axes = figure.subplots()
    panels.plot_trajectories(axes, result)
    assert "b: same masks at the end in 0 of 1" in axes.texts[0].get_text()
    assert figures._title(result).startswith("NOT the same ticket on every backend: G (syn")
    assert figures._times(0.5) == "2.0 × more"


def test_labels_do_not_overlap() -> None:
    axes = import_quietly("matplotlib.figure").Figure().subplots()
    axes.set_yscale("log")
    axes.set_ylim(1, 1000)
    ends = {"a": (1.0, 100.0), "b": (1.0, 10.0), "c": (1.0, 10.0)}
    panels.label_ends(axes, {"routes": list(ends)}, ends)
    places = {text.get_text(): text.xy[1] for text in axes.texts}
    gap = 0.07 * math.log(1000)
    assert places["a"] == pytest.approx(100)
    assert abs(math.log(places["c"] / places["b"])) == pytest.approx(gap)
    assert math.sqrt(places["b"] * places["c"]) == pytest.approx(10)


def test_a_table() -> None:
    assert table(("route", "n"), [["a", "1"]]) == "| route | n |\n| --- | ---: |\n| a | 1 |"


def test_block_model() -> None:
    dataset = block_model(400)
    assert (dataset.num_nodes, dataset.num_features, dataset.num_classes) == (400, 128, 40)
    assert dataset.synthetic
    assert "(synthetic)" in dataset.name
    assert 13 * 400 < dataset.num_edges < 14 * 400
    assert torch.equal(block_model(400).x, dataset.x)
    assert torch.equal(block_model(400).edge_index, dataset.edge_index)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ("gat",)}, "architectures must be one of gin, gcn, sage, got 'gat'"),
        ({"nodes": ()}, "nodes is empty"),
        ({"nodes": (399,)}, "nodes must be integers of at least 400, got 399"),
        ({"nodes": (1e4,)}, "nodes must be integers"),
        ({"hidden_channels": (0,)}, "hidden_channels must be at least 1"),
        ({"epochs": 1}, "epochs must be at least 2"),
        ({"repeats": 0}, "repeats must be at least 1"),
        ({"sparsity": 2.0}, "sparsity"),
        ({"lr": 0.0}, "lr must be positive"),
    ],
)
def test_refused_configs(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CompareConfig(**changes)


def test_a_device_that_is_not_here(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="device"):
        compare_backends(CompareConfig(device="cuda:99"), tmp_path, progress=False)


def test_the_command_line_reads_the_config() -> None:
    ArgumentParser = import_quietly("jsonargparse").ArgumentParser
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(CompareConfig)
    given = ["--nodes", "[400, 800]", "--architectures", "[gcn]", "--memory", "false"]
    config = CompareConfig(**parser.parse_args(given))
    assert config.nodes == (400, 800)
    assert config.architectures == ("gcn",)
    assert config.memory is False
