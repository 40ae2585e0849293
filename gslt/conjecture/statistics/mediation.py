"""Whether the difference in smoothness goes with the difference in accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

import numpy as np

from gslt.conjecture.statistics.endpoints import (
    ACCURACY,
    DENSE,
    FROZEN,
    PRIMARY,
    Family,
    Run,
    Table,
    by_place,
)
from gslt.conjecture.statistics.estimate import Estimate, estimate
from gslt.random import Float64, Stream
from gslt.studies.report.statistics import LEVEL, RESAMPLES

#: Fewer clusters say nothing about their spread.
LEAST_SEEDS = 3


@dataclass(frozen=True)
class Line:
    """A straight line through points, by least squares. Intervals are of 95 %, seeds resampled."""

    slope: float
    """Accuracy gained per unit of the log quotient."""
    slope_interval: tuple[float, float]
    r_squared: float
    """Share of the variance of the accuracy differences that the line explains."""


@dataclass(frozen=True, kw_only=True)
class Association:
    """How the accuracy of frozen minus dense goes with their log quotient, frozen minus dense.

    An association, not an effect: nothing here was assigned but the freezing ratio, and whatever
    else it changes may move both.
    """

    dataset: str
    batch_norm: bool
    accuracy: Estimate
    """Accuracy of frozen minus dense, mean over depths and ratios, collapsed runs too. NaN where no
    seed has them all."""
    pooled: Line
    """Over all seeds, depths and ratios. Depths and ratios differ in both quantities, which alone
    can make such a line."""
    intercept: float
    """Of the pooled line: the accuracy difference left where smoothness is the same."""
    intercept_interval: tuple[float, float]
    within: Line
    """The same with the mean of each depth and ratio taken off: whether the seeds in which freezing
    changed smoothness more are those in which it changed accuracy more."""
    pairs: int
    seeds: int
    left_out: int
    """Pairs that lack a number, or have a run that collapsed totally."""

    @property
    def family(self) -> Family:
        """Its data set, and whether with batch norm."""
        return self.dataset, self.batch_norm


def associations(runs: Iterable[Run]) -> list[Association]:
    """One association for every data set with, and without, batch norm that has such pairs."""
    table = by_place(runs)
    families = dict.fromkeys(place.family for place in table)
    found = [_association(table, family) for family in families]
    return [each for each in found if each is not None]


class Point(NamedTuple):
    """A frozen run minus the dense run of its seed and depth; NaN where one of them is missing."""

    depth: int
    freezing_ratio: float
    seed: int
    smooth: float
    """Difference of the log quotient; no finite number where a run collapsed totally."""
    accuracy: float

    @property
    def finite(self) -> bool:
        """Whether both differences are numbers."""
        return math.isfinite(self.smooth) and math.isfinite(self.accuracy)


def frozen_minus_dense(table: Table, family: Family) -> list[Point]:
    """The pairs of a family, by depth, ratio and seed."""
    points = []
    for place, arms in table.items():
        dense = arms.get((DENSE, None), {})
        for (arm, ratio), frozen in arms.items():
            if place.family != family or arm != FROZEN or ratio is None:
                continue
            for seed in frozen.keys() | dense.keys():
                pair = frozen.get(seed), dense.get(seed)
                smooth, accuracy = (
                    _difference(*pair, endpoint) for endpoint in (PRIMARY, ACCURACY)
                )
                points.append(Point(place.depth, ratio, seed, smooth, accuracy))
    return sorted(points, key=lambda point: point[:3])


def _difference(first: Run | None, second: Run | None, endpoint: str) -> float:
    if first is None or second is None:
        return math.nan
    return first.value(endpoint) - second.value(endpoint)


def _association(table: Table, family: Family) -> Association | None:
    every = frozen_minus_dense(table, family)
    points = [point for point in every if point.finite]
    if not points:
        return None
    pooled = _sums(points, within=False)
    within = _sums(points, within=True)
    return Association(
        dataset=family[0],
        batch_norm=family[1],
        accuracy=_mean_accuracy(every),
        pooled=_line(pooled),
        intercept=float(_intercept(pooled.sum(axis=0))),
        intercept_interval=_interval(pooled, _intercept),
        within=_line(within),
        pairs=len(points),
        seeds=len(pooled),
        left_out=len(every) - len(points),
    )


def _mean_accuracy(points: list[Point]) -> Estimate:
    """Over the seeds that have every pair, so that all average the same depths and ratios."""
    by_seed: dict[int, list[float]] = {}
    for point in points:
        by_seed.setdefault(point.seed, []).append(point.accuracy)
    cells = len({(point.depth, point.freezing_ratio) for point in points})
    whole = [each for each in by_seed.values() if len(each) == cells and np.isfinite(each).all()]
    return estimate(np.array([fmean(each) for each in whole]))


def _sums(points: list[Point], *, within: bool) -> Float64:
    """n, Σx, Σy, Σx², Σxy, Σy² of every seed and group: what a bootstrap over seeds adds up.

    A group is a depth and ratio, or everything.
    """
    depth, ratio, seed, x, y = np.array(points, dtype=np.float64).T
    powers = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    seeds, row = np.unique(seed, return_inverse=True)
    cells, at = np.unique(np.stack([depth, ratio]) * within, axis=1, return_inverse=True)
    sums = np.zeros((len(seeds), cells.shape[1], 6))
    np.add.at(sums, (row, at.ravel()), powers)
    return sums


def _centred(sums: Float64) -> tuple[Float64, Float64, Float64]:
    """Sxx, Sxy and Syy about the means of groups, added over them, of ``(..., groups, 6)``."""
    n, x, y, xx, xy, yy = np.moveaxis(sums, -1, 0)
    n = np.maximum(n, 1.0)
    return (
        (xx - x * x / n).sum(axis=-1),
        (xy - x * y / n).sum(axis=-1),
        (yy - y * y / n).sum(axis=-1),
    )


def _slope(sums: Float64) -> Float64:
    """Slope of the line; 0 where smoothness does not vary, which then explains nothing."""
    sxx, sxy, _ = _centred(sums)
    varies = sxx > 1e-12 * sums[..., 3].sum(axis=-1)
    slope: Float64 = np.divide(sxy, sxx, out=np.zeros_like(sxx), where=varies)
    return slope


def _intercept(sums: Float64) -> Float64:
    n, x, y = (sums[..., i].sum(axis=-1) for i in range(3))
    intercept: Float64 = (y - _slope(sums) * x) / n
    return intercept


def _line(sums: Float64) -> Line:
    total = sums.sum(axis=0)
    slope, (_, sxy, syy) = float(_slope(total)), (float(each) for each in _centred(total))
    explained = slope * sxy / syy if syy > 1e-12 * total[..., 5].sum() else 0.0
    return Line(slope, _interval(sums, _slope), explained)


def _interval(sums: Float64, statistic: Callable[[Float64], Float64]) -> tuple[float, float]:
    """Percentile interval of a statistic of the summed sums, whole seeds drawn with replacement.

    NaN for fewer than three seeds.
    """
    n = len(sums)
    if n < LEAST_SEEDS:
        return math.nan, math.nan
    drawn = (Stream(0, "", "seeds of a bootstrap").uniform(RESAMPLES * n) * n).astype(np.int64)
    weights = np.zeros((RESAMPLES, n))
    np.add.at(weights, (np.repeat(np.arange(RESAMPLES), n), drawn), 1.0)
    found = statistic(np.tensordot(weights, sums, axes=1))
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
