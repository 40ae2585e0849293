"""The rule of the verdict on tables whose answer is known: effects, nulls, reversals and noise."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verdict_runs import Rows, Run, analysis, changed, frame, only, rows, run, table, wobble

from gslt.conjecture.decision import Decision, judge, mean_scores, quotients_by_ratio, scores_of
from gslt.conjecture.protocol import DENSE, FROZEN, Criteria, in_order

NEVER = -math.inf


# Scores


def test_log_quotients_side_by_side() -> None:
    runs = changed(table([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]), {(0.2, 1): math.nan, (0.4, 0): NEVER})
    runs += [run("trained", None, 0, 9.0), run(FROZEN, 0.6, 7, 1.0)]
    found = quotients_by_ratio(in_order(frame(runs)))
    assert found is not None
    assert found.columns.tolist() == [0.0, 0.2, 0.4, 0.6]
    assert found.index.tolist() == [0, 1, 7]
    assert found.loc[0].tolist()[:3] == [0.0, 1.0, NEVER]
    assert found.isna().sum().tolist() == [1, 2, 1, 2]
    # At some ratios: seeds that have runs at others alone are none of these.
    found = quotients_by_ratio(in_order(frame(runs)), only=[0.2, 0.4, 0.9])
    assert found is not None
    assert found.columns.tolist() == [0.0, 0.2, 0.4]
    assert found.index.tolist() == [0, 1]
    assert quotients_by_ratio(in_order(frame(runs)), only=[]) is None
    assert quotients_by_ratio(frame(run(DENSE, None, seed, 1.0) for seed in (0, 1))) is None
    assert quotients_by_ratio(frame([run(FROZEN, 0.2, 0, 1.0)])) is None


def test_scores_by_hand() -> None:
    runs = table([[0.0, 1.0, 3.0], [NEVER, NEVER, 2.0], [1.0, math.nan, 1.0]])
    found = scores_of(in_order(frame(runs)), Criteria())
    assert found is not None
    assert (found.seeds, found.left_out, found.ratios) == ((0, 1), (2,), (0.2, 0.4))
    # One of three pairs is tied in the second row, two rise. Its infinite difference counts as 3.
    assert found.taus == pytest.approx([1, 2 / 3])
    assert found.differences.tolist() == [[1.0, 3.0], [0.0, 3.0]]
    assert found.levels.tolist() == [2.0, 1.5]
    assert (found.one_collapsed, found.both_collapsed) == (1, 1)
    (other,) = [scores_of(in_order(frame(table([[0.0, 2.0, 2.0]] * 4))), Criteria())]
    assert other is not None
    mean = mean_scores([found, other])
    assert (mean.seeds, mean.left_out) == ((0, 1), (2, 3))
    assert mean.differences.tolist() == [[1.5, 2.5], [1.0, 2.5]]
    assert mean.one.tolist() == [0, 1]


# The four outcomes


def test_a_planted_effect_is_supported() -> None:
    found = only(table(rows(0.5)))
    assert found.label == "supported"
    assert found.effect.mean == pytest.approx(0.5, abs=0.03)
    assert 0.4 < found.effect.low < found.effect.mean < found.effect.high < 0.6
    assert 0.9 < found.tau.mean <= 1.0
    assert found.seeds == tuple(range(10))
    # All ten seeds agree in both tests.
    assert found.decision.p_trend == found.decision.p_level == found.decision.p == 2 / 1024
    assert found.decision.p_holm == found.decision.least_holm == 2 / 1024
    assert found.page is not None
    assert found.page.p < 1e-6
    assert found.needed is None
    assert found.reason.endswith("lies above that of the dense source (p = 0.002).")


def test_a_planted_reversal_is_contradicted() -> None:
    found = only(table(rows(-0.5)))
    assert found.label == "contradicted"
    assert found.decision.direction == -1
    assert found.effect.high < -0.4
    assert found.reason.endswith("lies below that of the dense source (p = 0.002).")


def test_a_planted_null_is_no_meaningful_difference() -> None:
    found = only(table(rows(0.0)))
    assert found.label == "no meaningful difference"
    assert found.decision.p_equivalence == 1 / 1024
    assert found.decision.p_holm > 0.05


def test_noise_is_undecided_and_says_how_many_seeds_would_do() -> None:
    found = only(table(rows(0.1, size=8.0)))
    assert found.outcome == "undecided"
    assert found.needed is not None
    assert found.needed.n is not None
    assert found.needed.n > 10
    assert found.label == f"undecided, {found.needed.n} seeds needed"
    assert "Neither a difference" in found.reason


def test_a_significant_difference_too_small_to_matter_is_no_meaningful_difference() -> None:
    found = only(table(rows(0.05, size=0.1)))
    assert found.decision.p_holm == 2 / 1024
    assert found.label == "no meaningful difference"
    assert "too small to matter" in found.reason
    # With a smaller effect that matters, the same runs support the conjecture.
    assert only(table(rows(0.05, size=0.1)), Criteria(smallest_effect=0.01)).label == "supported"


def test_every_ratio_must_be_equivalent() -> None:
    """A mean of zero over the ratios hides what two of them do."""
    runs = table([[0.0, 0.4 + wobble(seed), -0.4, 0.4, -0.4] for seed in range(10)])
    found = only(runs)
    assert abs(found.effect.mean) < 0.02
    assert found.decision.p_equivalence == 1.0
    assert found.outcome == "undecided"


def test_a_rising_trend_below_the_dense_source_supports_nothing() -> None:
    runs = table([[0.0, -0.8 + wobble(seed), -0.7, -0.6, -0.5] for seed in range(10)])
    found = only(runs)
    # Six of ten pairs rise.
    assert found.tau.mean == pytest.approx(0.2)
    assert found.effect.mean < -0.5
    assert (found.decision.p_trend, found.decision.p_level) == (2 / 1024, 2 / 1024)
    assert (found.decision.direction, found.decision.p) == (0, 1.0)
    assert found.outcome == "undecided"
    assert "different directions" in found.reason


def test_trend_and_level_by_hand() -> None:
    # Taus 1, 1 and −1/3; levels 2, 2 and −1: half of the eight sums are as large, both times.
    found = only(table([[0, 1, 3], [5, 6, 8], [0, -3, 1]]))
    assert found.tau.mean == pytest.approx((1 + 1 + 1 / 3) / 3)
    assert found.effect.mean == pytest.approx((2 + 2 - 1) / 3)
    assert found.decision.p_trend == 2 / 8
    assert found.decision.p_level == 4 / 8
    assert found.decision.p == 4 / 8


def test_a_single_ratio_is_tested_by_its_level_alone() -> None:
    found = only(table([[0.0, value] for value in (1.0, 1.0, 1.0, -0.25)]))
    # Signs of ±1 ±1 ±1 ±0.25: 2.75 or more in two of sixteen.
    assert found.decision.p_level == found.decision.p_trend == 4 / 16
    assert found.page is None


# Few seeds


@pytest.mark.parametrize(("seeds", "depths", "p"), [(5, 1, 2 / 32), (7, 6, 6 * 2 / 128)])
def test_so_few_seeds_can_never_be_significant(seeds: int, depths: int, p: float) -> None:
    runs = [each for at in range(depths) for each in table(rows(3.0, seeds), depth=2 + at)]
    for found in analysis(runs).depths:
        assert found.outcome == "undecided"
        assert found.decision.p == 2 / 2**seeds
        assert found.decision.least_holm == found.decision.p_holm == pytest.approx(p)
        assert "can never show a difference" in found.reason
        assert f"{p:.2g}" in found.reason
        assert found.needed is not None
        assert found.needed.n == (6 if depths == 1 else 8)
    runs = [each for at in range(depths) for each in table(rows(3.0, seeds + 1), depth=2 + at)]
    assert {each.outcome for each in analysis(runs).depths} == {"supported"}


@pytest.mark.parametrize("seeds", [1, 2])
def test_hardly_any_seeds_are_no_error(seeds: int) -> None:
    found = only(table(rows(3.0, seeds)))
    assert found.label == "undecided, 6 seeds needed"
    assert math.isnan(found.effect.low) == (seeds == 1)


# Depths, batch norm and data sets


def test_depths_of_a_family_are_corrected_together_and_families_are_not() -> None:
    decided = rows(0.5)
    runs = [
        *(each for depth in (2, 4, 8) for each in table(decided, depth=depth)),
        *table(decided, depth=2, batch_norm=False),
        *table(decided, depth=2, dataset="another (synthetic)"),
    ]
    found = analysis(list(reversed(runs)))
    at = {(each.dataset, each.batch_norm, *each.depths): each for each in found.depths}
    three = [at["synthetic", True, depth].decision for depth in (2, 4, 8)]
    assert [each.p_holm for each in three] == [pytest.approx(6 / 1024)] * 3
    assert at["synthetic", False, 2].decision.p_holm == 2 / 1024
    assert at["another (synthetic)", True, 2].decision.p_holm == 2 / 1024
    overall = {(each.dataset, each.batch_norm): each for each in found.overall}
    assert overall["synthetic", True].depths == (2, 4, 8)
    # With and without batch norm: two verdicts on one data set.
    assert overall["synthetic", True].decision.p_holm == 4 / 1024
    assert overall["another (synthetic)", True].decision.comparisons == 1


def test_holm_is_that_of_the_depths() -> None:
    # Three of five seeds decide nothing: p = 2/32, 1 and 1.
    noisy = [[0.0, value] for value in (1, -1, 2, -2, 0)]
    clear = [[0.0, 1.0]] * 5
    runs = [*table(noisy, depth=2), *table(clear, depth=4), *table(noisy, depth=8)]
    found = [each.decision for each in analysis(runs).depths]
    assert [each.p for each in found] == [1.0, 2 / 32, 1.0]
    assert [each.p_holm for each in found] == [1.0, 6 / 32, 1.0]


def test_equivalence_is_corrected_for_the_depths_too() -> None:
    # Five seeds: 1/32 at one depth, twice that at two, which is too much.
    null = rows(0.0, seeds=5)
    assert only(table(null)).label == "no meaningful difference"
    found = analysis([*table(null, depth=2), *table(null, depth=4)])
    assert [each.decision.p_equivalence_holm for each in found.depths] == [2 / 32, 2 / 32]
    assert [each.outcome for each in found.depths] == ["undecided", "undecided"]
    # Over both depths it is tested once.
    assert found.overall[0].label == "no meaningful difference"


def test_over_depths_the_scores_of_a_seed_are_averaged() -> None:
    up = table([[0.0, 1.0, 2.0], [0.0, 2.0, 4.0]], depth=2)
    down = table([[0.0, -1.0, 1.0], [0.0, -2.0, -4.0]], depth=4)
    (found,) = analysis([*up, *down]).overall
    # Levels 1.5 and 3, 0 and −3; taus 1 and 1, 1/3 and −1.
    assert found.effect.mean == pytest.approx(((1.5 + 0.0) / 2 + (3 - 3) / 2) / 2)
    assert found.tau.mean == pytest.approx(((1 + 1 / 3) / 2 + (1 - 1) / 2) / 2)
    assert found.depths == (2, 4)


def test_over_depths_a_seed_must_be_whole_at_every_depth() -> None:
    gaps = changed(table(rows(0.5), depth=4), {(0.6, 2): math.nan, (None, 8): math.nan})
    (found,) = analysis([*table(rows(0.5), depth=2), *gaps]).overall
    assert found.seeds == (0, 1, 3, 4, 5, 6, 7, 9)
    assert found.left_out == (2, 8)
    # A ratio that one depth lacks is left out of all.
    fewer = table([row[:3] for row in rows(0.5)], depth=4)
    (found,) = analysis([*table(rows(0.5), depth=2), *fewer]).overall
    assert found.ratios == (0.2, 0.4)
    # Effects of 0.2 and 0.4 at either depth.
    assert found.effect.mean == pytest.approx(0.3, abs=0.05)


def test_depths_that_are_decided_in_opposite_directions_are_mixed() -> None:
    runs = [*table(rows(0.6), depth=2), *table(rows(-0.3), depth=64)]
    found = analysis(runs)
    assert [each.label for each in found.depths] == ["supported", "contradicted"]
    assert found.overall[0].label == "mixed"
    # Small on average, but not at every depth.
    runs = table(rows(0.4), depth=2)
    runs += [each for depth in (4, 8, 16, 32) for each in table(rows(0.0), depth=depth)]
    found = analysis(runs)
    assert found.overall[0].decision.p_equivalence < 0.01
    assert found.overall[0].label == "mixed"
    assert "decided otherwise" in found.overall[0].reason


def test_a_depth_without_runs_of_both_kinds_is_undecided_and_counts_as_a_comparison() -> None:
    dense_only = [each for each in table(rows(0.5), depth=64) if each["arm"] == DENSE]
    found = analysis([*table(rows(0.5)), *dense_only])
    assert [each.outcome for each in found.depths] == ["supported", "undecided"]
    assert found.depths[0].decision.p_holm == pytest.approx(4 / 1024)
    assert found.depths[1].reason == "There is no dense arm, or no frozen one, with runs."
    assert found.overall[0].depths == (4,)
    assert analysis([]).depths == analysis([]).overall == []


# Properties

values = st.integers(-40, 40).map(lambda number: number / 16)
tables = st.integers(2, 4).flatmap(
    lambda columns: st.lists(
        st.lists(values, min_size=columns, max_size=columns), min_size=6, max_size=9
    )
)
mostly_rising = tables.map(lambda t: [[v / 4 + 2 * at for at, v in enumerate(row)] for row in t])


def decision(runs: list[Run]) -> Decision:
    _, found = judge(in_order(frame(runs)), Criteria())
    return found.decision


@settings(max_examples=40)
@given(tables | mostly_rising)
def test_mirrored_numbers_mirror_the_verdict(rows: Rows) -> None:
    found, mirrored = decision(table(rows)), decision(table([[-v for v in row] for row in rows]))
    swap = {"supported": "contradicted", "contradicted": "supported"}
    assert mirrored.outcome == swap.get(found.outcome, found.outcome)
    assert mirrored.direction == -found.direction
    assert mirrored == replace(found, outcome=mirrored.outcome, direction=-found.direction)


@settings(max_examples=30)
@given(st.lists(st.lists(values, min_size=2, max_size=2), min_size=6, max_size=9), st.booleans())
def test_swapping_the_arms_mirrors_the_verdict(rows: list[list[float]], far: bool) -> None:
    rows = [[first - 4 * far, second] for first, second in rows]
    found = decision(table(rows))
    swapped = decision(table([row[::-1] for row in rows]))
    assert swapped.direction == -found.direction
    assert (swapped.p, swapped.p_equivalence) == (found.p, found.p_equivalence)
    assert {found.outcome, swapped.outcome} in (
        {"supported", "contradicted"},
        {"undecided"},
        {"no meaningful difference"},
    )


@settings(max_examples=30)
@given(tables, st.lists(st.integers(-8, 8), min_size=9, max_size=9))
def test_what_all_arms_of_a_seed_share_changes_nothing(rows: Rows, shifts: list[int]) -> None:
    shifted = [[v + shift for v in row] for row, shift in zip(rows, shifts, strict=False)]
    assert decision(table(shifted)) == decision(table(rows))
