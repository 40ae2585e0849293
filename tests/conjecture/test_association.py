"""Accuracy against smoothness: lines that can be worked out by hand, and their intervals."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gslt.conjecture.association import Association, association, pairs_of
from gslt.conjecture.rule import ACCURACY, Rule

RULE = Rule()
NEVER = -math.inf
#: Differences of quotient and accuracy by depth, ratio and seed.
Points = dict[tuple[int, float, int], tuple[float, float]]


def contrasts(values: Points, **other: object) -> pd.DataFrame:
    """Frozen minus dense at the best epoch, as a frame of contrasts."""
    rows = [
        {"num_layers": depth, "ratio": ratio, "seed": seed, "endpoint": endpoint, "difference": d}
        for (depth, ratio, seed), differences in values.items()
        for endpoint, d in zip((RULE.endpoint, ACCURACY), differences, strict=True)
    ]
    places = {"dataset": "toy", "intervention": "none", "arm": "frozen", "at": "best epoch"}
    return pd.DataFrame(rows).assign(**{**places, **other})


def found_in(values: Points) -> Association:
    found = association(contrasts(values), RULE, "best epoch")
    assert found is not None
    return found


def test_a_line_through_three_points_by_hand() -> None:
    # (0, 0), (1, 1), (2, 5): means 1 and 2, Sxx = 2, Sxy = 5, Syy = 14.
    found = found_in({(4, 0.2, 0): (0.0, 0.0), (4, 0.2, 1): (1.0, 1.0), (4, 0.2, 2): (2.0, 5.0)})
    assert found.pooled.slope == pytest.approx(2.5)
    assert found.intercept == pytest.approx(-0.5)
    assert found.pooled.r_squared == pytest.approx(25 / 28)
    # One depth and one ratio: taking off their mean changes nothing.
    assert found.within.slope == pytest.approx(found.pooled.slope)
    assert found.within.r_squared == pytest.approx(found.pooled.r_squared)
    assert (found.pairs, found.seeds, found.left_out) == (3, 3, 0)
    assert (found.dataset, found.at) == ("toy", "best epoch")


def test_depths_alone_can_make_a_line_that_no_seed_shows() -> None:
    # Within each depth accuracy falls by 1 per unit; between the depths it rises by 1.
    found = found_in(
        {
            (depth, 0.4, seed): (10.0 * depth + off, 10.0 * depth - off)
            for depth in (1, 2)
            for seed, off in enumerate((-1.0, 0.0, 1.0))
        }
    )
    assert found.pooled.slope > 0.8
    assert found.within.slope == pytest.approx(-1)
    assert found.within.r_squared == pytest.approx(1)
    assert found.within.slope_interval[1] <= 0


def test_intervals_of_lines_resample_whole_seeds() -> None:
    noise = np.random.default_rng(0).normal(size=(200, 2))
    # Four copies of each seed: they add nothing, so that the interval is that of 200 points.
    found = found_in(
        {
            (depth, 0.4, seed): (x, 0.5 * x + y)
            for depth in (2, 4, 8, 16)
            for seed, (x, y) in enumerate(noise)
        }
    )
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
    found = found_in(
        {
            (4, 0.2, 0): (1.0, 0.1),
            (4, 0.2, 1): (1.0, 0.3),
            (4, 0.2, 2): (NEVER, 0.3),
            (4, 0.2, 3): (1.0, math.nan),
        }
    )
    assert (found.pairs, found.seeds, found.left_out) == (2, 2, 2)
    assert (found.pooled.slope, found.pooled.r_squared) == (0, 0)
    assert found.intercept == pytest.approx(0.2)
    # Two seeds have no interval.
    assert math.isnan(found.pooled.slope_interval[0])
    assert association(contrasts({(4, 0.2, 0): (NEVER, 0.3)}), RULE, "best epoch") is None


def test_pairs_are_those_where_smoothing_is_left_alone() -> None:
    values = {(4, 0.2, 0): (1.0, 0.1), (4, 0.4, 0): (2.0, 0.2)}
    others = [
        contrasts(values, intervention="residual"),
        contrasts(values, arm="trained"),
        contrasts(values, at="last epoch"),
    ]
    found = pairs_of(pd.concat([contrasts(values), *others]), RULE, "best epoch")
    assert found["quotient"].tolist() == [1.0, 2.0]
    assert found["accuracy"].tolist() == [0.1, 0.2]
    assert found["finite"].all()
