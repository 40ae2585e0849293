"""Presets: every one is possible, has the numbers of the paper, runs and is reported."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

import gslt
from gslt.config import Preset, Size
from gslt.freezing import ALLOCATIONS, split_ratio, window_sparsity
from gslt.report import write_report
from gslt.studies.execute import run_study
from gslt.studies.presets import preset
from gslt.studies.records import StudyFolder

#: Presets of searches and trainings; that of constructions has tests of its own.
SEARCHES = [name for name in get_args(Preset) if name != "construction"]


@pytest.mark.parametrize("size", get_args(Size))
@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
def test_every_preset_is_possible(name, size, architecture):
    study = preset(name, size, architecture=architecture)
    assert study.runs
    assert all(run.config.architecture == architecture for run in study.runs.values())
    datasets = {run.dataset for run in study.runs.values()}
    usual = "cora" if name == "er" else "debian"
    assert datasets == {"ogbn-arxiv" if size == "paper" else usual}


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


@pytest.mark.parametrize("size", get_args(Size))
def test_window_preset_peaks_could_be_seen(size):
    study = preset("window", size)
    shares = {arm: settings["prune_share"] for arm, settings in study.arms.items()}
    assert sorted(shares.values()) == ([0, 0.25, 0.5, 0.75, 1] if size == "paper" else [0, 0.5, 1])
    for arm, share in shares.items():
        cells = [c for c in study.cells if c.arm == arm and c.spec.config.seed == 0]
        sparsities = {c.spec.config.sparsity for c in cells}
        prune, lock = split_ratio(0.4, share)
        assert min(sparsities) > prune
        assert max(sparsities) < 1 - lock
        assert window_sparsity(prune, lock, 0.5) in sparsities
        assert {c.axes["allocation"] for c in cells} == {"epl", "erk"}


@pytest.mark.parametrize("size", get_args(Size))
def test_locking_preset_changes_nothing_but_what_is_locked(size):
    study = preset("locking", size)
    by_arm = {
        arm: [c.spec.config for c in study.cells if c.arm == arm and c.spec.config.seed == 0]
        for arm in study.arms
    }
    dense = by_arm.pop("dense source")
    assert {c.ratios for c in dense} == {(0.0, 0.0)}
    for arm, configs in by_arm.items():
        share = study.arms[arm]["prune_share"]
        assert {c.ratios for c in configs} == {split_ratio(0.2, share)}
        assert [c.sparsity for c in configs] == [c.sparsity for c in dense]
        # Inside of every arm's window, so that each has something to search.
        assert 0.2 < min(c.sparsity for c in configs) < max(c.sparsity for c in configs) < 0.8


def test_random_sources_are_compared_at_equal_sparsity():
    study = preset("er")
    found = {}
    for cell in study.cells:
        config = cell.spec.config
        if cell.arm.startswith("strong ticket"):
            prune, lock = config.ratios
            kept = 1 - config.sparsity
            searched, locked = {
                "dense source": (1.0, 0.0),
                "dense by layer": (1.0, 0.0),
                "sparse source": (2 * kept, 0.0),
                "frozen source": (kept, kept / 2),
            }[cell.arm.partition(", ")[2]]
            assert lock == pytest.approx(locked)
            assert 1 - prune - lock == pytest.approx(searched)
        sparsity = getattr(config, "mask_sparsity", None) or getattr(config, "sparsity", 0.0)
        found.setdefault(cell.arm, set()).add((config.allocation, round(sparsity, 6)))
    # Training of all weights has neither a mask nor an allocation.
    assert found.pop("weight training") == {("uniform", 0.0)}
    grid = {(scheme, s) for scheme in ALLOCATIONS for s in (0.5, 0.75, 0.9, 0.95, 0.98, 0.99)}
    assert found["weak ticket"] == found["dynamic sparse training"] == grid
    # A balanced source may have no more weights left than the ticket keeps, or fewer.
    whole = {place for place in grid if place[1] > 0.5 and place[0] != "balanced"}
    assert found["strong ticket, sparse source"] == whole
    assert found["strong ticket, frozen source"] == whole
    dense = found["strong ticket, dense source"]
    assert dense == {place for place in grid if place[0] == "epl"}
    assert found["strong ticket, dense by layer"] == dense
    rewired = {c.spec.config.rewire_every for c in study.cells if c.arm.startswith("dynamic")}
    assert rewired == {3}


@pytest.mark.parametrize("name", SEARCHES)
def test_standard_has_seeds_enough_for_an_ordering(name):
    pairs = len(preset(name).seed_list)
    assert 2 / 2**pairs <= 0.05  # the least p of a two-sided sign-flip test


def test_unknown_presets():
    with pytest.raises(gslt.ConfigError, match="preset must be one of table"):
        preset("tables")
    with pytest.raises(gslt.ConfigError, match="size must be one of quick"):
        preset("table", "huge")


@pytest.mark.slow
def test_every_quick_preset_runs_and_is_reported(as_debian: Path) -> None:
    folder = StudyFolder("out")
    names = SEARCHES
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


@pytest.mark.parametrize("size", get_args(Size))
@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("architecture", ["conv6", "resnet18"])
def test_every_preset_of_images_is_possible(name: Preset, size: Size, architecture: str):
    study = preset(name, size, architecture=architecture)  # type: ignore[arg-type]
    configs = [run.config for run in study.runs.values()]
    assert {config.architecture for config in configs} == {architecture}
    assert {config.optimizer for config in configs} == {"sgd"}
    assert {config.batch_size for config in configs} == {128}
    assert {run.dataset.partition("?")[0] for run in study.runs.values()} == {"cifar10"}
    rates = {type(config).__name__: config.lr for config in configs}
    # Without a norm, weights are trained at a tenth of the rate.
    if "TrainConfig" in rates:
        assert rates["TrainConfig"] == (0.01 if architecture == "conv6" else 0.1)


def test_the_table_of_images_has_the_papers_sources():
    study = preset("table", "paper", architecture="conv6")
    ratios = {c.spec.config.ratios for c in study.cells if "frozen" in c.arm}
    assert {(round(p, 9), round(lock, 9)) for p, lock in ratios} == {
        *[(0.1, 0.1), (0.2, 0.2), (0.3, 0.3), (0.4, 0.4)]
    }
    assert {c.spec.config.width for c in study.cells} == {1.0}


def test_a_run_of_images_has_one_identity_however_it_is_said():
    from gslt.studies.study import RunSpec

    spec = RunSpec.from_values({"dataset": "cifar10", "architecture": "conv6"})
    said = {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4, "epochs": 100}
    full = RunSpec.from_values({"dataset": "cifar10", "architecture": "conv6", **said})
    assert spec.identity == full.identity
    assert "lr" not in spec.values
    # A graph's default is another setting here.
    other = RunSpec.from_values({"dataset": "cifar10", "architecture": "conv6", "lr": 0.01})
    assert other.values["lr"] == 0.01
    assert RunSpec.from_values(other.values) == other
    for name in ("smoothness", "trajectory"):
        with pytest.raises(
            gslt.ConfigError, match="over-smoothing, which needs a graph, and conv6"
        ):
            RunSpec.from_values({"dataset": "cifar10", "architecture": "conv6", name: True})
