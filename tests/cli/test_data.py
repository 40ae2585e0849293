"""``gslt data``."""

import json

import pytest
from tiny_runs import TINY

from gslt.cli import data, main, parse
from gslt.errors import GsltWarning


def test_data_commands(tmp_path, capsys):
    root = ["--dataset_dir", str(tmp_path)]
    assert main(["data", "list", *root]) == 0
    listed = capsys.readouterr().out
    assert "debian" in listed
    assert "ogbn-arxiv" in listed
    with pytest.warns(GsltWarning, match="nowhere' is no folder, so that nothing is there"):
        assert main(["data", "list", "--dataset_dir", str(tmp_path / "nowhere")]) == 0
    assert main(["data", "info", "debian", *root]) == 0
    assert "63,666" in capsys.readouterr().out
    assert main(["data", "info", "debian", "--json", *root]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["nodes"], facts["components"] > 1) == (63_666, True)
    assert sum(facts["class_counts"].values()) == facts["labelled"] == 63_405
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


def test_options_of_a_stand_in():
    options = parse(["data", "synthesize"]).data.synthesize
    assert (options.scale, options.seed, options.dataset_dir) == (1.0, 0, None)
    assert list(data.ACTIONS) == [
        "data list",
        "data info",
        "data convert",
        "data download",
        "data synthesize",
    ]


def test_what_is_there_is_not_said_to_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "download", "debian"]) == 0
    said = capsys.readouterr()
    assert "debian is there already: " in said.out
    assert "written" not in said.out + said.err
