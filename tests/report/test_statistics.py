"""Paired comparisons: what is a pair, and p-values and intervals that can be worked out by hand."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabricated import fabricated, fill
from hypothesis import given
from hypothesis import strategies as st

from gslt.studies.records import StudyFolder
from gslt.studies.report.rows import StudyResults, read_results
from gslt.studies.report.statistics import (
    Comparison,
    bootstrap_interval,
    compare_arms,
    holm,
    sign_flip_test,
)
from gslt.studies.study import Cell, Study


def results(path: Path, study: Study, accuracy: Any) -> StudyResults:
    return next(read_results(fill(path, study, accuracy)))


def only(path: Path, study: Study, accuracy: Any) -> Comparison:
    (comparison,) = compare_arms(results(path, study, accuracy))
    return comparison


# Sign flips


@pytest.mark.parametrize(
    ("differences", "p", "least"),
    [
        # The two ends of eight sums: +++ and ---.
        ([0.1, 0.2, 0.3], 2 / 8, 2 / 8),
        # Sums of ±1 ±1 ±0.5 that are at least 1.5 away from 0: 4 of 8.
        ([1.0, 1.0, -0.5], 4 / 8, 2 / 8),
        ([-1.0, -1.0, 0.5], 4 / 8, 2 / 8),
        # Every sum is at least as far away as the observed 0, whatever the rounding errors.
        ([0.03, -0.02, -0.03, 0.05, -0.03], 1.0, 2 / 32),
        ([0.0, 0.0], 1.0, 2 / 4),
        ([0.4], 1.0, 1.0),
        ([0.01] * 13, 2 / 2**13, 2 / 2**13),
        # 2^14 flips are too many: 9,999 are drawn, and none of them is that extreme.
        ([0.01 * (1 + i) for i in range(14)], 2 / 10_000, 2 / 10_000),
    ],
)
def test_sign_flips_by_hand(differences: list[float], p: float, least: float) -> None:
    found = sign_flip_test(np.array(differences))
    assert found.p == pytest.approx(p, abs=1e-3 if len(differences) == 14 else 1e-12)
    assert found.least == pytest.approx(least)


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=7))
def test_exact_sign_flips_are_those_of_a_plain_count(values: list[int]) -> None:
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, values, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(values))
    ]
    expected = sum(each >= abs(sum(values)) for each in sums) / len(sums)
    found = sign_flip_test(np.array(values) / 1000)
    assert found.p == pytest.approx(expected)
    assert found.p >= found.least - 1e-12


def test_random_flips_agree_with_the_normal_limit() -> None:
    differences = np.linspace(-1, 1.35, 40)
    z = differences.sum() / math.sqrt((differences**2).sum())
    expected = math.erfc(abs(z) / math.sqrt(2))
    found = sign_flip_test(differences)
    assert 0.05 < expected < 0.2
    assert found.p == pytest.approx(expected, abs=0.02)
    assert found == sign_flip_test(differences)


# Intervals


def test_interval_by_hand() -> None:
    # Two numbers resample to 0, 1/2 and 1, with 1/4 at either end.
    assert bootstrap_interval(np.array([0.0, 1.0])) == (0.0, 1.0)
    assert bootstrap_interval(np.array([0.3, 0.3, 0.3])) == (0.3, 0.3)
    assert all(math.isnan(end) for end in bootstrap_interval(np.array([0.3])))


def test_interval_of_many_is_that_of_the_normal_limit() -> None:
    numbers = np.random.default_rng(1).normal(0.5, 2.0, 400)
    error = 1.96 * numbers.std(ddof=1) / math.sqrt(400)
    low, high = bootstrap_interval(numbers)
    assert low == pytest.approx(numbers.mean() - error, abs=0.15 * error)
    assert high == pytest.approx(numbers.mean() + error, abs=0.15 * error)
    assert (low, high) == bootstrap_interval(numbers)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


# Pairs

TWO = {"a": {"sparsity": [0.2, 0.5]}, "b": {"weight_init": "ku", "sparsity": [0.2, 0.5]}}


def test_pairs_have_the_seed_and_the_common_axes_in_common(tmp_path: Path) -> None:
    def accuracy(cell: Cell) -> float:
        ahead = {("a", 0.2): 0.02, ("a", 0.5): 0.04}.get((cell.arm, cell.axes["sparsity"]), 0.0)
        return 0.7 + 0.01 * cell.spec.config.seed + ahead

    found = only(tmp_path, Study(name="s", arms=TWO, seeds=2), accuracy)
    assert (found.first, found.second, found.first_at, found.second_at) == ("a", "b", {}, {})
    pairs = {(pair.seed, pair.point): pair.difference for pair in found.pairs}
    assert pairs == {
        (seed, (("sparsity", at),)): ahead
        for seed in (0, 1)
        for at, ahead in ((0.2, 0.02), (0.5, 0.04))
    }
    assert found.difference == pytest.approx(0.03)
    # Four pairs, and two seeds only: whoever flips pairs of a seed apart claims more than there is.
    assert (found.by_pairs.p, found.by_pairs.least) == (2 / 16, 2 / 16)
    assert (found.seeds, found.by_seeds.p, found.by_seeds.least) == (2, 2 / 4, 2 / 4)
    assert 0.02 <= found.interval[0] < 0.03 < found.interval[1] <= 0.04


def test_what_one_arm_varies_alone_makes_comparisons_of_their_own(tmp_path: Path) -> None:
    arms = {"trained": {"method": "train"}, "ticket": {"sparsity": [0.2, 0.5]}}
    study = Study(name="s", arms=arms, seeds=3)
    found = compare_arms(results(tmp_path, study, lambda cell: 0.8 - cell.axes.get("sparsity", 0)))
    assert [(each.second_at, each.difference) for each in found] == [
        ({"sparsity": 0.2}, pytest.approx(0.2)),
        ({"sparsity": 0.5}, pytest.approx(0.5)),
    ]
    assert [len(each.pairs) for each in found] == [3, 3]
    # Both reach 2/8; Holm doubles it.
    assert [each.p_holm for each in found] == [0.5, 0.5]


def test_a_run_that_both_arms_share_is_no_pair(tmp_path: Path) -> None:
    arms = {
        "locked": {"freezing_ratio": [0.0, 0.4], "prune_share": 0.0, "window_position": 0.5},
        "pruned": {"freezing_ratio": [0.0, 0.4], "prune_share": 1.0, "window_position": 0.5},
    }
    study = Study(name="s", arms=arms, seeds=2)
    found = only(
        tmp_path,
        study,
        lambda cell: 0.7 + 0.1 * (cell.arm == "locked" and bool(cell.axes["freezing_ratio"])),
    )
    assert found.shared == 2
    assert {pair.point for pair in found.pairs} == {(("freezing_ratio", 0.4),)}
    assert found.difference == pytest.approx(0.1)


def test_other_graphs_and_missing_runs_make_no_pair(tmp_path: Path) -> None:
    arms = {"a": {"dataset": "cora"}, "b": {"dataset": "citeseer"}}
    assert (
        compare_arms(results(tmp_path / "graphs", Study(name="s", arms=arms), lambda _: 0.5)) == []
    )
    # Arm a has seeds 0 and 1, arm b has seeds 1 and 2: one pair.
    have = {"a": (0, 1), "b": (1, 2)}
    arms = {"a": {}, "b": {"weight_init": "ku"}}
    study = Study(name="s", arms=arms, seeds=3)

    def accuracy(cell: Cell) -> float | None:
        return 0.5 if cell.spec.config.seed in have[cell.arm] else None

    (found,) = compare_arms(results(tmp_path / "partial", study, accuracy))
    assert [pair.seed for pair in found.pairs] == [1]
    assert (found.by_pairs.p, found.by_pairs.least) == (1.0, 1.0)
    assert math.isnan(found.interval[0])


def test_order_of_records_does_not_matter(tmp_path: Path) -> None:
    study = Study(name="s", arms=TWO, seeds=4)
    one = fill(tmp_path / "one", study, lambda _: None)
    other = fill(tmp_path / "other", study, lambda _: None)
    specs = list(study.runs.values())
    for number, spec in enumerate(specs):
        one.write(fabricated(spec, 0.6 + 0.001 * (number * 7 % 11)))
    for number, spec in reversed(list(enumerate(specs))):
        other.write(fabricated(spec, 0.6 + 0.001 * (number * 7 % 11)))

    def comparisons(folder: StudyFolder) -> list[Comparison]:
        return compare_arms(next(read_results(folder)))

    assert comparisons(one) == comparisons(other)
