"""The protocol: grids of runs, what a folder was begun with, and the table of its runs."""

from __future__ import annotations

import math
import os
import random
import re
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from planted import SMALL, effect, plant, with_parts
from verdict_runs import changed, frame, run, table

from gslt.conjecture import protocol
from gslt.conjecture.protocol import (
    ACCURACY,
    ARMS,
    DENSE,
    ENDPOINTS,
    FROZEN,
    PLAN,
    PRIMARY,
    RATIOS,
    RUN,
    Criteria,
    Part,
    Plan,
    begin,
    check_runs,
    in_order,
    open_plan,
    read_runs,
    run_plan,
    runs_of,
    studies,
)
from gslt.errors import ConfigError, RunError
from gslt.report.tables import csv_text
from gslt.studies.columns import column
from gslt.studies.execute import Summary
from gslt.studies.records import StudyFolder
from gslt.studies.study import Study

NEVER = -math.inf
GOOD_PLAN = "{preset: quick, architecture: gin, dataset: null, criteria: {alpha: 0.1}}"


# Criteria and grids


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0.0}, {"power": 1.0}, {"smallest_effect": 0.0}, {"alpha": "0.05"}]
)
def test_criteria_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Criteria(**wrong)


def test_the_standard_test_has_1890_runs() -> None:
    found = studies("standard")
    assert [len(study.runs) for study in found] == [1080, 720, 90]
    # Every arm with batch norm, those of the verdict and training without.
    assert [*found[0].arms] == [*ARMS]
    assert [*found[1].arms] == ["trained", DENSE, FROZEN]
    assert found[1].settings["unit_gain"]
    with pytest.raises(ConfigError, match="preset must be one of quick"):
        studies("large")  # type: ignore[arg-type]


def test_endpoints_have_words() -> None:
    assert (ENDPOINTS[0], ENDPOINTS[-1]) == (PRIMARY, ACCURACY)
    assert column(PRIMARY).label == "log of the centred Rayleigh quotient, last hidden layer"
    assert all(column(name).label != name.replace("_", " ") for name in ENDPOINTS)


# Plans


def test_a_folder_goes_on_with_what_it_was_begun_with(tmp_path: Path) -> None:
    plan = open_plan(tmp_path, preset="quick", alpha=0.1)
    assert plan == Plan(preset="quick", criteria=Criteria(alpha=0.1))
    begin(plan, StudyFolder(tmp_path))
    assert open_plan(tmp_path) == open_plan(tmp_path, preset="quick", alpha=0.1) == plan
    with pytest.raises(RunError, match="was begun with preset quick, not standard"):
        open_plan(tmp_path, preset="standard")
    later = open_plan(tmp_path, alpha=0.05, power=0.9)
    assert (later.criteria.alpha, later.stated) == (0.05, plan.criteria)
    assert later.changes == [
        "alpha was stated as 0.1 before the first run and is 0.05 here: by criteria that were "
        "chosen later nothing is tested"
    ]
    assert later.values == plan.values
    assert plan.command("out") == (
        "gslt conjecture --preset quick --out out --architecture gin --alpha 0.1"
    )
    # A second beginning changes nothing.
    begin(later, StudyFolder(tmp_path))
    assert open_plan(tmp_path) == plan


