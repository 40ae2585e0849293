"""``gslt study``, ``gslt report`` and ``gslt compare-backends``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_studies import tiny

import gslt
from gslt.cli import main, parse
from gslt.cli.studies import ACTIONS
from gslt.conjecture.protocol import PLAN
from gslt.studies import execute
from gslt.studies.presets import preset


@pytest.fixture
def in_studies(blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Every name of a data set means the small synthetic graph, in an empty folder."""
    monkeypatch.setattr(execute, "dataset_of", lambda *_: blocks)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands(in_studies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("study.yaml").write_text(tiny().to_yaml())
    command = ["study", "run", "--study", "study.yaml", "--out", "out"]
    assert main(command) == 0
    said = capsys.readouterr()
    assert "tiny: 6 runs of 2 arms\n" in said.err
    assert said.out == "tiny: 6 runs computed, 0 were there\n"
    assert main(command) == 0
    assert "0 runs computed, 6 were there" in capsys.readouterr().out
    assert main(["study", "status", "out"]) == 0
    assert "tiny: 6 of 6 runs done" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["study", "run", "--out", "out"], "give either --preset or --study"),
        (["study", "run", "--out", "o", "--preset", "table", "--study", "x"], "give either"),
        (["study", "run", "--out", "o", "--study", "none.yaml"], "cannot be read"),
        (["study", "run", "--out", "o", "--preset", "table", "--device", "tpu"], "device must be"),
        (["study", "status", "nothing"], "holds no study"),
        (
            ["study", "run", "--out", "o", "--study", "x.yaml", "--dataset=a", "--size", "quick"],
            "the study in 'x.yaml' has its own settings; leave out --dataset, --size",
        ),
        (
            ["study", "run", "--out", "o", "--study", "x.yaml", "--architecture", "gcn"],
            "leave out --architecture",
        ),
    ],
)
def test_errors_are_one_sentence(
    in_studies: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("gslt: ")
    assert said in error
    assert error.count("\n") == 1
    assert not Path("o").exists()


def test_a_report_of_a_study(in_studies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("study.yaml").write_text(tiny(seeds=1).to_yaml())
    assert main(["study", "run", "--study", "study.yaml", "--out", "out"]) == 0
    assert "gslt report out makes tables and figures of it" in capsys.readouterr().err
    assert main(["report", "out"]) == 0
    said = capsys.readouterr()
    assert said.out == "tiny: 3 of 3 runs, 2 of 2 arms\n"
    assert said.err.startswith("written: out/report.html, and ")
    assert Path("out/report.html").is_file()


def test_runs_that_fail_and_a_test_of_the_conjecture(
    in_studies: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise gslt.GsltError("the loss became nan")

    Path("study.yaml").write_text(tiny(seeds=1).to_yaml())
    with monkeypatch.context() as patch:
        patch.setattr(execute, "run_in_folder", fail)
        assert main(["study", "run", "--study", "study.yaml", "--out", "out"]) == 2
    assert capsys.readouterr().err.endswith(
        "\ngslt: 3 runs failed (the loss became nan); the same command goes on; gslt report out "
        "shows what is there\n"
    )
    assert main(["report", "out"]) == 2
    assert "holds no record" in capsys.readouterr().err
    Path("out", PLAN).write_text("{}")
    assert main(["report", "out"]) == 2
    assert "gslt conjecture --report_only --out out" in capsys.readouterr().err


def test_options_of_studies() -> None:
    options = parse(["study", "run", "--out", "x", "--preset", "table"]).study.run
    assert preset(options.preset, options.size, architecture=options.architecture).values == (
        preset("table", "standard").values
    )
    assert parse(["compare-backends"])["compare-backends"].out == Path("runs/backends")
    assert "report" in ACTIONS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--split", "3"], "without --dataset the graphs are synthetic; leave out --split"),
        (["--dataset_dir", "x"], "without --dataset the graphs are synthetic; leave out --dataset"),
        (["--dataset", "debian", "--nodes", "400"], "the graph is debian; leave out --nodes"),
        (["--heads", "4"], "heads are those of gat"),
    ],
)
def test_options_that_would_be_lost(words: list[str], said: str, capsys: Any) -> None:
    assert main(["compare-backends", "--out", "out", *words]) == 2
    assert said in capsys.readouterr().err
