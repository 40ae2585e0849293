"""The whole comparison: what it writes, and errors that it must tell."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from gslt.comparison import CompareConfig, compare_backends
from gslt.comparison import compare as module
from gslt.comparison import routes as routes_module
from gslt.comparison.memory import Meter
from gslt.comparison.routes import HOST, HostBackend, HostGNN, Route, find_routes
from gslt.config import SearchConfig
from gslt.data import NodeDataset
from gslt.errors import ConfigError, GsltError, RunError
from gslt.files import OutputFolder

ROUTES, _ = find_routes()
QUICK: dict[str, Any] = {"hidden_channels": (8,), "num_layers": 2, "epochs": 2, "repeats": 1}


class Wrong(HostGNN):
    """A route with an error: its last layer adds a hundredth of one input column to the output."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.layers[-1].register_forward_hook(
            lambda layer, given, out: out + 0.01 * given[0][:, :1]
        )


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
    assert OutputFolder(out, "comparison").names() == [
        f"comparison.{end}" for end in ("json", "md", "png")
    ]
    assert OutputFolder(out, "comparison").strangers() == []


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


def test_files_of_others_are_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_on_graph", None)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "comparison.md").write_text("mine")
    with pytest.raises(RunError, match="not empty and was not made by gslt"):
        compare_backends(CompareConfig(), tmp_path / "docs", progress=False)
    OutputFolder(tmp_path / "out", "comparison")
    (tmp_path / "out" / "comparison.md").write_text("mine")
    with pytest.raises(RunError, match=r"comparison.md' is not as gslt wrote it"):
        compare_backends(CompareConfig(), tmp_path / "out", progress=False)
    for folder in ("docs", "out"):
        assert (tmp_path / folder / "comparison.md").read_text() == "mine"


def test_a_device_that_is_not_here(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="device"):
        compare_backends(CompareConfig(device="cuda:99"), tmp_path, progress=False)
