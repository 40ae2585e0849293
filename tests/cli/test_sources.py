"""``gslt compare``; ``gslt demo`` is in test_demo.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from images import loaded, write_binary

import gslt
from gslt.cli import main, parse
from gslt.cli.sources import ACTIONS
from gslt.studies import execute

QUICK = ["--epochs", "2", "--hidden_channels", "4", "--num_layers", "2", "--seeds", "2"]


@pytest.fixture
def in_compare(blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Every data set is the small synthetic graph, in an empty folder."""
    monkeypatch.setattr(execute, "dataset_of", lambda *_: blocks)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_comparison(in_compare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--dataset", "cora", *QUICK, "--sparsity", "0.25"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("NodeDataset('blocks (synthetic)'")
    # A quarter into [0.4, 1]: 0.4 + 0.6 / 4.
    assert "| 0.55 (0.45) | 0.40 – 1.00, at 0.2" in said.out
    values = json.loads(Path("runs/compare-cora/summary.json").read_text())
    assert values["settings"]["dataset"] == "cora"
    assert values["seeds"] == [0, 1]
    assert main(["report", "runs/compare-cora"]) == 0
    assert main(["study", "status", "runs/compare-cora"]) == 0
    assert "8 of 8 runs done" in capsys.readouterr().out


def test_a_settings_file(in_compare: Path) -> None:
    Path("mine.yaml").write_text("freezing_ratio: 0.2\nseeds: 1\nout: there\ndataset: cora\n")
    assert main(["compare", "--config", "mine.yaml", *QUICK[:-2]]) == 0
    arms = json.loads(Path("there/summary.json").read_text())["arms"]
    assert [arm["n"] for arm in arms] == [1] * 4
    assert arms[2]["prune_ratio"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sparsity", "1"], "sparsity must lie in (0, 1), got 1.0"),
        (["--freezing_ratio", "0"], "freezing_ratio must lie in (0, 1), got 0.0"),
        (["--architecture", "conv6"], "is a graph, and conv6 is a network of images"),
        (["--device", "tpu"], "device must be"),
        (["--heads", "3"], "heads are for architecture gat"),
    ],
)
def test_errors_are_one_sentence(
    in_compare: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("gslt: ")
    assert said in error
    assert error.count("\n") == 1
    assert not Path("runs").exists()


def test_options() -> None:
    options = parse(["compare"]).compare
    usual = gslt.SourcesConfig()
    assert (options.seeds, options.epochs) == (usual.seeds, usual.epochs)
    assert "runs" not in options
    images = parse(["compare", "--architecture", "conv6", "--epochs", "3"]).compare
    assert (images.optimizer, images.lr, images.epochs, images.batch_size) == ("sgd", 0.1, 3, 128)
    assert list(ACTIONS) == ["compare", "demo"]


def test_images_train_at_their_own_rate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = loaded(write_binary(tmp_path / "data"))
    monkeypatch.setattr(execute, "dataset_of", lambda *_: data)
    monkeypatch.chdir(tmp_path)
    command = ["compare", "--dataset", "cifar10", "--architecture", "conv2", "--width", "0.05"]
    assert main([*command, "--epochs", "1", "--seeds", "1"]) == 0
    said = capsys.readouterr().out
    assert "CONV2, width × 0.05, 1 epochs, 40 training images" in said
    rates = {arm["arm"]: arm["lr"] for arm in _arms("runs/compare-cifar10")}
    assert rates["weight training"] == 0.01
    assert rates["dense source"] == 0.1


def _arms(folder: str) -> list[dict[str, float]]:
    found: list[dict[str, float]] = json.loads(Path(folder, "summary.json").read_text())["arms"]
    return found


@pytest.mark.slow
def test_workers_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["compare", *QUICK[:-1], "1", "--epochs", "1"]
    for out, number in (("one", "1"), ("two", "2")):
        assert main([*command, "--out", out, "--workers", number]) == 0
    one, two = ([{**arm, "seconds": 0.0} for arm in _arms(folder)] for folder in ("one", "two"))
    assert one == two
