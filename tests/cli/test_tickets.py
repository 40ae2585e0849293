"""``gslt evaluate``, ``gslt inspect`` and ``gslt overlap``."""

import json
import shutil

import pytest
import torch
import yaml
from tiny_runs import TINY
from torch import nn

from gslt.cli import main, parse
from gslt.cli.tickets import ACTIONS
from gslt.config import FreezeConfig
from gslt.errors import FreezingWarning
from gslt.masking.freeze import freeze
from gslt.ticket.overlaps import overlap
from gslt.ticket.ticket import Ticket, load_ticket


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
    # Its run folder knows the data set by its address; elsewhere nobody does.
    assert main(["evaluate", ticket]) == 0
    assert as_debian[-1] == ("debian", None, 3)
    said = capsys.readouterr()
    assert "at the search" in said.out
    assert f"on debian, as {out / 'config.yaml'} says" in said.err
    alone = shutil.copy(ticket, tmp_path)
    assert main(["evaluate", alone]) == 2
    assert "no known name; give --dataset" in capsys.readouterr().err


def test_defaults_are_the_tickets_own():
    options = parse(["evaluate", "t"]).evaluate
    assert (options.dataset, options.split, options.backend) == (None, None, "pyg")
    assert list(ACTIONS) == ["evaluate", "inspect", "overlap"]


def test_what_a_ticket_file_holds(as_debian, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["search", *TINY, "--out", str(out), "--freezing_ratio", "0.4"]) == 0
    capsys.readouterr()
    assert main(["inspect", str(out / "ticket.safetensors")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:6]] == [
        "model", "source", "found", "ticket", "size", "file",
    ]  # fmt: skip
    frozen = [line for line in lines[6:] if not line.startswith("warning")]
    # Every mask with the number of weights that it keeps; together they are the searched ones.
    searched = [int(line.split()[-2].replace(",", "")) for line in frozen]
    assert f"{sum(searched):,} searched" in lines[3]
    words = [line.replace(",", "").split() for line in frozen]
    assert words[0][2:8:2] == ["weights:", "pruned", "locked"]
    pruned, locked = (sum(int(word[place]) for word in words) for place in (3, 5))
    assert f"{pruned:,} pruned, {locked:,} locked" in lines[3]


def test_what_a_ticket_stores_beside_its_masks(tmp_path, capsys):
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    freeze(module, FreezeConfig())
    module(torch.linspace(-1, 1, 6).view(2, 3))
    Ticket.of(module).save(tmp_path / "t.safetensors")
    assert main(["inspect", str(tmp_path / "t.safetensors")]) == 0
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "state     9 values beside the masks, 40 bytes",
        "  1.num_batches_tracked  one value, int64",
        "  1.running_mean  4, float32",
        "  1.running_var  4, float32",
    ]


def test_place_and_what_it_is_on_the_graph_without_edges(as_debian, tmp_path, capsys):
    out = tmp_path / "run"
    options = ["--num_layers", "3", "--freezing_ratio", "0.05", "--place", "hidden"]
    run = ["search", *TINY, *options, "--edges", "none", "--probe_every", "1", "--out", str(out)]
    assert main(run) == 0
    assert "nearly" not in capsys.readouterr().err
    ticket = load_ticket(out / "ticket.safetensors")
    assert ticket.config.place == "hidden"
    assert ticket.architecture.model.edges == "none"
    assert [layer.frozen > 0 for layer in ticket.report.layers] == [False, True, False, False]
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert (config["place"], config["edges"]) == ("hidden", "none")
    # Nothing tells it the edges, and the accuracies are those of the search.
    stored = ticket.results["test"]
    for backend in ("pyg", "dgl"):
        file = str(out / "ticket.safetensors")
        assert main(["evaluate", file, "--dataset", "debian", "--backend", backend]) == 0
        shown = capsys.readouterr().out
        assert f" test {100 * stored:6.2f} %, majority rate " in shown
        assert f" (at the search {100 * stored:.2f})" in shown
    assert (out / "probe.jsonl").stat().st_size > 0


def test_a_place_without_a_layer(as_debian, tmp_path, capsys):
    run = ["search", *TINY, "--place", "hidden", "--freezing_ratio", "0.4", "--out"]
    assert main([*run, str(tmp_path / "run"), "--num_layers", "2"]) == 2
    assert "no layer takes part in freezing" in capsys.readouterr().err
    assert main([*run, str(tmp_path / "b"), "--num_layers", "3", "--place", "nowhere"]) == 2
    assert "'nowhere' is no layer of this network" in capsys.readouterr().err


