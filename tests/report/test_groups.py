"""Runs as groups, their places on an axis, and which groups make a line, by hand."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
from fabricated import fabricated, fill, hand_made

from gslt.report.groups import StudyGroups
from gslt.studies.records import StudyFolder
from gslt.studies.study import GridCell, Study

SWEEP = {
    "weight training": {"method": "train"},
    "ticket": {
        "prune_ratio": 0.1,
        "sparsity": [0.2, 0.5],
        "allocation": ["epl", "erk"],
        "num_layers": [2, 3],
    },
}


def groups_of(path: Path, study: Study, accuracy: Any = lambda _: 0.5) -> StudyGroups:
    return StudyGroups(fill(path, study, accuracy).results(study))


def lines_of(study: StudyGroups, x: str, panel: str = "") -> list[tuple[str, bool, int]]:
    return [
        (line.label, line.level, len(line.groups)) for line in study.lines(study.frame, x, panel)
    ]


# Groups


def test_means_deviations_and_numbers(tmp_path: Path) -> None:
    def accuracy(cell: GridCell) -> float | None:
        seed = cell.spec.config.seed
        return None if (cell.arm, seed) == ("b", 0) else 0.5 + 0.1 * seed

    study = Study(
        name="s", arms={"a": {"lr": [0.1, 0.2]}, "b": {"lr": 0.3}, "c": {}}, seeds=[0, 1, 2]
    )
    found = groups_of(tmp_path, study, lambda cell: None if cell.arm == "c" else accuracy(cell))
    rows = found.frame
    assert rows["label"].tolist() == ["a, lr 0.1", "a, lr 0.2", "b"]
    assert rows["test_accuracy"].tolist() == pytest.approx([0.6, 0.6, 0.65])
    # Squares of deviations 2 · 0.1² over 2, and 2 · 0.05² over 1.
    assert rows["test_accuracy_std"].tolist() == pytest.approx([0.1, 0.1, math.sqrt(0.005)])
    assert rows["n"].tolist() == [3, 3, 2]
    assert rows["seeds"].tolist() == ["0 1 2", "0 1 2", "1 2"]
    assert found.seeds == "2 to 3"
    # What all share stands, and what differs and is no number does not.
    assert rows["lr"].tolist() == [0.1, 0.2, 0.3]
    assert rows["num_layers"].tolist() == [4, 4, 4]
    assert rows["identity"].isna().all()
    assert not {"seed", "seed_std", "axis_lr_std", "label_std"} & set(rows)
    assert (found.axes, found.arms) == (["lr"], ["a", "b"])
    # Colours and marks are those of the whole study.
    assert list(found.looks) == ["a", "b", "c"]


def test_one_run_has_no_deviation(tmp_path: Path) -> None:
    found = groups_of(tmp_path, Study(name="s", arms={"a": {}}, seeds=1))
    assert found.seeds == "1"
    assert found.frame["test_accuracy_std"].isna().all()


def test_infinite_numbers_are_no_part_of_a_mean(tmp_path: Path) -> None:
    study = Study(name="s", arms={"a": {"smoothness": True}}, seeds=3)
    folder = StudyFolder(tmp_path)
    folder.add(study)
    quotients = [1.0, None, math.exp(-2)]
    for cell in study.cells:
        seed = cell.spec.config.seed
        profile = hand_made([quotients[seed], 1.0], [1.0, 1.0])
        folder.write(dataclasses.replace(fabricated(cell.spec, 0.5), profile=profile))
    (row,) = StudyGroups(folder.results(study)).frame.itertuples()
    # −∞ beside 0 and −2.
    assert row.log_quotient == pytest.approx(-1.0)
    assert row.log_quotient_std == pytest.approx(math.sqrt(2))
    assert row.n == 3


# Places


def test_places_by_hand(tmp_path: Path) -> None:
    arms = {
        "trained": {"method": "train"},
        "masked": {"method": "train", "mask_sparsity": 0.4},
        "ticket": {"sparsity": [0.2, 0.5]},
    }
    study = Study(name="s", settings={"hidden_channels": 10}, arms=arms, seeds=1)
    folder = StudyFolder(tmp_path)
    folder.add(study)
    for spec in study.runs.values():
        found = 0.4 if spec.method == "train" else spec.config.sparsity + 0.004
        folder.write(fabricated(spec, 0.5, sparsity=found))
    groups = StudyGroups(folder.results(study))
    # Training of all weights removes nothing; the grid's value goes before what was measured.
    assert groups.place("sparsity") == [None, 0.4, 0.2, 0.5]
    assert groups.place("sparsity", groups.frame[2:]) == [0.2, 0.5]
    assert groups.place("num_weights") == [1000] * 4
    assert groups.place("prune_ratio") == [None, None, 0.0, 0.0]
    assert groups.place("no such column") == [None] * 4
    assert groups.x == "sparsity"


@pytest.mark.parametrize(
    ("options", "x"),
    [
        ({}, "sparsity"),
        ({"x": "num_weights"}, "num_weights"),
        ({"x": "nonsense"}, ""),
        # The first axis that no panel stands for.
        ({"panel": "sparsity"}, "allocation"),
    ],
)
def test_the_horizontal_axis(options: dict[str, str], x: str, tmp_path: Path) -> None:
    arms = {"a": {"prune_ratio": 0.1, "sparsity": [0.2, 0.5], "allocation": ["epl", "erk"]}}
    assert groups_of(tmp_path, Study(name="s", arms=arms, seeds=1, **options)).x == x


def test_no_axis(tmp_path: Path) -> None:
    found = groups_of(tmp_path, Study(name="s", arms={"a": {}, "b": {"lr": 0.5}}, seeds=1))
    assert (found.x, found.axes) == ("", [])
    assert list(found.panels) == [""]


# Lines


def test_panels_and_further_axes(tmp_path: Path) -> None:
    study = Study(name="s", x="sparsity", panel="allocation", arms=SWEEP, seeds=1)
    found = groups_of(tmp_path, study)
    parts = found.panels
    assert list(parts) == ["allocation: epl", "allocation: erk"]
    for groups in parts.values():
        # Weight training, which has no allocation, stands in both.
        drawn = found.lines(groups, "sparsity", "allocation")
        assert [(each.label, each.level, len(each.groups)) for each in drawn] == [
            ("weight training", True, 1),
            ("ticket, num layers 2", False, 2),
            ("ticket, num layers 3", False, 2),
        ]


def test_panels_of_numbers_are_in_order_and_free_of_rounding(tmp_path: Path) -> None:
    """0.1 + 0.2 is 0.30000000000000004, and the second arm begins with the smallest."""
    arms = {
        "half": {"freezing_ratio": [0.4, 0.3], "sparsity": [0.3, 0.5]},
        "quarter": {"prune_ratio": 0.1, "lock_ratio": 0.2, "sparsity": [0.3, 0.5]},
        "dense": {"sparsity": [0.3, 0.5]},
    }
    study = Study(name="s", arms=arms, seeds=1, x="sparsity", panel="freezing_ratio")
    panels = groups_of(tmp_path, study).panels
    label = "freezing ratio (pruned + locked)"
    assert list(panels) == [f"{label}: {value}" for value in ("0", "0.3", "0.4")]
    assert set(panels[f"{label}: 0.3"]["arm"]) == {"half", "quarter"}


def test_without_panels_every_combination_is_a_line(tmp_path: Path) -> None:
    found = groups_of(tmp_path, Study(name="s", arms=SWEEP, seeds=1))
    assert lines_of(found, "sparsity") == [
        ("weight training", True, 1),
        ("ticket, allocation epl, num layers 2", False, 2),
        ("ticket, allocation epl, num layers 3", False, 2),
        ("ticket, allocation erk, num layers 2", False, 2),
        ("ticket, allocation erk, num layers 3", False, 2),
    ]
    # Along the layers, which is the axis itself: training has its own number of them.
    assert lines_of(found, "num_layers")[:2] == [
        ("weight training", False, 1),
        ("ticket, sparsity 0.2, allocation epl", False, 2),
    ]


def test_a_line_runs_along_the_axis_that_moves_its_points(tmp_path: Path) -> None:
    # The size of a ticket follows from the freezing ratio and not from the sparsity.
    arms = {"ticket": {"sparsity": [0.4, 0.5], "freezing_ratio": [0.6, 0.0, 0.2]}}
    study = Study(name="s", settings={"hidden_channels": 10}, arms=arms, seeds=1)
    found = groups_of(tmp_path, study)
    one, other = found.lines(found.frame, "searched")
    assert [one.label, other.label] == ["ticket, sparsity 0.4", "ticket, sparsity 0.5"]
    # In the order of the places: 1,000 weights less those that are frozen.
    assert one.groups["searched"].tolist() == [400, 800, 1000]
    assert one.groups["freezing_ratio"].tolist() == pytest.approx([0.6, 0.2, 0.0])


def test_what_grids_vary_together_is_one_axis(tmp_path: Path) -> None:
    # Each sparsity has a freezing ratio of its own, and neither moves a point alone.
    parts = [{"sparsity": s, "freezing_ratio": s, "allocation": ["erk", "epl"]} for s in (0.5, 0.9)]
    study = Study(name="s", arms={"ticket": parts}, seeds=1)
    found = groups_of(tmp_path, study)
    lines = found.lines(found.frame, "searched")
    assert [line.label for line in lines] == ["ticket, allocation erk", "ticket, allocation epl"]
    assert [len(line.groups) for line in lines] == [2, 2]
    panels = found.lines(found.frame, "searched", panel="allocation")
    assert [(line.label, len(line.groups)) for line in panels] == [("ticket", 4)]


def test_an_arm_without_an_axis_is_a_point_of_its_own(tmp_path: Path) -> None:
    arms = {"swept": {"sparsity": [0.2, 0.5]}, "single": {"sparsity": 0.3, "lr": 0.5}}
    found = groups_of(tmp_path, Study(name="s", arms=arms, seeds=1))
    assert lines_of(found, "sparsity") == [("swept", False, 2), ("single", False, 1)]
