"""The parts of the verdict: numbers that can be worked out by hand, and the textbook's formulas."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from verdict_runs import run

from gslt.conjecture.statistics.criteria import Criteria
from gslt.conjecture.statistics.endpoints import ACCURACY, DENSE, FROZEN, PRIMARY, Run
from gslt.conjecture.statistics.equivalence import equivalence_p
from gslt.conjecture.statistics.flips import least_p, tails, two_sided
from gslt.conjecture.statistics.mediation import associations
from gslt.conjecture.statistics.pairs import differences, filled
from gslt.conjecture.statistics.power import detection_power, exclusion_power, noncentral_t
from gslt.conjecture.statistics.scores import Scores
from gslt.conjecture.statistics.seeds import sd_range, seeds_needed
from gslt.conjecture.statistics.trend import page_test, taus
from gslt.studies.report.statistics import sign_flip_test

NEVER = -math.inf


# Sign flips


def test_flips_by_hand() -> None:
    # Of the eight sums of ±0.1 ±0.2 ±0.3 one reaches 0.6. Of those of ±1 ±1 ±0.5 two reach 1.5:
    # itself and 2.5, the only one above it.
    above, below = tails(np.array([[0.1, 0.2, 0.3], [1.0, 1.0, -0.5], [0.0, 0.0, 0.0]]))
    assert above.tolist() == [1 / 8, 2 / 8, 1.0]
    assert below.tolist() == [1.0, 7 / 8, 1.0]
    assert two_sided(np.array([[0.1, 0.2, 0.3], [1.0, 1.0, -0.5]])).tolist() == [2 / 8, 4 / 8]
    assert [least_p(n) for n in (0, 1, 3, 10, 14)] == [1.0, 1.0, 2 / 8, 2 / 1024, 2 / 10_000]


@settings(max_examples=40)
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=7))
def test_flips_are_those_of_the_report(values: list[int]) -> None:
    numbers = np.array(values) / 1000
    expected = sign_flip_test(numbers)
    assert two_sided(numbers[None])[0] == pytest.approx(expected.p)
    assert least_p(len(values)) == expected.least


def test_drawn_flips_are_close_to_those_of_the_report() -> None:
    numbers = np.linspace(-1, 1.35, 40)
    assert two_sided(numbers[None])[0] == pytest.approx(sign_flip_test(numbers).p, abs=0.015)


# Differences with collapsed runs


def test_a_collapsed_run_is_infinitely_far_and_ties_with_its_like() -> None:
    found = differences(np.array([1.0, NEVER, 0.5, NEVER]), np.array([0.2, 0.0, NEVER, NEVER]))
    assert found.tolist() == [0.8, NEVER, math.inf, 0.0]
    assert filled(found, 0.2).values.tolist() == [0.8, -0.8, 0.8, 0.0]
    assert filled(found, 0.2).one_collapsed == 2
    # No finite difference is as large as what matters: then that stands in.
    assert filled(np.array([0.1, math.inf]), 0.2).values.tolist() == [0.1, 0.2]
    assert filled(np.array([math.inf, NEVER]), 0.2).values.tolist() == [0.2, -0.2]


# Trend


def test_taus_by_hand() -> None:
    rows = [
        [1.0, 2.0, 3.0],  # three pairs rise
        [1.0, 3.0, 2.0],  # two rise, one falls
        [3.0, 2.0, 2.0],  # two fall, one is tied
        [NEVER, NEVER, 0.0],  # one tie, two rise
        [NEVER, NEVER, NEVER],
    ]
    assert taus(np.array(rows)) == pytest.approx([1, 1 / 3, -2 / 3, 2 / 3, 0])


def test_page_by_hand() -> None:
    rows = np.array([[0.1, 0.2, 0.3], [5.0, 7.0, 6.0], [-2.0, NEVER, 0.0]])
    # Ranks 123, 132, 213; column sums 4, 6, 8; L = 1·4 + 2·6 + 3·8.
    found = page_test(rows)
    orders = list(itertools.permutations((1, 2, 3)))
    scores = [
        sum((at + 1) * rank for order in three for at, rank in enumerate(order))
        for three in itertools.product(orders, repeat=3)
    ]
    assert found is not None
    assert found.statistic == 40
    assert found.p == pytest.approx(2 * np.mean(np.array(scores) >= 40))
    mirrored = page_test(rows[:, ::-1])
    assert mirrored is not None
    assert mirrored.p == pytest.approx(found.p)
    assert page_test(rows[:1]) is None
    assert page_test(rows[:, :2]) is None


# Equivalence


def test_equivalence_by_hand() -> None:
    row = np.array([[0.1, 0.0, -0.1]])
    # Moved by 0.2 to either side all are beyond 0: one of eight.
    assert equivalence_p(row, 0.2) == 1 / 8
    # Moved by 0.1: 0.2, 0.1 and 0, of which the sign does not matter: two of eight.
    assert equivalence_p(row, 0.1) == 2 / 8
    # The row that is worst decides.
    assert equivalence_p(np.array([[0.0] * 3, [0.3] * 3]), 0.2) == 1.0
    # Ten equal numbers are not certain, whatever Student's t would say.
    assert equivalence_p(np.zeros((1, 10)), 0.2) == 1 / 1024


def test_equivalence_of_many_is_that_of_students_t() -> None:
    row = np.random.default_rng(0).normal(0.14, 1.0, 400)
    error = row.std(ddof=1) / math.sqrt(400)
    sides = (row.mean() + 0.2) / error, (row.mean() - 0.2) / error
    expected = max(stats.t.sf(sides[0], 399), stats.t.cdf(sides[1], 399))
    assert 0.001 < expected < 0.1
    assert equivalence_p(row[None], 0.2) == pytest.approx(expected, abs=0.01)


# Power and seeds


def test_power_of_the_textbook() -> None:
    # Cohen's d = 0.5: 34 pairs for 80 % at 5 %; 0.8077 is what tables have.
    assert detection_power(0.5, 1.0, 34, 0.05) == pytest.approx(0.8078, abs=5e-4)
    assert detection_power(0.0, 1.0, 20, 0.05) == pytest.approx(0.05, abs=1e-3)
    for t, df, shift in ((2.0, 9, 1.5), (-1.0, 3, 0.5), (2.6, 40, 3.0)):
        assert noncentral_t(t, df, shift) == pytest.approx(stats.nct.cdf(t, df, shift), abs=3e-4)


def test_power_of_equivalence_is_that_of_the_formula() -> None:
    numbers = np.random.default_rng(0).normal(size=(1, 30))
    numbers /= numbers.std(ddof=1)
    # 2 Φ(δ √n / s − z) − 1 for many seeds.
    expected = 2 * stats.norm.cdf(0.3 * math.sqrt(120) - stats.norm.ppf(0.95)) - 1
    assert exclusion_power(0.3, numbers, 120, 0.05) == pytest.approx(expected, abs=0.03)
    # Twice the same row is as likely as one, and nothing is likely with hardly any seeds.
    twice = np.concatenate([numbers, numbers])
    assert exclusion_power(0.3, twice, 120, 0.05) == exclusion_power(0.3, numbers, 120, 0.05)
    assert exclusion_power(0.3, numbers, 5, 0.05) < 0.05


def test_range_of_a_standard_deviation_is_that_of_chi_square() -> None:
    # χ² of 9 degrees has the quantiles 3.325 and 16.919.
    assert sd_range(10) == pytest.approx((math.sqrt(9 / 16.919), math.sqrt(9 / 3.325)), abs=1e-4)


def scores(differences: np.ndarray, one_collapsed: int = 0) -> Scores:
    n, k = differences.shape
    ratios = tuple(0.2 * (at + 1) for at in range(k))
    one = np.array([one_collapsed, *[0] * (n - 1)])
    return Scores(tuple(range(n)), (), ratios, np.zeros(n), differences, one, np.zeros(n))


def standard(mean: float, sd: float, n: int = 10) -> np.ndarray:
    numbers = stats.norm.ppf((np.arange(n) + 0.5) / n)
    return (mean + sd * numbers / numbers.std(ddof=1))[:, None]


def test_seeds_needed_for_the_smallest_effect() -> None:
    criteria = Criteria(smallest_effect=0.5)
    found = seeds_needed(scores(standard(0.2, 1.0)), 1, criteria)
    # 34 pairs detect d = 0.5. Equivalence needs (2.926 / 0.5)² = 34.3 and some more for Student's
    # t: z of 0.95 and of 0.9 add up to 2.926.
    assert found.to_detect == 34
    assert found.to_exclude == pytest.approx(36, abs=2)
    assert found.n == max(found.to_detect, found.to_exclude)
    assert found.basis == "smallest effect"
    assert found.low is not None
    assert found.high is not None
    # The standard deviation may be 0.73 or 1.65 times as large; the seeds go with its square.
    assert found.low == pytest.approx(0.53 * found.n, rel=0.1)
    assert found.high == pytest.approx(2.71 * found.n, rel=0.05)
    more = seeds_needed(scores(standard(0.2, 1.0)), 6, criteria)
    assert more.to_detect is not None
    assert more.to_detect > 34


def test_seeds_needed_at_the_observed_effect_where_the_planned_ones_are_there() -> None:
    # So little spread that 6 seeds suffice for 0.5; 0.4 lies between none and what matters.
    found = seeds_needed(scores(standard(0.45, 0.21)), 1, Criteria(smallest_effect=0.5))
    assert found.basis == "observed effect"
    # To show that 0.45 is below 0.5 takes many; a difference of 0.45 would be seen with 10.
    assert found.to_exclude is not None
    assert found.to_exclude > 80
    assert found.to_detect is not None
    assert found.to_detect <= 10
    # Those seeds are there and have not seen it: how many would is not known.
    assert (found.n, found.low, found.high) == (None, None, None)


def test_seeds_needed_without_a_spread_are_the_least_that_can_be_significant() -> None:
    # 2 / 2^n ≤ 0.05 from 6 on; a sixth of it from 8 on.
    for nothing in (None, scores(np.zeros((0, 1))), scores(np.full((4, 2), 0.3))):
        assert seeds_needed(nothing, 1, Criteria()).n == 6
        assert seeds_needed(nothing, 6, Criteria()).n == 8
        assert seeds_needed(nothing, 6, Criteria()).basis == "least seeds"


def test_seeds_that_are_there_are_not_asked_for() -> None:
    # Three comparisons: 2 / 2⁷ is the first p below 0.05 / 3, one-sided it is 1 / 2⁶.
    assert seeds_needed(scores(np.full((2, 4), 0.3)), 3, Criteria()).n == 7
    assert seeds_needed(scores(np.full((8, 4), 0.3)), 3, Criteria()).n is None
    spread = 1e-6 * np.arange(20).reshape(5, 4)
    needed = seeds_needed(scores(spread), 3, Criteria())
    assert (needed.to_detect, needed.to_exclude) == (7, 6)


def test_seeds_needed_where_a_run_alone_collapsed_are_those_to_detect() -> None:
    found = seeds_needed(scores(standard(0.2, 1.0), 1), 1, Criteria(smallest_effect=0.5))
    assert (found.n, found.to_detect, found.to_exclude) == (34, 34, None)


# Accuracy and smoothness


def points(values: dict[tuple[int, float, int], tuple[float, float]]) -> list[Run]:
    """Frozen runs by depth, ratio and seed: log quotient and accuracy beside a dense run at 0."""
    dense = {(depth, seed) for depth, _, seed in values}
    return [
        *(
            run(DENSE, None, seed, 0, depth=depth, endpoints={PRIMARY: 0.0, ACCURACY: 0.0})
            for depth, seed in sorted(dense)
        ),
        *(
            run(FROZEN, ratio, seed, 0, depth=depth, endpoints={PRIMARY: x, ACCURACY: y})
            for (depth, ratio, seed), (x, y) in values.items()
        ),
    ]


def test_a_line_through_three_points_by_hand() -> None:
    # (0, 0), (1, 1), (2, 5): means 1 and 2, Sxx = 2, Sxy = 5, Syy = 14.
    (found,) = associations(
        points({(4, 0.2, 0): (0.0, 0.0), (4, 0.2, 1): (1.0, 1.0), (4, 0.2, 2): (2.0, 5.0)})
    )
    assert found.pooled.slope == pytest.approx(2.5)
    assert found.intercept == pytest.approx(-0.5)
    assert found.pooled.r_squared == pytest.approx(25 / 28)
    # One depth and one ratio: taking off their mean changes nothing.
    assert found.within.slope == pytest.approx(found.pooled.slope)
    assert found.within.r_squared == pytest.approx(found.pooled.r_squared)
    assert (found.pairs, found.seeds, found.left_out) == (3, 3, 0)
    assert found.accuracy.mean == pytest.approx(2)


def test_depths_alone_can_make_a_line_that_no_seed_shows() -> None:
    # Within each depth accuracy falls by 1 per unit; between the depths it rises by 1.
    values = {
        (depth, 0.4, seed): (10.0 * depth + off, 10.0 * depth - off)
        for depth in (1, 2)
        for seed, off in enumerate((-1.0, 0.0, 1.0))
    }
    (found,) = associations(points(values))
    assert found.pooled.slope > 0.8
    assert found.within.slope == pytest.approx(-1)
    assert found.within.r_squared == pytest.approx(1)
    assert found.within.slope_interval[1] <= 0


def test_intervals_of_lines_resample_whole_seeds() -> None:
    noise = np.random.default_rng(0).normal(size=(200, 2))
    # Four copies of each seed: they add nothing, so that the interval is that of 200 points.
    values = {
        (depth, 0.4, seed): (x, 0.5 * x + y)
        for depth in (2, 4, 8, 16)
        for seed, (x, y) in enumerate(noise)
    }
    (found,) = associations(points(values))
    line = stats.linregress(noise[:, 0], 0.5 * noise[:, 0] + noise[:, 1])
    assert found.pooled.slope == pytest.approx(line.slope)
    assert found.intercept == pytest.approx(line.intercept)
    assert found.pooled.r_squared == pytest.approx(line.rvalue**2)
    for interval, error, at in (
        (found.pooled.slope_interval, line.stderr, line.slope),
        (found.intercept_interval, line.intercept_stderr, line.intercept),
    ):
        assert interval == pytest.approx((at - 1.96 * error, at + 1.96 * error), abs=0.4 * error)


def test_smoothness_that_never_varies_explains_nothing_and_missing_pairs_are_counted() -> None:
    values = {
        (4, 0.2, 0): (1.0, 0.1),
        (4, 0.2, 1): (1.0, 0.3),
        (4, 0.2, 2): (NEVER, 0.3),
        (4, 0.2, 3): (1.0, math.nan),
    }
    (found,) = associations(points(values))
    assert (found.pairs, found.seeds, found.left_out) == (2, 2, 2)
    assert (found.pooled.slope, found.pooled.r_squared) == (0, 0)
    assert found.intercept == pytest.approx(0.2)
    # The pair that collapsed has an accuracy, the last one has none.
    assert found.accuracy.mean == pytest.approx((0.1 + 0.3 + 0.3) / 3)
    # A seed without every pair would average other depths.
    (found,) = associations(points({**values, (8, 0.2, 1): (1.0, 0.5), (8, 0.2, 3): (1.0, 0.9)}))
    assert found.accuracy.mean == pytest.approx((0.3 + 0.5) / 2)
    (found,) = associations(points({(4, 0.2, 0): (1.0, 0.1), (8, 0.2, 1): (1.0, 0.5)}))
    assert math.isnan(found.accuracy.mean)
    # Two seeds have no interval.
    assert math.isnan(found.pooled.slope_interval[0])
    assert associations(points({(4, 0.2, 0): (NEVER, 0.3)})) == []