def test_a_plan_that_is_damaged_or_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / PLAN).write_text(GOOD_PLAN.replace("alpha: 0.1", "beta: 1"))
    with pytest.raises(RunError, match=r"is damaged \(Criteria has no field beta\)"):
        open_plan(tmp_path)
    other = tmp_path / "other" / "studies"
    other.mkdir(parents=True)
    (other / "mine.yaml").write_text("")
    with pytest.raises(RunError, match="holds studies that are not of this test"):
        begin(Plan(preset="quick"), StudyFolder(other.parent))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Expected `object`, got `null`"),
        ("[1]", "Expected `object`, got `array`"),
        ("{preset: quick, preset: quick}", "the key 'preset' is there twice"),
        (GOOD_PLAN.replace("quick", "huge"), "preset must be one of quick, standard, ogbn-arxiv"),
        (GOOD_PLAN.replace("quick", "[quick]"), "Expected `str`, got `array` - at `$.preset`"),
        (GOOD_PLAN.replace("gin", "gat"), "architecture must be one of"),
        (GOOD_PLAN.replace("null", "3"), "got `int` - at `$.dataset`"),
        (GOOD_PLAN.replace("0.1", "'0.1'"), "at `$.criteria[...]`"),
        (GOOD_PLAN.replace("0.1", "2"), "alpha must lie in"),
        (GOOD_PLAN.replace("0.1", ".nan"), "alpha must be a finite number"),
        (GOOD_PLAN.replace("alpha", "1"), "Expected `str`, got `int`"),
        (GOOD_PLAN.replace("{preset", "{colour: red, preset"), "it has no field colour"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: *c", "damaged"),
    ],
)
def test_plans_that_are_damaged(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / PLAN).write_text(GOOD_PLAN)
    assert open_plan(tmp_path).criteria.alpha == 0.1
    (tmp_path / PLAN).write_text(text)
    with pytest.raises(RunError, match=re.escape(said)) as told:
        open_plan(tmp_path)
    assert "can be made anew once this file is deleted" in str(told.value)


def test_something_else_in_the_place_of_a_plan(tmp_path: Path) -> None:
    (tmp_path / PLAN).mkdir()
    with pytest.raises(RunError, match="is damaged"):
        open_plan(tmp_path)


