"""Every example runs and every shipped config is accepted; on real data where it is at hand."""

import importlib.util
import os
import re
from pathlib import Path

import pytest
import yaml

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


def test_readme_names_files_and_commands_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "@@" not in text
    for path in re.findall(r"`((?:examples|benchmarks|docs|gslt)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path
    for target in re.findall(r"make (\w+)", text):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text(), target