def test_one_layer_that_takes_nearly_all_is_said_once(as_debian, tmp_path, capsys):
    out = tmp_path / "run"
    # 8 × 128 weights of the first layer, at most 8 × 8 of another one.
    run = ["search", *TINY, "--runs", "2", "--freezing_ratio", "0.2", "--out", str(out)]
    with pytest.warns(FreezingWarning) as told:
        assert main(run) == 0
    assert len(told) == 1
    assert "layers.0.nn.weight" in str(told[0].message)
    assert main(["inspect", str(out / "ticket-seed0.safetensors")]) == 0
    assert f"warning   {told[0].message}" in capsys.readouterr().out


def test_a_module_of_ones_own_says_what_is_known_of_it(tmp_path, capsys):
    module = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 2, bias=False))
    freeze(module, FreezeConfig(lock_ratio=0.5))
    Ticket.of(module).save(path := tmp_path / "t.safetensors")
    assert main(["--json", "inspect", str(path)]) == 0
    found = json.loads(capsys.readouterr().out)
    searched = {name: mask.numel() for name, mask in load_ticket(path).masks.items()}
    assert {name: each["searched"] for name, each in found["layers"].items()} == searched
    assert main(["evaluate", str(path)]) == 2
    assert "was found in a module of your own" in capsys.readouterr().err


def test_warnings_are_the_same_in_words_and_in_json(as_debian, tmp_path, capsys):
    out = tmp_path / "run"
    few = ["--freezing_ratio", "0.01"]
    with pytest.warns(FreezingWarning):
        assert main(["search", *TINY, *few, "--out", str(out)]) == 0
    capsys.readouterr()
    ticket = str(out / "ticket.safetensors")
    assert main(["inspect", ticket]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [line.removeprefix("warning   ") for line in lines if line.startswith("warning")]
    assert main(["--json", "inspect", ticket]) == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == told != []


@pytest.fixture
def found_tickets(as_debian, tmp_path, capsys):
    paths = []
    for number in range(3):
        out = tmp_path / f"run{number}"
        other = ["--seed", "1"] if number == 2 else ["--score_draw", str(number)]
        assert main(["search", *TINY, *other, "--out", str(out)]) == 0
        paths.append(str(out / "ticket.safetensors"))
    capsys.readouterr()
    return paths


def test_two_tickets_layer_by_layer(found_tickets, tmp_path, capsys):
    drawing = tmp_path / "overlap.png"
    assert main(["overlap", *found_tickets[:2], "--plot", str(drawing)]) == 0
    found = overlap(*map(load_ticket, found_tickets[:2]))
    assert capsys.readouterr().out.rstrip("\n") == str(found)
    assert drawing.read_bytes().startswith(b"\x89PNG")
    assert main(["--json", "overlap", *found_tickets[:2]]) == 0
    (pair,) = json.loads(capsys.readouterr().out)["pairs"]
    assert pair["tickets"] == found_tickets[:2]
    assert pair["same_weights"] is True
    assert pair["all"] == found.whole.as_dict()
    assert list(pair["layers"]) == list(found.layers)


def test_more_tickets_pair_by_pair(found_tickets, tmp_path, capsys):
    drawing = tmp_path / "overlap.svg"
    assert main(["overlap", *found_tickets, "--plot", str(drawing)]) == 0
    head, *lines, note = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "tickets"
    assert len(lines) == 3
    assert lines[0].startswith(f"{found_tickets[0]} and {found_tickets[1]} ")
    assert [line.split()[-1] == "1.000" for line in lines] == [True, False, False]
    assert note.startswith("where not all have one sign, the random weights differ")
    assert drawing.read_text(encoding="utf-8").count("<svg") == 1


def test_what_no_overlap_is_of(found_tickets, tmp_path, capsys):
    first = found_tickets[0]
    assert main(["overlap", first]) == 2
    assert "an overlap is of two ticket files at least" in capsys.readouterr().err
    assert main(["overlap", *found_tickets, first]) == 2
    assert f"{first} is given twice; leave one out" in capsys.readouterr().err
    assert main(["overlap", *found_tickets, "--plot", "overlap.txt"]) == 2
    assert "ends in .png or .svg or .pdf, and 'overlap.txt' does not" in capsys.readouterr().err
    other = tmp_path / "other"
    wide = ["--epochs", "2", "--hidden_channels", "6", "--num_layers", "2", "--out", str(other)]
    assert main(["search", *wide]) == 0
    capsys.readouterr()
    wider = str(other / "ticket.safetensors")
    assert main(["overlap", first, wider]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"gslt: {first} and {wider}: the tickets are of networks with other")
