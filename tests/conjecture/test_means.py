"""Tests of a mean: by hand, by symmetry, and calibrated on a skewed null."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gslt.conjecture.means import MeanTests, studentised
from gslt.random import Float64
from gslt.report.statistics import sign_flip_tails


def test_studentised_by_hand() -> None:
    """Of two numbers the resamples are both, or one of them twice, which is infinitely far."""
    (found,) = studentised(np.array([[0.0, 2.0]]))
    assert found.shape == (10_000,)
    assert set(np.unique(found)) == {0.0, math.inf}
    assert (found == 0.0).mean() == pytest.approx(0.5, abs=0.02)


def test_equal_numbers_are_above_what_they_are_above() -> None:
    found = MeanTests.of(np.full((1, 20), 2.0), np.array([1.0]))
    assert found.above[0] < 0.001
    assert found.below[0] == found.inside[0] == 1.0
    assert found.interval(0, 0.05) == (2.0, 2.0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-3.0, 3.0).map(lambda x: round(x, 3)), min_size=3, max_size=9))
def test_turned_numbers_have_turned_tests(numbers: list[float]) -> None:
    """The words for and against are one word, seen from either side."""
    rows = np.array([numbers])
    one, other = (MeanTests.of(each, np.array([0.5])) for each in (rows, -rows))
    assert one.above == pytest.approx(other.below)
    assert one.inside == pytest.approx(other.inside)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-3.0, 3.0).map(lambda x: round(x, 3)), min_size=3, max_size=9))
def test_no_two_words_hold_at_once(numbers: list[float]) -> None:
    found = MeanTests.of(np.array([numbers]), np.array([0.5]))
    p = sorted([found.above[0], found.below[0], found.inside[0]])
    assert p[1] > 0.5


def rejected(rows: Float64, level: float) -> tuple[float, float]:
    """Rates of a mean called above or below 0: by both tests, and by signs alone."""
    found = MeanTests.of(rows, np.zeros(len(rows)))
    signs = 2 * np.minimum(*sign_flip_tails(rows))
    both = np.minimum(found.above, found.below)
    return float((both <= level).mean()), float((signs <= level).mean())


@pytest.mark.parametrize("seeds", [10, 20])
def test_a_skewed_null_is_rejected_in_five_percent_at_most(seeds: int) -> None:
    """1,500 exponential samples less their mean; at a rate of 5 % over 90 would be seen in 4 %."""
    rows = np.random.default_rng(seeds).exponential(size=(1_500, seeds)) - 1.0
    both, signs = rejected(rows, 0.05)
    assert both <= 90 / 1_500
    # What the bootstrap is there for.
    assert signs > 90 / 1_500


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [10, 20])
def test_a_skewed_null_at_length(seeds: int) -> None:
    """12,000 samples: 5 % and two standard errors."""
    generator = np.random.default_rng(100 + seeds)
    both = [rejected(generator.exponential(size=(500, seeds)) - 1.0, 0.05)[0] for _ in range(24)]
    assert np.mean(both) <= 0.054
