"""Verdicts with runs that are missing or have collapsed, what stands beside them, and the records.

The numbers of the standard test, computed from the committed table of runs, are the committed ones.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verdict_runs import Rows, Run, analysis, changed, frame, only, rows, run, table

from gslt.conjecture.protocol import ACCURACY, DENSE, FROZEN, PRIMARY, Criteria, in_order, read_runs
from gslt.conjecture.verdict import Analysis, contrasts
from gslt.report.tables import csv_text

NEVER = -math.inf
COMMITTED = Path(__file__).parents[2] / "benchmarks" / "results" / "conjecture-standard"


# The standard test


def same(found: Any, expected: Any, at: str = "") -> None:
    """Numbers to 1e-12, everything else exactly."""
    if isinstance(expected, dict):
        assert list(found) == list(expected), at
        for name, value in expected.items():
            same(found[name], value, f"{at}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), at
        for number, value in enumerate(expected):
            same(found[number], value, f"{at}[{number}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-12), at
    else:
        assert found == expected, at
        assert type(found) is type(expected), at


@pytest.mark.parametrize(
    "datasets",
    [
        ["debian"],
        ["citeseer"],
        pytest.param(["citeseer", "cora", "debian"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_the_committed_runs_give_the_committed_verdicts(datasets: list[str]) -> None:
    runs = read_runs(COMMITTED / "runs.csv")
    assert len(runs) == 1890
    expected = json.loads((COMMITTED / "verdict.json").read_text("utf-8"))
    found = Analysis(runs[runs["dataset"].isin(datasets)]).as_dict()
    same(found.pop("criteria"), expected["criteria"])
    assert list(found) == [
        *("overall", "depths", "contrasts", "associations", "what_if", "power", "endpoints")
    ]
    for name, entries in found.items():
        same(entries, [each for each in expected[name] if each["dataset"] in datasets], name)


# Runs that are missing or have collapsed


def test_a_seed_that_lacks_a_number_is_left_out_and_named() -> None:
    runs = changed(table(rows(0.5)), {(0.4, 3): math.nan, (None, 7): math.inf})
    runs = [each for each in runs if (each["seed"], each["freezing_ratio"]) != (9, 0.8)]
    found = only(runs)
    assert found.left_out == (3, 7, 9)
    assert found.seeds == (0, 1, 2, 4, 5, 6, 8)
    assert found.decision.least == 2 / 128
    assert found.reason.endswith("seeds 3, 7, 9.")
    # What is left is judged as if it had been alone.
    alone = only([each for each in runs if each["seed"] not in (3, 7, 9)])
    assert alone.decision == found.decision
    assert alone.effect == found.effect


def test_without_a_whole_seed_nothing_is_decided() -> None:
    runs = changed(table(rows(0.5)), {(0.4, seed): math.nan for seed in range(10)})
    found = only(runs)
    assert found.label == "undecided, 6 seeds needed"
    assert found.reason.startswith("No seed has")
    assert math.isnan(found.effect.mean)
    assert found.left_out == tuple(range(10))


def test_dense_sources_that_collapse_where_frozen_ones_do_not_support_the_conjecture() -> None:
    collapsed = {(None, seed): NEVER for seed in range(10)}
    found = only(changed(table(rows(0.5)), collapsed))
    assert found.outcome == "supported"
    assert found.one_collapsed == 40
    assert "each counts as the largest difference seen" in found.reason
    # No difference has a size: each counts as the smallest that matters.
    assert found.effect.mean == pytest.approx(math.log(1.25))
    # Where frozen sources do not differ from one another, the dense one stands out all the same.
    assert only(changed(table(rows(0.0)), collapsed)).decision.p_level == 2 / 1024
    mirrored = {(dose, seed): NEVER for dose in (0.2, 0.4, 0.6, 0.8) for seed in range(10)}
    assert only(changed(table(rows(0.5)), mirrored)).outcome == "contradicted"


def test_one_collapsed_run_rules_out_that_there_is_no_difference() -> None:
    runs = table(rows(0.0))
    assert only(runs).label == "no meaningful difference"
    found = only(changed(runs, {(0.8, 5): NEVER}))
    assert (found.outcome, found.decision.p_equivalence) == ("undecided", 1.0)
    assert "In 1 pair one run alone has collapsed totally" in found.reason


def test_collapses_of_seeds_that_take_no_part_do_not_count() -> None:
    shallow = changed(table(rows(0.0)), {(None, 9): NEVER})
    found = analysis([*shallow, *table(rows(0.0)[:9], depth=8)])
    assert [each.one_collapsed for each in found.depths] == [4, 0]
    (overall,) = found.overall
    assert (overall.one_collapsed, overall.left_out) == (0, (9,))
    assert overall.outcome == "no meaningful difference"


def test_sources_that_all_collapse_are_equal_and_it_is_said() -> None:
    found = only(table([[NEVER] * 5] * 10))
    assert found.label == "no meaningful difference"
    assert (found.one_collapsed, found.both_collapsed) == (0, 40)
    assert "both runs have collapsed totally" in found.reason
    # Four seeds are too few to say so: 1/16.
    assert only(table([[NEVER] * 5] * 4)).outcome == "undecided"


# Orders


numbers = st.integers(-40, 40).map(lambda number: number / 16)
some_rows = st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=6, max_size=9)
mostly_rising = some_rows.map(lambda t: [[v / 4 + 2 * at for at, v in enumerate(r)] for r in t])


@settings(max_examples=5)
@given(mostly_rising, st.randoms(use_true_random=False))
def test_the_order_of_runs_changes_nothing(rows: Rows, order: random.Random) -> None:
    runs = [*table(rows, depth=2), *table(rows[::-1], depth=4)]
    runs = [{**each, ACCURACY: 0.5} for each in runs]
    shuffled = list(runs)
    order.shuffle(shuffled)
    assert json.dumps(analysis(shuffled).as_dict()) == json.dumps(analysis(runs).as_dict())


# Beside the verdict


def test_contrasts_by_hand() -> None:
    def column(arm: str, values: list[float], depth: int) -> list[Run]:
        ratio = 0.4 if arm == FROZEN else None
        return [
            run(arm, ratio, seed, math.nan, depth=depth, **{ACCURACY: value})
            for seed, value in enumerate(values)
        ]

    runs = [
        *column(DENSE, [0.5, 0.5, 0.5, 0.5], 2),
        *column("trained", [0.6, 0.7, 0.8, math.nan], 2),
        *column(FROZEN, [0.4, 0.5, 0.6], 2),
        *column(DENSE, [0.5, 0.5, 0.5], 4),
        *column("trained", [0.5, 0.5, 0.5], 4),
        *column("trained", [0.5, 0.5, 0.5], 8),
    ]
    found = {(each.arm, each.depth): each for each in analysis(runs).contrasts.itertuples()}
    assert set(found) == {("trained", 2), ("trained", 4), (FROZEN, 2)}
    trained = found["trained", 2]
    assert trained.endpoint == ACCURACY
    assert math.isnan(trained.freezing_ratio)
    assert trained.mean == pytest.approx(0.2)
    assert trained.low == pytest.approx(0.1)
    assert (trained.seeds, trained.left_out) == ((0, 1, 2), (3,))
    assert (trained.p, trained.least) == (2 / 8, 2 / 8)
    # Two depths of this arm; the frozen arm has one, and is corrected for none.
    assert trained.p_holm == 4 / 8
    assert found[FROZEN, 2].p == found[FROZEN, 2].p_holm == 1.0
    assert found[FROZEN, 2].left_out == (3,)
    assert found[FROZEN, 2].freezing_ratio == 0.4


def test_contrasts_of_collapsed_runs_are_counted() -> None:
    runs = changed(table([[0.0, 0.5]] * 6), {(None, 2): NEVER, (0.2, 4): NEVER})
    (found,) = contrasts(in_order(frame(runs)), Criteria()).itertuples()
    assert found.one_collapsed == 2
    # Four differences of 0.5, one as large above and one as large below.
    assert found.mean == pytest.approx(4 * 0.5 / 6)


def test_averages_count_what_is_no_number() -> None:
    runs = changed(table([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), {(None, 1): NEVER})
    found = analysis([*runs, run(DENSE, None, 3, math.nan)]).averages
    dense = found[(found["arm"] == DENSE) & (found["endpoint"] == PRIMARY)].iloc[0]
    assert (dense["mean"], dense["n"], dense["collapsed"], dense["without"]) == (3.0, 2, 1, 1)
    assert dense["std"] == pytest.approx(math.sqrt(8))
    # Dense and one ratio, seven endpoints each.
    assert len(found) == 14


def test_families_and_arms_come_in_the_order_of_the_runs_and_of_the_protocol() -> None:
    runs = table([[0.0, 1.0, 2.0]], dataset="z", batch_norm=False)
    runs += table([[0.0, 1.0, 2.0]], dataset="a") + table([[0.0, 1.0]], dataset="z", depth=2)
    runs += [run("trained", None, 0, 1.0, dataset="a")]
    found = analysis(runs)
    assert found.families == [("z", True), ("z", False), ("a", True)]
    assert [each.family for each in found.overall] == found.families
    assert [(*each.family, *each.depths) for each in found.depths] == [
        ("z", True, 2),
        ("z", False, 4),
        ("a", True, 4),
    ]
    assert found.arms == [("trained", None), (DENSE, None), (FROZEN, 0.2), (FROZEN, 0.4)]
    # For programs by name.
    assert [each["dataset"] for each in found.as_dict()["overall"]] == ["a", "z", "z"]


def test_other_criteria_change_one_thing_at_a_time() -> None:
    found = analysis(table(rows(0.15, size=0.1)), Criteria(smallest_effect=0.01)).what_if
    names = ["stated", "factor 1.1", "factor 1.25", "factor 1.5", "factor 2"]
    assert list(found)[4:] == [*names, "alpha 0.01", "alpha 0.1"]
    assert found["overall"].tolist() == [True, False]
    assert found["depths"].tolist() == [(4,), (4,)]
    for row in found.to_dict("records"):
        assert row["stated"] == row["factor 1.1"] == row["alpha 0.01"] == "supported"
        # The largest ratio has 0.24: below ln 1.5, not below ln 1.25.
        assert row["factor 1.5"] == row["factor 2"] == "no meaningful difference"


def test_everything_is_plain_json_and_csv() -> None:
    runs = changed(table(rows(0.1, 3)), {(None, 1): NEVER, (0.4, 2): math.nan})
    runs += [run("trained", None, seed, 1.0, depth=8) for seed in range(2)]
    runs += table([[0.0, 1.0]], depth=16)
    analysed = analysis(runs)
    found = analysed.as_dict()
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == found
    assert [each["depths"] for each in found["depths"]] == [[4], [8], [16]]
    assert found["depths"][1]["effect"] == {"mean": None, "low": None, "high": None}
    assert found["depths"][2]["decision"]["outcome"] == "undecided"
    assert found["depths"][2]["label"] == "undecided, 7 seeds needed"
    assert found["criteria"]["smallest_effect"] == pytest.approx(np.log(1.25))
    assert {each["endpoint"] for each in found["contrasts"]} == {PRIMARY}
    assert found["associations"] == []
    texts = {name: csv_text(rows) for name, rows in analysed.csv().items()}
    assert list(texts) == [
        f"{name}.csv"
        for name in ("verdicts", "contrasts", "endpoints", "associations", "what_if", "power")
    ]
    # The numbers of seeds needed stay whole.
    assert ",7,,,,,least seeds" in texts["verdicts.csv"]
    assert "difference_mean,difference_low,difference_high" in texts["contrasts.csv"]
    assert "outcomes_stated,outcomes_factor_1.1" in texts["what_if.csv"]
