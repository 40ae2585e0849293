"""What the figure to play with draws, by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from fabricated import fabricated, fill

from gslt.report.colours import COLOURS
from gslt.report.explorer import study_data, x_columns, y_columns
from gslt.report.groups import StudyGroups
from gslt.report.page import script_json
from gslt.studies.runs import StudyResults
from gslt.studies.study import GridCell, Study

GRID = Study(
    name="grid",
    settings={"hidden_channels": 10},
    arms={
        "weight training": {"method": "train"},
        "dense": {"sparsity": [0.2, 0.5, 0.8]},
        "frozen": {"sparsity": [0.5, 0.6], "freezing_ratio": 0.4},
    },
)


def accuracy(cell: GridCell) -> float:
    sparsity = cell.axes.get("sparsity", 0.5)
    return 0.6 - 0.1 * abs(sparsity - 0.5) + 0.01 * cell.spec.config.seed


def test_data_by_hand(tmp_path: Path) -> None:
    grid = study_data(fill(tmp_path, GRID, accuracy).results(GRID))
    # As the script reads it.
    assert json.loads(script_json(grid)) == grid
    by_label = {group["label"]: group for group in grid["groups"]}
    dense = by_label["dense, sparsity 0.8"]
    assert dense["n"] == 3
    # 0.57, 0.58, 0.59.
    assert dense["values"]["test_accuracy"] == pytest.approx([0.58, 0.01])
    assert dense["places"]["sparsity"] == 0.8
    assert by_label["weight training"]["places"]["sparsity"] is None
    assert by_label["weight training"]["places"]["arm"] == "weight training"
    drawn = {
        line["arm"]: (line["level"], len(line["groups"])) for line in grid["lines"]["sparsity"]
    }
    assert drawn == {"weight training": (True, 1), "dense": (False, 3), "frozen": (False, 2)}
    (level, dense_line, frozen) = grid["lines"]["sparsity"]
    assert (level["groups"], dense_line["groups"], frozen["groups"]) == ([0], [1, 2, 3], [4, 5])
    # Black is the ink of the page, which may be dark.
    assert grid["arms"] == {
        "weight training": "var(--ink)", "dense": COLOURS[0], "frozen": COLOURS[2],
    }  # fmt: skip
    assert grid["columns"]["model_bytes"] == {
        "column": "model_bytes",
        "label": "model size in kB: mask bits, or float32 weights",
        "factor": 1e-3,
        "log": True,
        "categories": None,
    }
    assert grid["columns"]["arm"]["categories"] == ["weight training", "dense", "frozen"]
    assert grid["x"]["sparsity"] == "sparsity (fraction of weights removed)"
    assert grid["y"]["test_accuracy"] == "test accuracy (%)"


def test_columns_of_both_axes(tmp_path: Path) -> None:
    study = StudyGroups(fill(tmp_path, GRID, accuracy).results(GRID))
    xs, ys = x_columns(study), y_columns(study)
    # The figure's own first, then the arms; nothing that all share, names a run or is an accuracy.
    assert xs[:2] == ["sparsity", "arm"]
    assert {"model_bytes", "searched", "freezing_ratio"} <= set(xs)
    assert not {"epochs", "identity", "seed", "label", "hardware", "test_accuracy"} & set(xs)
    assert ys[:3] == ["test_accuracy", "val_accuracy", "train_accuracy"]
    assert len(set(ys)) == len(ys)
    # Every run took as long, and its network is as large.
    assert not {"seconds", "num_weights", "identity"} & set(ys)


def test_what_is_no_number_is_left_out() -> None:
    study = Study(name="s", arms={"a": {"lr": [0.1, 0.2, 0.3]}}, seeds=1)
    records = {
        spec.identity: fabricated(spec, 0.5, log_quotient=found)
        for spec, found in zip(study.runs.values(), (-math.inf, 1.0, 2.0), strict=True)
    }
    data = study_data(StudyResults(study, records, {}, {}))
    values = [group["values"].get("log_quotient") for group in data["groups"]]
    # One run each has no deviation; −∞ has no place.
    assert values == [None, [1.0, None], [2.0, None]]
    assert json.loads(script_json(data)) == data


def test_studies_of_one_list_of_arms_share_its_colours(tmp_path: Path) -> None:
    arms = {"second": {"sparsity": 0.5}, "third": {"sparsity": 0.6}}
    study = Study(name="s", arms=arms, seeds=1)
    results = fill(tmp_path, study, lambda _: 0.5).results(study)
    own = study_data(results)["arms"]
    shared = study_data(results, ["first", "second", "third"])["arms"]
    assert own == {"second": COLOURS[0], "third": COLOURS[1]}
    assert shared == {"second": COLOURS[1], "third": COLOURS[2]}
