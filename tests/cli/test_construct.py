"""``gslt construct``: from the command line to a ticket that ``gslt evaluate`` reads."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from gslt.cli import main, parse
from gslt.cli.construct import FILES, check_load
from gslt.data import NodeDataset
from gslt.errors import ConfigError, GsltWarning
from gslt.studies.constructions import ConstructionFolder
from gslt.ticket import load_ticket


@pytest.fixture
def graph(blocks: NodeDataset, tmp_path: Path) -> str:
    path = tmp_path / "blocks.safetensors"
    blocks.save(path)
    return str(path)


def test_a_ticket_that_equals_its_target(
    graph: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["construct", "--target", "gin", "--dataset", graph, "--hidden_channels", "8"]
    settings = ["--epochs", "60", "--freezing_ratio", "0.5", "--epsilon", "0.001"]
    assert main([*command, *settings, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "the same class on 100.00 %" in said
    assert sorted(FILES) == sorted(path.name for path in out.iterdir() if path.name != ".gslt")
    figures = json.loads((out / "summary.json").read_text())
    assert figures["output_error"] <= figures["bound"] <= 0.001
    assert figures["ticket_scores"] == figures["target_scores"]

    ticket = str(out / "ticket.safetensors")
    assert main(["evaluate", ticket, "--dataset", graph]) == 0
    value = 100 * figures["ticket_scores"]["test"]
    assert f"test {value:6.2f} % (at the construction {value:.2f})" in capsys.readouterr().out
    assert main(["inspect", ticket]) == 0
    assert "construction='2L'" in capsys.readouterr().out

    assert main(["evaluate", ticket, "--dataset", graph, "--backend", "dgl"]) == 2
    assert "is constructed; leave it out" in capsys.readouterr().err

    # The target is not trained again, and another seed gives another ticket of it.
    again = [*command[:-2], "--load", str(out / "target.safetensors"), "--seed", "7"]
    assert main([*again, "--out", str(tmp_path / "again")]) == 0
    assert (
        json.loads((tmp_path / "again" / "summary.json").read_text())["target_scores"]
        == (figures["target_scores"])
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--epsilon", "0"], "epsilon must be a finite number above 0"),
        (["--freezing_ratio", "1"], "freezing_ratio 1 leaves 0 of the weights"),
        (["--freezing_ratio", "1"], "freeze at most 0.95"),
        (["--freezing_ratio", "1.5"], "freezing_ratio must lie in [0, 1], got 1.5"),
        (["--lock_ratio", "0.96"], "prune_ratio 0 and lock_ratio 0.96 leave 0.04 of"),
        (["--copies", "5", "--failure", "1e-4"], "law is not asked; leave out --failure"),
        (["--copies", "5"], "are missed with 5 random channels"),
        (["--target", "mlp"], "leave it out"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    graph: str, options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["construct", "--dataset", graph, "--hidden_channels", "2", "--epochs", "1"]
    assert main([*command, *options, "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err


def test_a_small_target_is_scored_on_the_data_it_was_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Data of another seed has other examples to test on: most of them were trained on."""
    command = ["construct", "--target", "mlp", "--hidden_channels", "3", "--epochs", "2"]
    first, again = tmp_path / "first", tmp_path / "again"
    assert main([*command, "--target_seed", "3", "--out", str(first)]) == 0
    figures = json.loads((first / "summary.json").read_text())
    wanted = figures["ticket_scores"]
    capsys.readouterr()
    ticket = str(first / "ticket.safetensors")
    assert main(["--json", "evaluate", ticket]) == 0
    said = capsys.readouterr()
    assert (
        json.loads(said.out)["scores"]
        == wanted
        == {name: json.loads(said.out)["stored"][name] for name in wanted}
    )
    assert "does not say" not in said.err
    assert main(["evaluate", ticket, "--metric", "roc_auc", "--dataset-dir", "x"]) == 2
    assert "is of data that is made; leave out --metric, --dataset_dir" in capsys.readouterr().err
    assert main(["evaluate", ticket, "--split", "0"]) == 2
    assert "was found on other data than 'digits of seed 0' is now" in capsys.readouterr().err
    # As an older gslt wrote it: without the seed and the content.
    old = dataclasses.replace(load_ticket(ticket), split=0, content_hash="")
    old.save(tmp_path / "old.safetensors")
    for more, seed in ([], 0), (["--split", "3"], 3):
        with pytest.warns(GsltWarning, match=f"whether 'digits of seed {seed}' is still that"):
            assert main(["evaluate", str(tmp_path / "old.safetensors"), *more]) == 0
        said = capsys.readouterr()
        test = f"test {100 * wanted['test']:6.2f} %"
        assert (test in said.out) == (seed == 3)

    load = ["construct", "--target", "mlp", "--load", str(first / "target.safetensors")]
    for seed in ("0", "4"):
        assert main([*load, "--target_seed", seed, "--out", str(again)]) == 2
        assert f"of target_seed 3, and target_seed is {seed}" in capsys.readouterr().err
    assert main([*load, "--seed", "1", "--out", str(again)]) == 0
    summary = json.loads((again / "summary.json").read_text())
    assert summary["target_scores"] == figures["target_scores"]
    assert summary["settings"]["target_seed"] == 3


