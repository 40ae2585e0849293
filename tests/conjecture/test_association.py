"""Accuracy against smoothness: lines that can be worked out by hand, and their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from verdict_runs import Run, analysis, changed, run, table

from gslt.conjecture.association import Association
from gslt.conjecture.protocol import ACCURACY, DENSE, FROZEN

NEVER = -math.inf


def points(values: dict[tuple[int, float, int], tuple[float, float]]) -> list[Run]:
    """Frozen runs by depth, ratio and seed: log quotient and accuracy beside a dense run at 0."""
    dense = {(depth, seed) for depth, _, seed in values}
    return [
        *(run(DENSE, None, seed, 0.0, depth=at, **{ACCURACY: 0.0}) for at, seed in sorted(dense)),
        *(
            run(FROZEN, ratio, seed, x, depth=depth, **{ACCURACY: y})
            for (depth, ratio, seed), (x, y) in values.items()
        ),
    ]


def associations(runs: list[Run]) -> list[Association]:
    return analysis(runs).associations


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


def test_pairs_are_those_of_seed_and_depth() -> None:
    runs = changed(
        table([[1.0, 2.0, 4.0], [1.0, 3.0, 5.0], [0.0, 1.0, 2.0]]),
        {(None, 1): NEVER, (0.4, 1): NEVER, (0.2, 2): math.nan},
    )
    runs = [{**each, ACCURACY: 0.5 + 0.01 * (each["freezing_ratio"] or 0)} for each in runs]
    # A dense run that is missing, one depth without any, and a family of its own.
    runs += [run(FROZEN, 0.2, 9, 1.0), run(FROZEN, 0.6, 0, 1.0, depth=2)]
    runs += table([[0.0, 1.0]], batch_norm=False)
    found = analysis(runs).pairs(("synthetic", True))
    assert [*zip(found["depth"], found["freezing_ratio"], found["seed"], strict=True)] == [
        (2, 0.6, 0),
        *((4, 0.2, seed) for seed in (0, 1, 2, 9)),
        *((4, 0.4, seed) for seed in (0, 1, 2)),
    ]
    assert found["finite"].tolist() == [False, True, False, False, False, True, False, True]
    assert found["log_quotient"][found["finite"]].tolist() == [1.0, 3.0, 2.0]
    # One run alone has collapsed, both have.
    assert found["log_quotient"][2] == math.inf
    assert math.isnan(found["log_quotient"][6])
    assert found[ACCURACY][5] == pytest.approx(0.004)
