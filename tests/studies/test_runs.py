"""The frame of runs: its rows, columns and types, worked out by hand."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pandas as pd
import pytest
from fabricated import fabricated, fill, hand_made

from gslt.diagnostics import MEASURES
from gslt.studies.records import StudyFolder
from gslt.studies.runs import StudyResults, axis_names, frame_of
from gslt.studies.study import Study
from gslt.training.results import AT_BEST, AT_LAST

GRID = Study(
    name="grid",
    settings={"hidden_channels": 10},
    arms={
        "trained": {"method": "train"},
        "ticket": {"sparsity": [0.2, 0.5]},
        "half": {"sparsity": 0.5},
    },
    seeds=2,
)
#: A value of every type that one arm alone varies.
TYPES = Study(
    name="types",
    arms={
        "truth": {"batch_norm": [True, False]},
        "whole": {"num_layers": [2, 3]},
        "text": {"weight_init": ["ku", "skc"]},
        "number": {"method": "train", "dropout": [0, 0.5]},
    },
    seeds=1,
)


def grid(path: Path) -> StudyResults:
    """Tickets that are a little sparser than the grid asks for; accuracies 0.6 and 0.7 by seed."""
    folder = StudyFolder(path)
    folder.add(GRID)
    for spec in GRID.runs.values():
        config = spec.config
        more = {} if spec.method == "train" else {"sparsity": config.sparsity + 0.004}
        folder.write(fabricated(spec, 0.6 + 0.1 * config.seed, **more))
    return folder.results(GRID)


# Rows and columns


def test_rows_by_hand(tmp_path: Path) -> None:
    results = grid(tmp_path)
    runs = results.frame
    assert list(runs["arm"]) == 2 * ["trained", "ticket", "ticket", "half"]
    assert list(runs["label"])[:4] == [
        "trained",
        "ticket, sparsity 0.2",
        "ticket, sparsity 0.5",
        "half",
    ]
    assert list(runs["seed"]) == [0] * 4 + [1] * 4
    assert list(runs["test_accuracy"]) == pytest.approx([0.6] * 4 + [0.7] * 4)
    assert list(runs["method"]) == 2 * ["train", "search", "search", "search"]
    # A run that two arms share has a row in each.
    assert results.total == len(set(runs["identity"])) == 6
    assert runs["identity"][2] == runs["identity"][3] != runs["identity"][6]
    assert set(runs["study"]) == {"grid"}


def test_an_axis_has_the_grids_value_and_its_setting_what_was_measured(tmp_path: Path) -> None:
    runs = grid(tmp_path).frame
    # Only where the arm varies it: the third arm names one sparsity, training has none.
    expected = 2 * [math.nan, 0.2, 0.5, math.nan]
    assert list(runs["axis_sparsity"]) == pytest.approx(expected, nan_ok=True)
    assert list(runs["sparsity"]) == pytest.approx(2 * [0.0, 0.204, 0.504, 0.504])
    assert axis_names(runs) == ["sparsity"]
    assert axis_names(runs[runs["arm"] == "half"]) == []


def test_order_of_columns(tmp_path: Path) -> None:
    names = list(grid(tmp_path / "grid").frame)
    assert names[:11] == [
        "study", "arm", "label", "axis_sparsity", "seed", "identity", "method", "dataset",
        "graph", "split", "synthetic",
    ]  # fmt: skip
    # What the first row does not have stands behind what it has.
    assert names.index("test_accuracy") < names.index("hardware") < names.index("version_torch")
    assert {"epochs", "lr", "prune_share", "window_position"} <= set(names)
    assert not {"device", "runs"} & set(names)
    axes = list(fill(tmp_path / "types", TYPES, lambda _: 0.5).results(TYPES).frame)[3:7]
    assert axes == ["axis_batch_norm", "axis_num_layers", "axis_weight_init", "axis_dropout"]


def test_records_of_an_older_gslt_have_nothing_of_the_last_epoch(tmp_path: Path) -> None:
    """What they lack is NaN in the frame, beside runs that have it and alone."""
    late = ("test_loss", "last_train_accuracy", "last_test_loss")
    folder = StudyFolder(tmp_path)
    folder.add(GRID)
    for spec in GRID.runs.values():
        record = fabricated(spec, 0.6)
        if not spec.config.seed:
            for name in [n for n in (*AT_BEST, *AT_LAST) if "loss" in n or n in AT_LAST]:
                del record.measured[name]
        folder.write(record)
    runs = folder.results(GRID).frame
    assert list(runs["last_test_accuracy"]) == pytest.approx(
        [math.nan] * 4 + [0.58] * 4, nan_ok=True
    )
    assert list(runs["val_loss"]) == pytest.approx([math.nan] * 4 + [0.4] * 4, nan_ok=True)
    assert list(runs["train_accuracy"]) == pytest.approx([0.62] * 8)
    old = dataclasses.replace(GRID, seeds=[0])
    alone = folder.results(old)
    assert alone.frame[list(late)].isna().all(axis=None)
    assert set(late) <= set(alone.measured)


def test_derived_settings_are_told_of_searches(tmp_path: Path) -> None:
    place = {"freezing_ratio": 0.4, "prune_share": 0.75}
    arms = {
        "trained": {"method": "train"},
        "ticket": {**place, "window_position": [0.2, 0.5]},
    }
    study = Study(name="s", arms=arms, seeds=1)
    runs = fill(tmp_path, study, lambda _: 0.5).results(study).frame
    nan = math.nan
    assert list(runs["prune_share"]) == pytest.approx([nan, 0.75, 0.75], nan_ok=True)
    assert list(runs["window_position"]) == pytest.approx([nan, 0.2, 0.5], nan_ok=True)
    assert list(runs["freezing_ratio"]) == pytest.approx([nan, 0.4, 0.4], nan_ok=True)


def test_the_machine_and_the_graph(tmp_path: Path) -> None:
    runs = grid(tmp_path).frame
    assert set(runs["hardware"]) == {
        "Made-up OS, 2 cores, 1 thread, gslt 0.0.0, torch 9.9",
    }
    assert set(runs["version_torch"]) == {"9.9"}
    # It was not installed.
    assert "version_DGL" not in runs
    assert set(runs["graph"]) == {"toy (synthetic)"}
    assert runs["synthetic"].all()


# Types


def test_types(tmp_path: Path) -> None:
    runs = fill(tmp_path, TYPES, lambda _: 0.5).results(TYPES).frame
    found = {name: str(kind) for name, kind in runs.dtypes.items()}
    assert found["synthetic"] == found["batch_norm"] == "bool"
    assert found["seed"] == found["num_layers"] == found["num_weights"] == "int64"
    assert found["axis_batch_norm"] == "boolean"
    assert found["axis_num_layers"] == found["file_bytes"] == "Int64"
    # 0 and 0.5 are numbers, and so is what every row or some rows lack.
    assert found["axis_dropout"] == found["dropout"] == found["test_accuracy"] == "float64"
    assert found["prune_share"] == found["mask_sparsity"] == "float64"
    assert runs["prune_share"].isna().all()
    for name in ("arm", "identity", "weight_init", "axis_weight_init", "allocation"):
        assert not pd.api.types.is_numeric_dtype(runs[name])
        assert {type(value) for value in runs[name].dropna()} == {str}
    assert runs["axis_batch_norm"].dropna().tolist() == [True, False]
    assert runs["axis_num_layers"].dropna().tolist() == [2, 3]
    assert runs["axis_weight_init"].dropna().tolist() == ["ku", "skc"]
    assert runs["axis_dropout"].dropna().tolist() == [0.0, 0.5]
    for name in ("batch_norm", "num_layers", "weight_init", "dropout"):
        assert runs[f"axis_{name}"].isna().sum() == 6
    # Training searches no ticket.
    assert runs["file_bytes"].isna().tolist() == [False] * 6 + [True] * 2


def test_types_of_several_studies_are_those_of_one(tmp_path: Path) -> None:
    """What one study alone varies is missing in the others, and keeps its type and its place."""
    parts = [
        Study(name=f"{name} only".replace(" ", "-"), arms={name: dict(arm)}, seeds=1)
        for name, arm in TYPES.arms.items()
    ]
    folder = StudyFolder(tmp_path / "parts")
    for study in parts:
        fill(folder.path, study, lambda _: 0.5)
    together = frame_of([folder.results(study) for study in parts])
    alone = fill(tmp_path / "alone", TYPES, lambda _: 0.5).results(TYPES).frame
    assert list(together["study"])[::2] == [study.name for study in parts]
    pd.testing.assert_frame_equal(together.drop(columns="study"), alone.drop(columns="study"))


def test_of_nothing(tmp_path: Path) -> None:
    results = fill(tmp_path, GRID, lambda _: None).results(GRID)
    assert len(results.frame) == len(results.layers) == len(frame_of([])) == 0
    assert axis_names(results.frame) == []


# Over-smoothing

FINITE = hand_made([1.0, math.exp(-1), math.exp(-5), 7.0], [1.0] * 4)
COLLAPSED = hand_made([1.0, math.exp(-1), None, 7.0], [1.0, 1.0, 1e-30, 1.0])
OVERFLOWN = hand_made([1.0, math.exp(-1), None, 7.0], [1.0, 1.0, None, 1.0])


@pytest.fixture
def smooth(tmp_path: Path) -> StudyResults:
    """Trainings that were measured, of which one collapsed and one overflew, and tickets."""
    arms = {"measured": {"method": "train", "smoothness": True}, "ticket": {}}
    study = Study(name="s", arms=arms, seeds=3)
    folder = StudyFolder(tmp_path)
    folder.add(study)
    for cell in study.cells:
        record = fabricated(cell.spec, 0.5)
        if cell.spec.smoothness:
            profile = (FINITE, COLLAPSED, OVERFLOWN)[cell.spec.config.seed]
            record = dataclasses.replace(record, profile=profile)
        folder.write(record)
    return folder.results(study)


def test_collapsed_where_the_log_quotient_is_minus_infinity_and_nowhere_else(
    smooth: StudyResults,
) -> None:
    runs = smooth.frame
    assert str(runs["collapsed"].dtype) == "boolean"
    measured, tickets = (runs[runs["arm"] == arm] for arm in ("measured", "ticket"))
    expected = [-5.0, -math.inf, math.nan]
    assert measured["log_quotient"].tolist() == pytest.approx(expected, nan_ok=True)
    assert measured["collapsed"].tolist() == [False, True, False]
    assert (runs["log_quotient"] == -math.inf).sum() == 1
    # 0, −1, −5 fall by 2.5 a layer; the others have no slope.
    slopes = [-2.5, math.nan, math.nan]
    assert measured["log_quotient_slope"].tolist() == pytest.approx(slopes, nan_ok=True)
    assert tickets["collapsed"].isna().all()
    assert tickets["log_quotient"].isna().all()


def test_layers_by_hand(smooth: StudyResults) -> None:
    layers = smooth.layers
    # Three measured runs of four layers; tickets were not measured.
    assert layers["arm"].tolist() == ["measured"] * 12
    assert layers["seed"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert layers["layer"].tolist() == 3 * [1, 2, 3, 4]
    assert layers["hidden"].tolist() == 3 * [True, True, True, False]
    expected = [0.0, -1.0, -5.0, math.log(7)]
    expected += [0.0, -1.0, -math.inf, math.log(7), 0.0, -1.0, math.nan, math.log(7)]
    assert layers["log_quotient"].tolist() == pytest.approx(expected, nan_ok=True)
    energies = [1.0] * 6 + [1e-30] + [1.0] * 3 + [math.nan, 1.0]
    assert layers["dirichlet_energy"].tolist() == pytest.approx(energies, nan_ok=True)
    assert set(smooth.frame) - set(layers) == set()
    assert set(layers) - set(smooth.frame) <= {"layer", "hidden", *MEASURES}
    assert (str(layers["hidden"].dtype), str(layers["layer"].dtype)) == ("bool", "int64")
    # Whole numbers of the tickets alone: nothing is left of them here.
    assert str(smooth.frame["file_bytes"].dtype) == "Int64"
    assert layers["file_bytes"].isna().all()


# What is there


def test_what_a_folder_holds_in_words(tmp_path: Path) -> None:
    results = grid(tmp_path)
    assert (results.troubles, results.total) == ([], 6)
    assert results.dataset == "toy (synthetic)"
    assert results.synthetic == ["toy (synthetic)"]
    first, second, *_ = GRID.runs
    records = {name: record for name, record in results.records.items() if name != first}
    graph = {"name": "web", "synthetic": False}
    records[second] = dataclasses.replace(records[second], graph=graph)
    partial = StudyResults(GRID, records, {first: "it is damaged"}, {second: "no memory"})
    assert partial.dataset == "web, toy (synthetic)"
    assert partial.synthetic == ["toy (synthetic)"]
    assert partial.troubles == [
        f"records/{first}.json cannot be used: it is damaged",
        f"run {second} failed: no memory",
    ]
    assert len(partial.frame) == 7
    assert first not in set(partial.frame["identity"])