def test_settings_of_the_training_beside_a_target_are_refused(tmp_path: Path) -> None:
    words = ["construct", "--load", "t", "--target", "gcn", "--seed", "1"]
    check_load(parse(words).construct, words)
    refused = [*words, "--epochs", "9", "--lr=0.01", "--target_seed", "0"]
    with pytest.raises(ConfigError, match=r"^the target in 't' is trained; leave out --epochs, --"):
        check_load(parse(refused).construct, refused)
    # The data is a graph, which no seed makes.
    refused = [*words, "--target_seed", "3"]
    with pytest.raises(ConfigError, match=r"leave out --target_seed$"):
        check_load(parse(refused).construct, refused)
    file = tmp_path / "settings.yaml"
    for text in ("epochs: null\nlr: 0.01\n", "hidden_channels: 3\nlr: 0.01\n"):
        file.write_text(text)
        words = ["construct", "--load", "t", "--config", str(file)]
        options = parse(words).construct
        if "null" in text:  # As --print_config writes what is usual.
            check_load(options, words)
            continue
        with pytest.raises(ConfigError, match=r"leave out --hidden_channels$"):
            check_load(options, words)


def test_a_folder_of_others_stays_as_it_is(graph: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "ticket.safetensors").write_text("mine")
    command = ["construct", "--dataset", graph, "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert (tmp_path / "out" / "ticket.safetensors").read_text() == "mine"


QUICK = ["construct", "--hidden_channels", "2", "--epochs", "1", "--epsilon", "0.1"]


def test_a_folder_is_for_one_construction(
    graph: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = [*QUICK, "--dataset", graph, "--out", str(out)]
    assert main(command) == 0
    before = {name: (out / name).read_bytes() for name in FILES}
    assert json.loads(before["summary.json"])["settings"]["dataset"] == graph
    capsys.readouterr()
    for more, said in (
        (["--seed", "7"], "seed is 0 there and 7 here"),
        (["--target", "gcn", "--copies", "99"], "target is 'gin' there and 'gcn' here, copies is"),
    ):
        assert main([*command, *more]) == 2
        assert f"holds another construction: {said}" in capsys.readouterr().err
    assert {name: (out / name).read_bytes() for name in FILES} == before
    # The same one is made again, unless somebody else is at it.
    assert main(command) == 0
    capsys.readouterr()
    with ConstructionFolder(out):
        assert main(command) == 2
    assert "another process is using" in capsys.readouterr().err
    # That of a study does not say what it is of.
    with ConstructionFolder(tmp_path / "other") as folder:
        folder.files.write_json("summary.json", {})
    assert main([*command[:-1], str(tmp_path / "other")]) == 2
    assert "of a study or an older gslt, whose settings are not known" in capsys.readouterr().err


def test_without_a_folder_each_has_its_own(
    graph: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    command = [*QUICK, "--dataset", graph]
    assert main([*command, "--load", "none"]) == 2
    assert not Path("runs").exists()
    capsys.readouterr()
    for seed in ("0", "1"):
        assert main([*command, "--seed", seed]) == 0
    assert len([*Path("runs").glob("*-construct-gin-blocks*/ticket.safetensors")]) == 2
