"""``gslt search`` and ``gslt train``."""

import dataclasses
import json
import sys
import warnings

import pytest
import yaml
from images import write_binary
from tiny_runs import TINY

from gslt.cli import main, parse
from gslt.cli.runs import check_resume
from gslt.errors import ConfigError, DataWarning, GsltWarning


def test_every_option_of_search_is_explained(capsys):
    with pytest.raises(SystemExit):
        main(["search", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    for text in ("Fraction of all weights that the ticket removes", "Width of every layer"):
        assert text in out
    for flag in ("--num_layers", "--hidden_channels", "--epochs", "--lr", "--runs"):
        assert flag in out


@pytest.mark.parametrize("command", ["search", "train"])
def test_ten_runs_of_arxiv_end_in_a_line_of_its_leaderboard(
    blocks, monkeypatch, tmp_path, capsys, command
):
    """A synthetic graph stands for it here."""
    data = dataclasses.replace(blocks, name="ogbn-arxiv", synthetic=False)
    monkeypatch.setattr("gslt.data.load_dataset", lambda name, root=None, *, split=0: data)
    few = ["--epochs", "1", "--hidden_channels", "4", "--num_layers", "2", "--runs"]
    assert main([command, "--out", str(tmp_path / "few"), *few, "9"]) == 0
    assert "leaderboard" not in capsys.readouterr().out
    assert main([command, "--out", str(tmp_path / "ten"), *few, "10"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (place,) = (n for n, line in enumerate(lines) if line.startswith("for OGB's leaderboard, Meth"))
    cells = lines[place + 1].split(" | ")
    summary = json.loads((tmp_path / "ten" / "summary.json").read_text())
    assert cells[0] == ("GIN, strong lottery ticket" if command == "search" else "GIN")
    assert cells[2] == f"{summary['test_accuracy']:.4f} ± {summary['test_std']:.4f}"
    assert cells[3] == f"{summary['val_accuracy']:.4f} ± {summary['val_std']:.4f}"
    assert cells[4] == f"{summary['size']['total']:,}"
    assert "torch" in cells[5]


def test_search_writes_a_folder_that_evaluate_and_inspect_read(as_debian, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["search", "--out", str(out), *TINY, "--sparsity", "0.3", "--runs", "2"]) == 0
    assert {p.name for p in out.iterdir()} - {".gslt"} == {
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
    (line,) = [line for line in shown.splitlines() if line.split()[0] == "test"]
    assert line.startswith(f" test {expected:6.2f} %, majority rate ")
    assert line.endswith(f" (at the search {expected:.2f})")
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


@pytest.mark.parametrize("more", [[], ["--rewire_every", "2", "--epochs", "6", "--lr", "0.1"]])
def test_training_under_a_mask_writes_a_weak_ticket(as_debian, blocks, tmp_path, capsys, more):
    out = tmp_path / "run"
    mask = ["--mask", "er", "--mask_sparsity", "0.6", "--allocation", "erk"]
    assert main(["train", *TINY, *mask, *more, "--out", str(out)]) == 0
    assert "bytes of trained weights" in capsys.readouterr().out
    assert not (out / "weights.safetensors").exists()
    summary = json.loads((out / "summary.json").read_text())
    kept = sum(layer["kept"] for layer in summary["layers"].values())
    total = sum(layer["total"] for layer in summary["layers"].values())
    assert kept == round(0.4 * total) == summary["size"]["kept"]
    assert summary["size"]["stored_bytes"] == 4 * kept
    assert summary["layers"]["head.weight"]["density"] > 0.4  # ERK: small layers are denser.
    ticket = str(out / "ticket.safetensors")
    assert main(["evaluate", ticket, "--dataset", "debian"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(" test"))
    expected = 100 * summary["test_accuracy"]
    assert line.startswith(f" test {expected:6.2f} %, majority rate ")
    assert line.endswith(f" (at the training {expected:.2f})")
    assert main(["inspect", ticket]) == 0
    shown = capsys.readouterr().out
    assert f"weak      {kept:,} trained weights, {4 * kept:,} bytes; their mask is" in shown
    assert "density 0." in shown
    # Once more: it is finished, and its result comes from the ticket.
    assert main(["train", "--resume", str(out)]) == 0
    assert "is finished" in capsys.readouterr().err


def test_a_mask_without_room_is_one_sentence(as_debian, tmp_path, capsys):
    mask = ["--mask_sparsity", "0.99999"]
    assert main(["train", *TINY, *mask, "--out", str(tmp_path / "run")]) == 2
    assert "has no room: it keeps none of the" in capsys.readouterr().err


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
    assert capsys.readouterr().err.splitlines()[-1].startswith("gslt: ")


def test_settings_beside_resume_are_refused():
    how = ["--checkpoint_seconds", "1", "--log=tensorboard", "--probe_every", "2"]
    allowed = ["search", "--resume", "run", *how]
    check_resume(parse(allowed).search, allowed)
    refused = [*allowed, "--lr=0.1", "--epochs", "3"]
    with pytest.raises(ConfigError, match=r"leave out --lr, --epochs$"):
        check_resume(parse(refused).search, refused)
    # Without --resume they are settings like any other.
    given = ["train", "--lr", "0.1"]
    check_resume(parse(given).train, given)


def test_a_folder_of_the_other_command(as_debian, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", *TINY, "--out", str(out)]) == 0
    capsys.readouterr()
    assert main(["search", "--resume", str(out)]) == 2
    assert f"was begun by gslt train: gslt train --resume {out}" in capsys.readouterr().err


def test_a_finished_run_is_not_probed_and_says_so(as_debian, tmp_path, capsys):
    out = tmp_path / "run"
    words = ["search", *TINY, "--out", str(out)]
    assert main(words) == 0
    before = (out / "environment.json").read_bytes()
    for again in (words, ["search", "--resume", str(out)]):
        with pytest.warns(
            GsltWarning, match="is finished: no epoch is .* --probe_every 1 measures"
        ):
            assert main(["-q", *again, "--probe_every", "1"]) == 0
    assert (out / "environment.json").read_bytes() == before
    assert not (out / "probe.jsonl").exists()
    # What was measured on its way is there; another distance is not.
    words[-1] = str(tmp_path / "probed")
    for _ in range(2):
        assert main([*words, "--probe_every", "1"]) == 0
    with pytest.warns(GsltWarning, match="--probe_every log measures nothing"):
        assert main([*words, "--probe_every", "log"]) == 0


def of_images(tmp_path):
    folder = write_binary(tmp_path / "tiny")
    return ["--architecture", "conv2", "--width", "0.05", "--dataset", str(folder)]


def test_images_are_searched_evaluated_and_inspected_like_graphs(tmp_path, capsys):
    words, out = of_images(tmp_path), tmp_path / "run"
    with pytest.warns(DataWarning, match="holds 60 of the 60,000"):
        assert main(["search", *words, "--epochs", "2", "--lr", "0.01", "--out", str(out)]) == 0
    shown = capsys.readouterr().err
    assert "ImageDataset('tiny', 60 images, 3 channels, 10 classes; train 40, val 10" in shown
    config = yaml.safe_load((out / "config.yaml").read_text())
    # What nobody said is the setting of images; what was said stays.
    assert (config["optimizer"], config["momentum"], config["batch_size"]) == ("sgd", 0.9, 128)
    assert (config["lr"], config["epochs"], config["augment"]) == (0.01, 2, True)
    ticket = str(out / "ticket.safetensors")
    with pytest.warns(DataWarning):
        assert main(["evaluate", ticket, "--dataset", words[-1]]) == 0
    summary = json.loads((out / "summary.json").read_text())
    expected = 100 * summary["runs"][0]["test_accuracy"]
    shown = capsys.readouterr().out
    assert "on tiny: accuracy" in shown
    assert f" test {expected:6.2f} %, majority rate 10.00 (at the search {expected:.2f})" in shown
    assert main(["inspect", ticket]) == 0
    assert "3 channels, 10 classes" in capsys.readouterr().out
    with pytest.warns(DataWarning):
        assert main(["search", "--resume", str(out)]) == 0
    assert "is finished; what follows is its result" in capsys.readouterr().err


def test_settings_of_images_come_from_a_file_too(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("architecture: conv6\nmomentum: 0.5\n")
    options = parse(["train", "--config", str(file), "--weight_decay", "0"]).train
    found = (options.momentum, options.weight_decay, options.optimizer, options.lr)
    assert found == (0.5, 0.0, "sgd", 0.01)
    assert parse(["train", "--epochs", "3"]).train.optimizer == "adamw"
    options = parse(["search", "--architecture", "conv6", "--optimizer", "adamw"]).search
    assert (options.momentum, options.weight_decay) == (0.0, 1e-4)


@pytest.mark.parametrize("how", ["--print_config", "--print_config=skip_default"])
@pytest.mark.parametrize("more", [[], ["--lr", "0.01"], ["--optimizer", "adamw"]], ids=" ".join)
@pytest.mark.parametrize("command", ["search", "train", "compare"])
def test_printed_settings_of_images_are_those_of_the_run(tmp_path, capsys, command, more, how):
    words = [command, "--architecture", "conv6", *more]
    with pytest.raises(SystemExit) as stop:
        main([*words, how])
    assert stop.value.code == 0
    file = tmp_path / "settings.yaml"
    file.write_text(capsys.readouterr().out)
    again = parse([command, "--config", str(file)])[command]
    del again["config"]
    expected = parse(words)[command]
    del expected["config"]
    assert again == expected
    assert again.batch_size == 128


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--probe_every", "1"], "over-smoothing is measured on a graph"),
        (["--num_layers", "3"], "num_layers is a setting of networks of graphs"),
        (["--backend", "dgl"], "backend is a setting of networks of graphs"),
        (["--architecture", "gin", "--width", "1"], "gin is a network of graphs"),
    ],
)
def test_what_needs_a_graph_says_so_of_images(tmp_path, capsys, more, message):
    words = [*of_images(tmp_path), "--epochs", "1", *more, "--out", str(tmp_path / "run")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        assert main(["search", *words]) == 2
    error = capsys.readouterr().err
    assert message in error.splitlines()[-1]


def test_a_network_of_images_on_a_graph_is_refused(as_debian, capsys):
    assert main(["search", "--architecture", "conv6"]) == 2
    assert "is a graph, and conv6 is a network of images; take" in capsys.readouterr().err
