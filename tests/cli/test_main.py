import dataclasses
import json
import os
import subprocess
import sys

import pytest
import yaml

import gslt
from gslt.cli import main
from gslt.studies import demo

TINY = ["--epochs", "2", "--hidden_channels", "8", "--num_layers", "2"]


@pytest.fixture
def as_debian(blocks, monkeypatch):
    """The commands' default data set, replaced by a small synthetic one."""
    asked = []

    def load(name, root=None, *, split=0):
        asked.append((name, root, split))
        return dataclasses.replace(blocks, split=split)

    monkeypatch.setattr("gslt.data.load_dataset", load)
    monkeypatch.setattr(demo, "load_dataset", load)
    return asked


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"gslt {gslt.__version__}, torch ")
    assert all(name in out for name in ("PyG", "DGL", "ogb"))


@pytest.mark.parametrize(
    "command",
    [
        ["search"],
        ["train"],
        ["evaluate"],
        ["inspect"],
        ["demo"],
        ["data"],
        ["data", "list"],
        ["data", "info"],
        ["data", "download"],
        ["data", "synthesize"],
    ],
)
def test_every_command_has_help(capsys, command):
    with pytest.raises(SystemExit) as exit_:
        main([*command, "--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert "usage: gslt" in out
    assert "Unvalidated" not in out


def test_every_option_of_search_is_explained(capsys):
    with pytest.raises(SystemExit):
        main(["search", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    for text in ("Fraction of all weights that the ticket removes", "Width of every layer"):
        assert text in out
    for flag in ("--num_layers", "--hidden_channels", "--epochs", "--lr", "--runs"):
        assert flag in out


def test_search_writes_a_folder_that_evaluate_and_inspect_read(as_debian, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["search", "--out", str(out), *TINY, "--sparsity", "0.3", "--runs", "2"]) == 0
    assert {p.name for p in out.iterdir()} - {".lock"} == {
        "config.yaml",
        "environment.json",
        "finished-seed0.safetensors",
        "finished-seed1.safetensors",
        "metrics.jsonl",
        "summary.json",
        "timing.jsonl",
        "ticket.safetensors",
        "ticket-seed0.safetensors",
        "ticket-seed1.safetensors",
    }
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert (config["sparsity"], config["hidden_channels"], config["runs"]) == (0.3, 8, 2)
    assert config["dataset"] == "debian"
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [(e["seed"], e["epoch"]) for e in lines] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    summary = json.loads((out / "summary.json").read_text())
    assert len(summary["runs"]) == 2
    assert summary["size"]["sparsity"] == pytest.approx(0.3, abs=0.01)
    assert json.loads((out / "environment.json").read_text())["versions"]["gslt"]
    capsys.readouterr()
    seed1 = str(out / "ticket-seed1.safetensors")
    assert main(["evaluate", seed1, "--dataset", "debian"]) == 0
    shown = capsys.readouterr().out
    expected = 100 * summary["runs"][1]["test_accuracy"]
    assert f"test {expected:6.2f} % (at the search {expected:.2f})" in shown
    assert main(["inspect", str(out / "ticket.safetensors")]) == 0
    shown = capsys.readouterr().out
    assert "head.weight" in shown
    assert "sparsity=0.3" in shown


def test_a_run_repeats_from_its_own_config(as_debian, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    assert main(["search", "--out", str(first), *TINY, "--freezing_ratio", "0.2"]) == 0
    assert main(["search", "--config", str(first / "config.yaml"), "--out", str(second)]) == 0
    name = "ticket.safetensors"
    assert (first / name).read_bytes() == (second / name).read_bytes()
    assert (first / "config.yaml").read_text() == (second / "config.yaml").read_text()


def test_flags_win_over_the_file(as_debian, tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("epochs: 1\nhidden_channels: 4\nnum_layers: 2\n")
    assert (
        main(["train", "--config", str(file), "--epochs", "2", "--out", str(tmp_path / "r")]) == 0
    )
    config = yaml.safe_load((tmp_path / "r" / "config.yaml").read_text())
    assert (config["epochs"], config["hidden_channels"]) == (2, 4)
    assert (tmp_path / "r" / "weights.safetensors").is_file()


def test_errors_are_one_sentence(as_debian, tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    assert main(["search", *TINY, "--out", str(tmp_path / "full")]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert (tmp_path / "full" / "mine.txt").read_text() == "keep"
    assert main(["evaluate", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("gslt: there is no ticket file")
    assert main(["search", *TINY, "--sparsity", "0.1", "--prune_ratio", "0.5"]) == 2
    assert "prune_ratio 0.5 exceeds sparsity 0.1" in capsys.readouterr().err


def test_a_refused_run_leaves_no_folder(as_debian, tmp_path, capsys, monkeypatch):
    out = tmp_path / "run"
    assert main(["search", *TINY, "--out", str(out), "--device", "cuda:99"]) == 2
    assert "CUDA devices" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "dgl", None)
    monkeypatch.delitem(sys.modules, "gslt.backends.dgl", raising=False)
    assert main(["search", *TINY, "--out", str(out), "--backend", "dgl"]) == 2
    assert 'pip install "gslt[dgl]"' in capsys.readouterr().err
    assert not out.exists()


def test_a_place_that_cannot_be_written_is_one_sentence(as_debian, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["search", *TINY, "--out", str(tmp_path / "file" / "run")]) == 2
    assert capsys.readouterr().err.startswith("gslt: ")


def test_evaluate_uses_the_split_of_the_ticket(as_debian, blocks, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["search", *TINY, "--out", str(out), "--split", "3"]) == 0
    ticket = str(out / "ticket.safetensors")
    capsys.readouterr()
    assert main(["evaluate", ticket, "--dataset", "debian"]) == 0
    assert as_debian[-1] == ("debian", None, 3)
    assert "at the search" in capsys.readouterr().out
    assert main(["evaluate", ticket, "--dataset", "debian", "--split", "0"]) == 0
    assert "at the search" not in capsys.readouterr().out
    assert main(["evaluate", ticket]) == 2
    assert "no known name; give --dataset" in capsys.readouterr().err


def test_a_refused_demo_moves_nothing(as_debian, tmp_path, capsys):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "table.md").write_text("mine")
    assert main(["demo", "--out", str(tmp_path / "demo"), "--epochs", "0"]) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["demo"]


def test_interrupt(as_debian, tmp_path, monkeypatch, capsys):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["gslt.training.search"], "search", interrupt)
    assert main(["search", *TINY, "--out", str(tmp_path / "r")]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_wrong_types_are_refused(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["search", "--epochs", "many"])
    assert exit_.value.code == 2
    assert "epochs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"epochs: \xff\xfe", "not UTF-8 text (invalid start byte at byte 8)"),
        (b"epochs: " + b"[" * 9000 + b"]" * 9000, "nested too deeply"),
        (b"epochs: [", "Problems parsing config"),
        (b"", "Unexpected config"),
    ],
)
def test_damaged_settings_files(content, said, tmp_path, capsys):
    file = tmp_path / "settings.yaml"
    file.write_bytes(content)
    with pytest.raises(SystemExit) as stop:
        main(["search", "--config", str(file)])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_data_commands(tmp_path, capsys):
    root = ["--dataset_dir", str(tmp_path)]
    assert main(["data", "list", *root]) == 0
    listed = capsys.readouterr().out
    assert "debian" in listed
    assert "ogbn-arxiv" in listed
    assert main(["data", "info", "debian", *root]) == 0
    assert "63,666" in capsys.readouterr().out
    assert main(["data", "info", "cora", *root]) == 2
    assert "gslt data download cora" in capsys.readouterr().err
    assert main(["data", "info", "coraa", *root]) == 2
    assert "cora" in capsys.readouterr().err


def test_synthesized_data_runs_through_search(tmp_path, capsys):
    pytest.importorskip("ogb")
    root = ["--dataset_dir", str(tmp_path)]
    assert main(["data", "synthesize", "--scale", "0.005", *root]) == 0
    assert "synthetic" in capsys.readouterr().out
    out = str(tmp_path / "run")
    assert main(["search", "--dataset", "ogbn-arxiv-synthetic", *root, *TINY, "--out", out]) == 0
    assert "synthetic" in capsys.readouterr().out


def test_demo_writes_table_and_pictures(as_debian, tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out), "--epochs", "3", "--hidden_channels", "8"]) == 0
    rows = json.loads((out / "summary.json").read_text())
    assert [row["method"] for row in rows] == [
        "weight training",
        "ticket, dense source",
        "ticket, sparse source",
        "ticket, frozen source",
    ]
    dense, sparse, frozen = rows[1:]
    assert dense["times_smaller"] == 32
    assert abs(sparse["searched"] - frozen["searched"]) <= 1
    assert frozen["search_space"] == pytest.approx(0.6, abs=0.01)
    assert frozen["times_smaller"] == pytest.approx(32 / 0.6, rel=0.01)
    for name in ("accuracy_vs_size.png", "learning_curves.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    table = (out / "table.md").read_text()
    assert table in capsys.readouterr().out
    assert table.count("\n") == 6
    assert main(["demo", "--out", str(out), "--epochs", "1", "--hidden_channels", "4"]) == 0
    (old,) = tmp_path.glob("demo-*")
    assert (old / "table.md").read_text() == table


def test_the_module_is_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "gslt", "data", "list"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert done.returncode == 0, done.stderr
    assert "debian" in done.stdout
