"""Presets: every one is possible, has the numbers of the paper, runs and is reported."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

import gslt
from gslt.freezing import split_ratio, window_sparsity
from gslt.report import write_report
from gslt.studies.execute import run_study
from gslt.studies.presets import Preset, Size, preset
from gslt.studies.records import StudyFolder


@pytest.mark.parametrize("size", get_args(Size))
@pytest.mark.parametrize("name", get_args(Preset))
@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage"])
def test_every_preset_is_possible(name, size, architecture):
    study = preset(name, size, architecture=architecture)
    assert study.runs
    assert all(run.config.architecture == architecture for run in study.runs.values())
    datasets = {run.dataset for run in study.runs.values()}
    assert datasets == {"ogbn-arxiv" if size == "paper" else "debian"}


def test_the_paper_has_the_papers_numbers():
    study = preset("table", "paper")
    configs = [run.config for run in study.runs.values()]
    assert {c.epochs for c in configs} == {400}
    assert {c.hidden_channels for c in configs} == {386}
    assert {c.lr for c in configs} == {0.01}
    assert len(study.seed_list) == 3
    frozen = next(c.spec.config for c in study.cells if c.arm == "frozen source, dense range, SKC")
    # 32 / (1 - 0.2): the paper's 40 times smaller ticket.
    assert frozen.ratios == (0.0, 0.2)


def test_window_preset_peaks_could_be_seen():
    study = preset("window", "standard")
    for share in (0.0, 0.5, 1.0):
        arm = f"{100 * share:.0f} : {100 * (1 - share):.0f}"
        cells = [c for c in study.cells if c.arm == arm and c.spec.config.seed == 0]
        sparsities = {c.spec.config.sparsity for c in cells}
        prune, lock = split_ratio(0.4, share)
        assert min(sparsities) > prune
        assert max(sparsities) < 1 - lock
        assert window_sparsity(prune, lock, 0.5) in sparsities
        assert {c.axes["allocation"] for c in cells} == {"epl", "erk"}


def test_unknown_presets():
    with pytest.raises(gslt.ConfigError, match="preset must be one of table"):
        preset("tables")
    with pytest.raises(gslt.ConfigError, match="size must be one of quick"):
        preset("table", "huge")


@pytest.mark.slow
def test_every_quick_preset_runs_and_is_reported(as_debian: Path) -> None:
    folder = StudyFolder("out")
    names = get_args(Preset)
    studies = [preset(name, "quick", architecture="sage") for name in names]
    for study in studies:
        summary = run_study(study, folder, progress=False)
        assert summary.computed + summary.present == len(study.runs)
        assert not summary.failures
    files = write_report(folder)
    assert files[0] == Path("out/report.html")
    for study in studies:
        assert Path("out/figures", study.name, "accuracy.png").stat().st_size > 10_000
        table = Path("out/tables", study.name, "summary.md").read_text()
        assert "synthetic" in table
        assert "Partial" not in table