def test_a_plan_that_is_stopped_begins_no_other_study(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun = []

    def stopped(study: Study, *_: Any, **__: Any) -> Summary:
        begun.append(study.name)
        os.kill(os.getpid(), signal.SIGTERM)
        return Summary(computed=1, failures={"a": "no memory"})

    monkeypatch.setattr(protocol, "run_study", stopped)
    done = run_plan(Plan(), StudyFolder(tmp_path), say=lambda _: None)
    assert len(begun) == 1
    assert done == Summary(1, 0, {"a": "no memory"}, stopped_by=signal.SIGTERM)
    monkeypatch.setattr(
        protocol, "run_study", lambda *_, **__: Summary(computed=2, present=1, busy=1)
    )
    assert run_plan(Plan(), StudyFolder(tmp_path), say=lambda _: None) == Summary(6, 3, busy=3)


# The table of runs


def test_records_as_a_table_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without = Part("bare", ("toy",), (2,), 2, 3, 6, 0.05, (DENSE, FROZEN), batch_norm=False)
    plan = with_parts(monkeypatch, SMALL, without)
    values = effect(0.5)

    def collapses(cell):  # type: ignore[no-untyped-def]
        if cell.spec.config.seed == 7:
            return None
        gone = cell.arm == DENSE and cell.spec.config.seed == 6
        return (NEVER, 0.25) if gone else values(cell)

    folder = plant(tmp_path / "out", plan, collapses)
    found = runs_of([folder.results(study) for study in plan.studies])
    # Nine arms, two depths, seven seeds; five arms, one depth, two seeds.
    assert len(found) == 9 * 2 * 7 + 5 * 2
    assert [*found][:7] == [*RUN, "identity"]
    assert [*found][-2:] == [ACCURACY, "seconds"]
    assert {*ENDPOINTS} < {*found}
    assert found["batch_norm"].tolist() == [True] * 126 + [False] * 10
    # Only the frozen arm has a ratio, though others have one in their settings.
    assert set(found.loc[found["freezing_ratio"].notna(), "arm"]) == {FROZEN}
    assert found["freezing_ratio"].dropna().unique().tolist() == [*RATIOS]
    collapsed = found[found[PRIMARY] == NEVER]
    assert set(zip(collapsed["arm"], collapsed["seed"], strict=True)) == {(DENSE, 6)}
    # Two layers have one hidden one, through which there is no slope.
    assert found.loc[found["depth"] == 2, f"{PRIMARY}_slope"].isna().all()
    assert found.loc[0, "identity"] == plan.studies[0].cells[0].spec.identity
    (tmp_path / "runs.csv").write_text(csv_text(found))
    again = read_runs(tmp_path / "runs.csv")
    pd.testing.assert_frame_equal(again, found, check_dtype=False, check_exact=True)
    assert runs_of([]).empty


def test_runs_in_order_whatever_order_they_came_in() -> None:
    runs = [*table([[0.0, 1.0], [2.0, 3.0]], depth=8), *table([[4.0, math.inf]], depth=2)]
    runs += [run("trained", 0.0, 0, NEVER, effective_rank=NEVER)]
    found = in_order(frame(runs))
    random.Random(0).shuffle(runs)
    pd.testing.assert_frame_equal(in_order(frame(runs)), found)
    assert found["depth"].tolist() == [2, 2, 4, 8, 8, 8, 8]
    assert found["seed"].tolist() == [0, 0, 0, 0, 1, 0, 1]
    # +∞ is no number; −∞ is one of the primary endpoint alone; a ratio of 0 is none.
    assert found[PRIMARY].isna().tolist() == [False, True, *[False] * 5]
    assert found[PRIMARY][2] == NEVER
    assert found[["freezing_ratio", "effective_rank"]].loc[2].isna().all()


def test_a_run_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="has seed 0 twice on synthetic at depth 4"):
        check_runs(frame([run(DENSE, None, 0, 1.0), run(DENSE, 0.0, 0, 2.0)]))
    runs = table([[0.0, 1.0]])
    check_runs(frame([*runs, *changed(table([[0.0, 1.0]], depth=8), {})]))

    for each, identity in zip(runs, ("one", "one"), strict=True):
        each["identity"] = identity
    check_runs(pd.DataFrame(runs))  # One of each arm: arms may share a run.
    twice = [*runs, {**runs[0], "seed": 5}]
    with pytest.raises(ConfigError, match="arm 'dense' has the run one twice; give each run once"):
        check_runs(pd.DataFrame(twice))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "", "No columns to parse"),
        (lambda text: text.replace("log_quotient", "quotient"), "no column 'log_quotient'"),
        (lambda text: text.replace("True", "yes"), "batch_norm must be True or False, got 'yes'"),
        (lambda text: text.replace("4,dense", "four,dense"), "four"),
        (lambda text: text.replace(",1.0", ",one"), "one"),
        (lambda text: text + 'a,"b', "a table of runs|no table of runs"),
    ],
)
def test_tables_of_runs_that_are_none(change: Any, said: str, tmp_path: Path) -> None:
    path, text = tmp_path / "runs.csv", csv_text(frame(table([[0.0, 1.0]])))
    path.write_text(text)
    assert len(read_runs(path)) == 2
    path.write_text(change(text))
    with pytest.raises(RunError, match=said):
        read_runs(path)


def test_a_table_with_a_run_twice_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(csv_text(frame(2 * table([[0.0, 1.0]]))))
    with pytest.raises(ConfigError, match="has seed 0 twice on synthetic at depth 4"):
        read_runs(path)
    with pytest.raises(RunError, match="cannot be read"):
        read_runs(tmp_path / "none.csv")


def test_ratios_that_do_not_fit_the_arm_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"needs a ratio in \(0, 1\), got None"):
        check_runs(frame([run(FROZEN, None, 0, 1.0)]))
    with pytest.raises(ConfigError, match=r"needs a ratio in \(0, 1\), got 1.0"):
        check_runs(frame([run(FROZEN, 1.0, 0, 1.0)]))
    with pytest.raises(ConfigError, match=r"has no freezing ratio, got 0.4"):
        check_runs(frame([run(DENSE, 0.4, 0, 1.0)]))
