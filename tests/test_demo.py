"""The demo: gslt compare as a preset, whose folder is a study's, and its record in README."""

from __future__ import annotations

from pathlib import Path

import pytest

import gslt
from gslt.cli import main, parse
from gslt.config import DemoConfig, SourcesConfig
from gslt.files import OutputFolder
from gslt.sources.comparison import FILES
from gslt.studies import execute

QUICK = ["--epochs", "2", "--hidden_channels", "4", "--seeds", "2"]


@pytest.fixture
def in_demo(blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Every data set is the small synthetic graph, in an empty folder."""
    monkeypatch.setattr(execute, "dataset_of", lambda *_: blocks)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_the_demo_writes_table_and_pictures(
    in_demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", *QUICK]) == 0
    said = capsys.readouterr()
    out = Path("runs/demo")
    assert "8 runs: weight training, dense source, sparse source, frozen source; seeds" in said.err
    assert "| frozen source | " in said.out
    assert "What all 2 seeds show is not yet an order" in said.out
    assert f"written: {', '.join(str(out / name) for name in FILES)}" in said.err
    assert set(FILES) <= set(OutputFolder(out, "study").names())
    for name in FILES[-2:]:
        assert (out / name).read_bytes().startswith(b"\x89PNG")


def test_the_same_demo_goes_on_and_another_keeps_its_runs(
    in_demo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["demo", *QUICK]) == 0
    before = files(Path("runs/demo"))
    with monkeypatch.context() as patch:
        patch.setattr(execute, "run_in_folder", None)
        assert main(["demo", *QUICK]) == 0
    assert files(Path("runs/demo")) == before
    assert main(["demo", *QUICK, "--epochs", "1"]) == 0
    now = files(Path("runs/demo"))
    kept = {name for name in before if name.startswith(("records/", "runs/", "studies/"))}
    assert {name: now[name] for name in kept} == {name: before[name] for name in kept}
    assert now["table.md"] != before["table.md"]


@pytest.mark.parametrize("name", ["thesis.tex", "table.md"])
def test_a_folder_of_somebody_else_is_refused(
    in_demo: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine").mkdir()
    Path("mine", name).write_text("mine")
    assert main(["demo", *QUICK, "--out", "mine"]) == 2
    assert "not empty and was not made by gslt" in capsys.readouterr().err
    assert files(Path("mine")) == {name: b"mine"}


def test_a_refused_demo_makes_nothing(in_demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--epochs", "0"]) == 2
    assert main(["demo", "--sparsity", "1"]) == 2
    assert "sparsity must lie in (0, 1)" in capsys.readouterr().err
    assert list(in_demo.iterdir()) == []


def test_it_has_the_settings_of_a_comparison() -> None:
    options = parse(["demo"]).demo
    assert (options.epochs, options.hidden_channels, options.seeds) == (32, 128, 3)
    assert options.out == Path("runs/demo")
    changed = {"epochs", "hidden_channels", "lr"}
    demo, usual = DemoConfig(), SourcesConfig()
    fields = DemoConfig.__dataclass_fields__
    assert {name for name in fields if getattr(demo, name) != getattr(usual, name)} == changed
