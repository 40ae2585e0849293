"""Every example runs and every shipped config is accepted; on real data where it is at hand."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from small_modules import skip_older_torch

import gslt
from gslt.cli import build_parser, main

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "examples" / "configs").glob("*.yaml"))


def command_of(config: Path) -> str:
    return "train" if config.stem.endswith("trained") else "search"


def load_example(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["pyg_model", "dgl_model"])
def test_one_changed_import(name, monkeypatch, blocks, capsys):
    if name == "dgl_model":
        pytest.importorskip("dgl")
    monkeypatch.setattr(gslt, "load_dataset", lambda name: blocks)
    assert load_example(name).main(epochs=60) > 0.6
    assert "searched" in capsys.readouterr().out


def test_search_ticket(monkeypatch, blocks, tmp_path, capsys):
    pytest.importorskip("dgl")
    monkeypatch.setattr(gslt, "load_dataset", lambda name: blocks)
    load_example("search_ticket").main(epochs=3, hidden_channels=8, out=tmp_path)
    assert "the ticket on DGL" in capsys.readouterr().out


def test_compare_sources(monkeypatch, blocks, tmp_path, capsys):
    monkeypatch.setattr(gslt, "load_dataset", lambda name: blocks)
    load_example("compare_sources").main(epochs=2, seeds=2, out=tmp_path / "out")
    said = capsys.readouterr().out
    assert "| frozen source |" in said
    assert "is not yet an order" in said
    assert (tmp_path / "out" / "both.pdf").read_bytes().startswith(b"%PDF")


def test_graph_classification(tmp_path, capsys):
    accuracy = load_example("graph_classification").main(graphs=240, epochs=10, out=tmp_path)
    assert accuracy > 0.8
    assert "(synthetic graphs)" in capsys.readouterr().out
    assert gslt.load_ticket(tmp_path / "graphs.safetensors").dataset == "synthetic graphs"


def test_link_prediction(monkeypatch, blocks, capsys):
    example = load_example("link_prediction")
    # Links at 3 and 1, others at 2 and 0: three of four pairs are in order.
    scores, labels = torch.tensor([3.0, 2.0, 1.0, 0.0]), torch.tensor([1, 0, 1, 0])
    assert example.area_under_curve(scores, labels) == 0.75
    monkeypatch.setattr(gslt, "load_dataset", lambda name: blocks)
    assert example.main(epochs=20) > 0.6
    assert "random weights kept" in capsys.readouterr().out


def test_export_ticket(monkeypatch, blocks, tmp_path, capsys):
    skip_older_torch()
    monkeypatch.setattr(gslt, "load_dataset", lambda name: blocks)
    example = load_example("export_ticket")
    assert example.main(epochs=30, hidden_channels=16, out=tmp_path) > 0.6
    # What the file computes, a process without gslt computes too.
    torch.save((blocks.x, blocks.edge_index), tmp_path / "graph.pt")
    code = (
        "import sys, torch\n"
        "program = torch.export.load('ticket.pt2').module()\n"
        "print(tuple(program(*torch.load('graph.pt', weights_only=True)).shape))\n"
        "print('gslt' in sys.modules)"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split("\n")[:2] == [f"({blocks.num_nodes}, 3)", "False"]


def test_configs_are_shipped():
    assert len(CONFIGS) >= 12


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_shipped_config_is_accepted(config):
    options = build_parser().parse_args([command_of(config), "--config", str(config)])
    values = yaml.safe_load(config.read_text())
    assert values["dataset"] in config.stem
    assert options[options.command].epochs == values["epochs"]


@pytest.mark.skipif("GSLT_DATA" not in os.environ, reason="GSLT_DATA is not set: no real data")
@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_shipped_config_runs_on_real_data(config, tmp_path):
    values = yaml.safe_load(config.read_text())
    if not {fact.name: fact.present for fact in gslt.list_datasets()}[values["dataset"]]:
        pytest.skip(f"{values['dataset']} is not in $GSLT_DATA")
    short = ["--epochs", "2", "--runs", "1", "--hidden_channels", "8"]
    arguments = [command_of(config), "--config", str(config), *short, "--out", str(tmp_path / "o")]
    assert main(arguments) == 0
