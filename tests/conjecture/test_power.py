"""Power and seeds needed: the textbook's formulas, and numbers that can be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from gslt.conjecture.decision import Scores
from gslt.conjecture.power import (
    design_power,
    detection_power,
    exclusion_power,
    noncentral_t,
    sd_range,
    seeds_needed,
)
from gslt.conjecture.protocol import Criteria


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


# What the seeds that are there can show


def test_design_power_by_hand() -> None:
    # Ten seeds and d = 1 at 5 %: 0.803 in tables of the paired t-test.
    found = design_power(scores(standard(0.1, 1.0)), 1, Criteria(smallest_effect=1.0))
    assert (found.seeds, found.sd) == (10, pytest.approx(1.0))
    assert found.detection == pytest.approx(0.803, abs=2e-3)
    assert found.detectable == pytest.approx(0.996, abs=5e-3)
    assert 0.0 < found.exclusion < 1.0
    # Five seeds cannot be significant; to exclude takes one side only.
    found = design_power(scores(standard(0.1, 1.0, 5)), 1, Criteria(smallest_effect=9.0))
    assert (found.detection, found.detectable) == (0.0, math.inf)
    assert found.exclusion == pytest.approx(1.0)
    assert design_power(scores(standard(0.1, 1.0, 4)), 1, Criteria()).exclusion == 0.0
    # Where a run has collapsed alone nothing is excluded; without a spread everything is found.
    assert design_power(scores(standard(0.1, 0.01), 1), 1, Criteria()).exclusion == 0.0
    assert design_power(scores(np.full((10, 2), 0.5)), 1, Criteria()).detection == 1.0
