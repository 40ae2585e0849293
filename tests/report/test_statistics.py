"""Paired comparisons: what is a pair, and p-values and intervals that can be worked out by hand."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fabricated import fabricated, fill
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gslt.errors import ConfigError
from gslt.report.statistics import (
    averages,
    bootstrap_interval,
    compare_arms,
    difference,
    fill_collapsed,
    holm,
    least_p,
    paired,
    sign_flip_tails,
    sign_flip_test,
    weighted_sums,
)
from gslt.studies.columns import named
from gslt.studies.presets import preset
from gslt.studies.records import StudyFolder
from gslt.studies.study import GridCell, Study

NEVER = -math.inf


def runs_of(path: Path, study: Study, accuracy: Any) -> pd.DataFrame:
    return fill(path, study, accuracy).results(study).frame


def only(path: Path, study: Study, accuracy: Any) -> Any:
    (comparison,) = compare_arms(runs_of(path, study, accuracy)).itertuples()
    return comparison


def p_value(differences: Any) -> float:
    return float(sign_flip_test(np.array(differences))[0])


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
    found = p_value(differences)
    assert found == pytest.approx(p, abs=1e-3 if len(differences) == 14 else 1e-12)
    assert least_p(len(differences)) == pytest.approx(least)


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=7))
def test_exact_sign_flips_are_those_of_a_plain_count(values: list[int]) -> None:
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, values, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(values))
    ]
    expected = sum(each >= abs(sum(values)) for each in sums) / len(sums)
    found = p_value(np.array(values) / 1000)
    assert found == pytest.approx(expected)
    assert found >= least_p(len(values)) - 1e-12


def test_random_flips_agree_with_the_normal_limit() -> None:
    differences = np.linspace(-1, 1.35, 40)
    z = differences.sum() / math.sqrt((differences**2).sum())
    expected = math.erfc(abs(z) / math.sqrt(2))
    assert 0.05 < expected < 0.2
    assert p_value(differences) == pytest.approx(expected, abs=0.02)
    assert p_value(differences) == p_value(differences)


# Intervals


def test_interval_by_hand() -> None:
    # Two numbers resample to 0, 1/2 and 1, with 1/4 at either end.
    assert bootstrap_interval(np.array([0.0, 1.0])) == (0.0, 1.0)
    assert bootstrap_interval(np.array([0.3, 0.3, 0.3])) == (0.3, 0.3)
    assert all(math.isnan(end) for end in bootstrap_interval(np.array([0.3])))


def test_interval_of_few_is_students() -> None:
    for n in (6, 8, 10, 20):
        numbers = stats.norm.ppf((np.arange(n) + 0.5) / n)
        error = stats.t.ppf(0.975, n - 1) * numbers.std(ddof=1) / math.sqrt(n)
        assert bootstrap_interval(numbers) == pytest.approx((-error, error), rel=0.08)


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
    def accuracy(cell: GridCell) -> float:
        ahead = {("a", 0.2): 0.02, ("a", 0.5): 0.04}.get((cell.arm, cell.axes["sparsity"]), 0.0)
        return 0.7 + 0.01 * cell.spec.config.seed + ahead

    study = Study(name="s", arms=TWO, seeds=2)
    runs = runs_of(tmp_path, study, accuracy)
    pairs = paired(
        *(runs[runs["arm"] == arm] for arm in "ab"), ["seed", "axis_sparsity"], ["test_accuracy"]
    )
    found = {
        (row.seed, row.axis_sparsity): round(row.test_accuracy, 12) for row in pairs.itertuples()
    }
    assert found == {
        (seed, at): ahead for seed in (0, 1) for at, ahead in ((0.2, 0.02), (0.5, 0.04))
    }
    assert not pairs["shared"].any()
    (both,) = compare_arms(runs).itertuples()
    assert (both.first, both.second, both.first_at, both.second_at) == ("a", "b", {}, {})
    assert both.difference == pytest.approx(0.03)
    # Four pairs, and two seeds only: whoever flips pairs of a seed apart claims more than there is.
    assert (both.pairs, both.p_pairs, both.least_p_pairs) == (4, 2 / 16, 2 / 16)
    assert (both.seeds, both.p_seeds, both.least_p_seeds) == (2, 2 / 4, 2 / 4)
    assert 0.02 <= both.low < 0.03 < both.high <= 0.04


def test_what_one_arm_varies_alone_makes_comparisons_of_their_own(tmp_path: Path) -> None:
    arms = {"trained": {"method": "train"}, "ticket": {"sparsity": [0.2, 0.5]}}
    study = Study(name="s", arms=arms, seeds=3)
    found = compare_arms(runs_of(tmp_path, study, lambda cell: 0.8 - cell.axes.get("sparsity", 0)))
    assert list(found["second_at"]) == [{"sparsity": 0.2}, {"sparsity": 0.5}]
    assert list(found["difference"]) == pytest.approx([0.2, 0.5])
    assert list(found["pairs"]) == [3, 3]
    # Both reach 2/8; Holm doubles it.
    assert list(found["p_seeds_holm"]) == [0.5, 0.5]


SPARSE = {"freezing_ratio": [0.8, 0.9], "prune_share": 1.0, "window_position": 0.5}
FROZEN = [{"sparsity": s, "freezing_ratio": s} for s in (0.9, 0.95)]
#: Accuracies at densities of 0.1 and 0.05, as the tests below have them.
AT = {"sparse": {0.1: 0.70, 0.05: 0.60}, "frozen": {0.1: 0.65, 0.05: 0.52}}


def test_sources_are_compared_at_equal_density(tmp_path: Path) -> None:
    """Freezing ratio 0.9 is sparsity 0.95 of the one and 0.9 of the other: −5 points there."""

    def accuracy(cell: GridCell) -> float:
        assert cell.spec.density is not None
        return AT[cell.arm][cell.spec.density]

    schemes = {"allocation": ["epl", "erk"]}
    arms: dict[str, Any] = {
        "sparse": {**SPARSE, **schemes},
        "frozen": [{**each, **schemes} for each in FROZEN],
    }
    found = compare_arms(runs_of(tmp_path, Study(name="s", arms=arms, seeds=2), accuracy))
    assert found["equal"].tolist() == [
        {"density": [0.1], "allocation": ["epl", "erk"]},
        {"density": [0.05], "allocation": ["epl", "erk"]},
    ]
    assert found["difference"].tolist() == pytest.approx([0.05, 0.08])
    assert found["pairs"].tolist() == [4, 4]
    assert [*found["first_at"], *found["second_at"]] == [{}] * 4
    # Two comparisons, of two seeds: 2 · 2 / 2².
    assert found["p_seeds_holm"].tolist() == [1.0, 1.0]


def test_a_weak_ticket_meets_a_strong_one_where_it_keeps_as_much(tmp_path: Path) -> None:
    """Of the three densities asked for one falls short, and one is off by what was drawn."""
    arms: dict[str, Any] = {
        "weak": {"method": "train", "mask_sparsity": [0.5, 0.9, 0.98]},
        "strong": {"sparsity": [0.5, 0.9, 0.95]},
        "trained": {"method": "train"},
    }
    study = Study(name="s", arms=arms, seeds=2, settings={"lr": 0.1})
    folder = fill(tmp_path, study, lambda _: 0.6)
    for cell in study.cells:
        if cell.arm == "weak":
            kept = {0.5: 0.38, 0.9: 0.101, 0.98: 0.02}[cell.axes["mask_sparsity"]]
            folder.write(fabricated(cell.spec, 0.7, density=kept))
    found = compare_arms(folder.results(study).frame)
    of_both = found[(found["first"] == "weak") & (found["second"] == "strong")]
    assert of_both["equal"].tolist() == [{"density": [0.1]}]
    assert of_both["pairs"].tolist() == [2]
    # What trains all weights has no density of its own: it is beside every ticket.
    assert (found["second"] == "trained").sum() == 6


def test_other_settings_that_follow_the_density_must_be_equal(tmp_path: Path) -> None:
    def arm(method: str, name: str, *rates: float) -> list[dict[str, Any]]:
        places = zip((0.5, 0.9, 0.98), rates, strict=True)
        return [{"method": method, name: removed, "lr": rate} for removed, rate in places]

    arms: dict[str, Any] = {
        "weak": arm("train", "mask_sparsity", 0.1, 0.2, 0.3),
        "strong": arm("search", "sparsity", 0.1, 0.3, 0.2),
    }
    found = only(tmp_path, Study(name="s", arms=arms, seeds=2), lambda _: 0.5)
    assert found.equal == {"density": [0.5], "lr": [0.1]}


def test_a_common_name_that_fixes_the_density_pairs_over_all_its_values(tmp_path: Path) -> None:
    arms: dict[str, Any] = {
        "dense": {"sparsity": [0.4, 0.5]},
        "frozen": {"sparsity": [0.4, 0.5], "freezing_ratio": [0.2, 0.4], "prune_share": 0.5},
    }
    found = compare_arms(runs_of(tmp_path, Study(name="s", arms=arms, seeds=2), lambda _: 0.5))
    assert found["second_at"].tolist() == [{"freezing_ratio": 0.2}, {"freezing_ratio": 0.4}]
    assert found["equal"].tolist() == [{"sparsity": [0.4, 0.5]}] * 2
    assert found["pairs"].tolist() == [4, 4]


@pytest.mark.parametrize("size", ["quick", "standard"])
def test_windows_are_compared_at_equal_positions(tmp_path: Path, size: Any) -> None:
    """Each is best in its middle and worse by 6 points a sixth; pruning is 1 point better."""
    study = preset("window", size)
    ahead = {"all locked": 0.0, "half and half": 0.0, "all pruned": 0.01}

    def accuracy(cell: GridCell) -> float:
        return 0.7 + ahead[cell.arm] - 0.36 * abs(cell.axes["window_position"] - 0.5)

    found = compare_arms(runs_of(tmp_path, study, accuracy))
    positions = 5 if size == "standard" else 3
    assert found["pairs"].tolist() == [2 * positions * len(study.seed_list)] * 3
    # At the one sparsity that both have, 0.5, all locked is at the end and all pruned, too.
    assert found["difference"].tolist() == pytest.approx([0.0, -0.01, -0.01])
    assert [len(each["window_position"]) for each in found["equal"]] == [positions] * 3


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
    assert (found.shared_runs_left_out, found.pairs) == (2, 2)
    # Had the shared runs counted as pairs, this would be 0.05.
    assert found.difference == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        # Left out: its default, or what the study says of every arm.
        ({"dropout": [0.0, 0.1]}, [{}, {"dropout": 0.1}], {"dropout": [0.0, 0.1]}),
        ({"num_layers": [2, 4]}, [{}, {"num_layers": 2}], {"num_layers": [2, 4]}),
        ({"sparsity": [0.5, 0.8]}, [{}, {"sparsity": 0.8}], {"sparsity": [0.5, 0.8]}),
        ([{"epochs": 5}, {}], [{}, {"epochs": 5}], {"epochs": [5, 7]}),
        # No ratio and a ratio of 0 are one.
        (
            {"freezing_ratio": [None, 0.4]},
            {"freezing_ratio": [0, 0.4]},
            {"freezing_ratio": [0.0, 0.4]},
        ),
    ],
)
def test_what_is_in_force_is_paired_whether_it_is_named_or_not(
    one: Any, other: Any, equal: dict[str, Any], tmp_path: Path
) -> None:
    more = {"score_init": "ku"}
    others = [{**more, **each} for each in other] if isinstance(other, list) else {**more, **other}
    study = Study(
        name="s", arms={"a": one, "b": others}, seeds=3, settings={"dropout": 0.0, "epochs": 7}
    )
    found = only(tmp_path, study, lambda _: 0.5)
    assert {name: sorted(values) for name, values in found.equal.items()} == equal
    assert (found.pairs, found.unpaired_left_out) == (6, 0)
    assert (found.first_at, found.second_at) == ({}, {})


def test_what_has_no_pair_on_a_common_axis_is_counted(tmp_path: Path) -> None:
    arms = {"a": {"lr": [0.1, 0.2]}, "b": {"lr": [0.1, 0.3, 0.4], "weight_init": "ku"}}
    found = only(tmp_path, Study(name="s", arms=arms, seeds=2), lambda _: 0.5)
    # Of two seeds: a's 0.2, and b's 0.3 and 0.4.
    assert (found.pairs, found.unpaired_left_out) == (2, 6)


def test_a_place_has_the_names_that_its_part_of_the_arm_gives(tmp_path: Path) -> None:
    parts: list[dict[str, Any]] = [{}, {"num_layers": 3}, {"dropout": 0.1}]
    study = Study(name="s", arms={"a": {"method": "train"}, "b": parts}, seeds=2)
    runs = runs_of(tmp_path, study, lambda _: 0.5)
    found = compare_arms(runs)["second_at"]
    assert list(found) == parts
    assert [named("b", at) for at in found] == list(runs["label"].unique()[1:])


def test_difference_and_p_are_of_the_mean_over_pairs(tmp_path: Path) -> None:
    """Seed 0 has pairs on two graphs, seeds 1 and 2 on one: −1, −1, +1.5 and +1.5 points."""
    arms: dict[str, Any] = {"a": {}, "b": {"weight_init": "ku"}}
    study = Study(name="s", arms=arms, seeds=3, settings={"dataset": ["cora", "citeseer"]})

    def accuracy(cell: GridCell) -> float | None:
        seed = cell.spec.config.seed
        if seed and cell.spec.dataset == "citeseer":
            return None
        return 0.5 + (0.0 if cell.arm == "b" else 0.015 if seed else -0.01)

    found = only(tmp_path, study, accuracy)
    assert (found.pairs, found.seeds) == (4, 3)
    assert found.difference == pytest.approx(0.0025)
    # Of ±2 ±1.5 ±1.5 four of eight are at least 1; of the means, ±1 ±1.5 ±1.5, two are at least 2.
    assert found.p_seeds == 2 * 4 / 8


def test_other_graphs_and_missing_runs_make_no_pair(tmp_path: Path) -> None:
    arms: dict[str, Any] = {"a": {"dataset": "cora"}, "b": {"dataset": "citeseer"}}
    runs = runs_of(tmp_path / "graphs", Study(name="s", arms=arms), lambda _: 0.5)
    assert len(compare_arms(runs)) == 0
    # Arm a has seeds 0 and 1, arm b has seeds 1 and 2: one pair.
    have = {"a": (0, 1), "b": (1, 2)}
    arms = {"a": {}, "b": {"weight_init": "ku"}}
    study = Study(name="s", arms=arms, seeds=3)

    def accuracy(cell: GridCell) -> float | None:
        return 0.5 if cell.spec.config.seed in have[cell.arm] else None

    found = only(tmp_path / "partial", study, accuracy)
    assert (found.pairs, found.p_pairs, found.least_p_pairs) == (1, 1.0, 1.0)
    assert math.isnan(found.low)


def test_a_run_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    """Six runs three times over are six: as eighteen, their p would fall from 0.56 to 0.23."""
    points = [-2.3, 1.5, 1.6, -1.5, 3.9, 0.6]
    study = Study(name="s", arms={"a": {}, "b": {"weight_init": "ku"}}, seeds=6)

    def accuracy(cell: GridCell) -> float:
        return 0.7 + (cell.arm == "a") * points[cell.spec.config.seed] / 100

    runs = runs_of(tmp_path, study, accuracy)
    thrice = pd.concat([runs] * 3, ignore_index=True)
    (one,), (found,) = (list(compare_arms(each).itertuples()) for each in (runs, thrice))
    assert found == one
    # 36 of the 64 ways to flip six signs.
    assert (found.pairs, found.seeds, found.p_pairs, found.p_seeds) == (6, 6, 36 / 64, 36 / 64)
    assert sign_flip_test(np.array(points * 3)) == pytest.approx(0.23, abs=0.005)
    alone, merged = (averages(each, ["arm"], ["test_accuracy"]) for each in (runs, thrice))
    pd.testing.assert_frame_equal(merged, alone)
    assert merged["n"].tolist() == [6, 6]


def test_one_seed_twice_with_other_numbers_is_refused(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, Study(name="s", arms=TWO, seeds=2), lambda _: 0.5)
    changed = runs.head(1).assign(test_accuracy=0.6)
    with pytest.raises(ConfigError, match=r"different runs of seed 0, dataset debian, split 0"):
        compare_arms(pd.concat([runs, changed]))
    with pytest.raises(ConfigError, match=r"different runs of arm .*, seed 0, dataset debian"):
        averages(pd.concat([runs, changed]), ["arm"], ["test_accuracy"])
    # Two runs of one arm and seed, equal in accuracy alone: they differ in what they are.
    other = runs.head(1).assign(identity="another")
    with pytest.raises(ConfigError, match="told apart by a column"):
        averages(pd.concat([runs, other]), ["arm"], ["test_accuracy"])


def test_means_over_what_an_arm_varies_are_refused(tmp_path: Path) -> None:
    study = Study(name="s", arms={"a": {"sparsity": [0.2, 0.5]}}, seeds=3)
    runs = runs_of(tmp_path, study, lambda cell: cell.axes["sparsity"])
    with pytest.raises(ConfigError, match="different runs of arm a, seed 0"):
        averages(runs, ["arm"], ["test_accuracy"])
    found = averages(runs, ["arm", "axis_sparsity"], ["test_accuracy"])
    assert found["n"].tolist() == [3, 3]


def test_one_pair_of_runs_at_two_places_is_one_pair() -> None:
    """A ratio of 0 and no ratio are one source: the same runs, at two places of an axis."""

    def arm(name: str) -> pd.DataFrame:
        rows = [(place, seed, f"{name}{seed}") for place in (0.0, 0.5) for seed in (0, 1)]
        frame = pd.DataFrame(rows, columns=["axis_lock_ratio", "seed", "identity"])
        return frame.assign(q=[1.0, 2.0] * 2)

    pairs = paired(arm("a"), arm("b"), ["seed", "axis_lock_ratio"], ["q"])
    assert pairs["seed"].tolist() == [0, 1]


def test_order_of_records_does_not_matter(tmp_path: Path) -> None:
    study = Study(name="s", arms=TWO, seeds=4)
    one = fill(tmp_path / "one", study, lambda _: None)
    other = fill(tmp_path / "other", study, lambda _: None)
    specs = list(study.runs.values())
    for number, spec in enumerate(specs):
        one.write(fabricated(spec, 0.6 + 0.001 * (number * 7 % 11)))
    for number, spec in reversed(list(enumerate(specs))):
        other.write(fabricated(spec, 0.6 + 0.001 * (number * 7 % 11)))

    def comparisons(folder: StudyFolder) -> pd.DataFrame:
        return compare_arms(folder.results(study).frame)

    pd.testing.assert_frame_equal(comparisons(one), comparisons(other))


# Means, and runs that collapsed


def test_averages_by_hand() -> None:
    runs = pd.DataFrame(
        {
            "arm": ["a", "b", "a", "a", "b"],
            "depth": [2, 2, 2, 2, 2],
            "ratio": [math.nan, 0.5, math.nan, math.nan, 0.5],
            "q": [1.0, -math.inf, 2.0, 6.0, 4.0],
            "acc": [0.5, 0.6, math.nan, 0.7, 0.8],
        }
    )
    found = averages(runs, ["arm", "depth", "ratio"], ["q", "acc"])
    assert list(found["arm"]) == ["a", "a", "b", "b"]
    assert list(found["column"]) == ["q", "acc", "q", "acc"]
    assert list(found["mean"]) == pytest.approx([3.0, 0.6, 4.0, 0.7])
    # Squares of deviations 4 + 1 + 9 over 2; 2 · 0.1²; one number; 2 · 0.1².
    expected = [math.sqrt(7), math.sqrt(0.02), math.nan, math.sqrt(0.02)]
    assert list(found["std"]) == pytest.approx(expected, nan_ok=True)
    assert list(found["n"]) == [3, 2, 1, 2]
    assert list(found["collapsed"]) == [0, 0, 1, 0]
    assert list(found["missing"]) == [0, 1, 0, 0]


def test_a_collapsed_run_counts_as_the_largest_difference() -> None:
    first, second = np.array([-np.inf, 1.0, -np.inf, 0.5]), np.array([2.0, -np.inf, -np.inf, 0.9])
    raw = difference(first, second)
    assert raw.tolist() == pytest.approx([-np.inf, np.inf, 0.0, -0.4])
    assert fill_collapsed(raw, least=0.2).tolist() == pytest.approx([-0.4, 0.4, 0.0, -0.4])
    # And as one that matters, however small all others are.
    assert fill_collapsed(raw, least=0.7).tolist() == pytest.approx([-0.7, 0.7, 0.0, -0.4])


# Many at once


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_has_no_test_and_no_interval(odd: float) -> None:
    rows = np.array([[0.1, -0.2, odd, 0.05], [1.0, 2.0, 3.0, 4.0]])
    assert sign_flip_test(rows).tolist() == pytest.approx([math.nan, 0.125], nan_ok=True)
    assert all(map(math.isnan, bootstrap_interval(rows[0])))


def test_pairs_without_a_number_are_left_out_and_collapsed_ones_count() -> None:
    first, second = [3.0, 1.0, 2.0, NEVER], [1.0, 2.0, math.nan, 0.5]
    runs = pd.DataFrame(
        {
            "arm": arm,
            "seed": seed,
            "dataset": "g",
            "split": 0,
            "identity": f"{arm}{seed}",
            "log_quotient": value,
        }
        for arm, values in (("a", first), ("b", second))
        for seed, value in enumerate(values)
    )
    (row,) = compare_arms(runs, "log_quotient").to_dict("records")
    # 2, −1, and −∞, which counts as the largest of them: −2.
    assert (row["pairs"], row["missing_left_out"], row["shared_runs_left_out"]) == (3, 1, 0)
    assert row["difference"] == pytest.approx(-1 / 3)
    assert row["low"] >= -2
    assert row["p_seeds"] >= row["least_p_seeds"] == 0.25


def test_flips_by_hand() -> None:
    # Of the eight sums of ±0.1 ±0.2 ±0.3 one reaches 0.6. Of those of ±1 ±1 ±0.5 two reach 1.5:
    # itself and 2.5, the only one above it.
    above, below = sign_flip_tails(np.array([[0.1, 0.2, 0.3], [1.0, 1.0, -0.5], [0.0, 0.0, 0.0]]))
    assert above.tolist() == [1 / 8, 2 / 8, 1.0]
    assert below.tolist() == [1.0, 7 / 8, 1.0]
    assert sign_flip_test(np.array([[0.1, 0.2, 0.3], [1.0, 1.0, -0.5]])).tolist() == [2 / 8, 4 / 8]
    assert [least_p(n) for n in (0, 1, 3, 10, 14)] == [1.0, 1.0, 2 / 8, 2 / 1024, 2 / 10_000]


def test_a_collapsed_run_is_infinitely_far_and_ties_with_its_like() -> None:
    found = difference(np.array([1.0, NEVER, 0.5, NEVER]), np.array([0.2, 0.0, NEVER, NEVER]))
    assert found.tolist() == [0.8, NEVER, math.inf, 0.0]
    assert fill_collapsed(found, 0.2).tolist() == [0.8, -0.8, 0.8, 0.0]
    # No finite difference is as large as what matters: then that stands in.
    assert fill_collapsed(np.array([0.1, math.inf]), 0.2).tolist() == [0.1, 0.2]
    assert fill_collapsed(np.array([math.inf, NEVER]), 0.2).tolist() == [0.2, -0.2]


@pytest.mark.parametrize("count", [0, 3, 40_000])
def test_sums_in_blocks_are_a_matrix_product(count: int) -> None:
    """Rows of 7: no block, all in one, and blocks of a single weighting."""
    generator = np.random.default_rng(0)
    rows, weights = generator.normal(size=(count, 7)), generator.normal(size=(5, 7))
    assert weighted_sums(rows, weights) == pytest.approx(rows @ weights.T)
