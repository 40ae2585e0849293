"""Whether the difference in smoothness goes with the difference in accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gslt.conjecture.rule import ACCURACY, CELL, Rule
from gslt.conjecture.trajectories import NONE, At
from gslt.random import Float64, Stream
from gslt.report.statistics import LEVEL, RESAMPLES

if TYPE_CHECKING:
    from pandas import DataFrame

#: Fewer clusters say nothing about their spread.
LEAST_SEEDS = 3


@dataclass(frozen=True)
class Slope:
    """A straight line through points, by least squares. Intervals are of 95 %, seeds resampled."""

    slope: float
    """Accuracy gained per unit of the log quotient."""
    slope_interval: tuple[float, float]
    r_squared: float
    """Share of the variance of the accuracy differences that the line explains."""


@dataclass(frozen=True, kw_only=True)
class Association:
    """How the accuracy of frozen minus dense goes with their log quotient, frozen minus dense.

    The second line of claim M: mediation by regression (Baron and Kenny 1986). What it assumes is
    much: that nothing else which freezing changes moves both, that the line is straight, and that
    the quotient is measured without error. The intervention is the first line because it assumes
    none of it.
    """

    dataset: str
    at: At
    """Where both were measured."""
    pooled: Slope
    """Over all seeds, depths and ratios. Depths and ratios differ in both quantities, which alone
    can make such a line."""
    intercept: float
    """Of the pooled line: the accuracy difference left where smoothness is the same (the direct
    effect of the mediation; the rest is the indirect one)."""
    intercept_interval: tuple[float, float]
    within: Slope
    """The same with the mean of each depth and ratio taken off: whether the seeds in which freezing
    changed smoothness more are those in which it changed accuracy more."""
    pairs: int
    seeds: int
    left_out: int
    """Pairs that lack a number, or have a run that collapsed totally."""


def pairs_of(found: DataFrame, rule: Rule, at: At) -> DataFrame:
    """Differences of smoothness and accuracy side by side, where smoothing is left alone.

    Args:
        found: contrasts of one data set, see :func:`gslt.conjecture.trajectories.contrasts`.
        rule: arms, and the endpoint of smoothness.
        at: where they were measured.

    Returns:
        A row for every frozen run: :data:`CELL`, ``seed``, ``quotient`` and ``accuracy`` (frozen
        minus dense), and ``finite``: whether both are numbers.
    """
    here = found[
        (found["at"] == at) & (found["intervention"] == NONE) & found["arm"].isin(rule.arms)
    ]
    names = {rule.endpoint: "quotient", ACCURACY: "accuracy"}
    rows = here[here["endpoint"].isin(names)].assign(ratio=here["ratio"].fillna(-1.0))
    wide = rows.pivot(index=[*CELL, "seed"], columns="endpoint", values="difference")
    wide = wide.reindex(columns=list(names)).rename(columns=names).reset_index()
    return wide.assign(finite=np.isfinite(wide[["quotient", "accuracy"]]).all(axis=1))


def association(found: DataFrame, rule: Rule, at: At) -> Association | None:
    """The association on one data set; None where it has no pair of numbers.

    Args:
        found: contrasts of one data set.
        rule: arms, and the endpoint of smoothness.
        at: where both are measured.
    """
    pairs = pairs_of(found, rule, at)
    points = pairs[pairs["finite"]]
    if not len(points):
        return None
    pooled, within = _sums(points, within=False), _sums(points, within=True)
    return Association(
        dataset=str(found["dataset"].iloc[0]),
        at=at,
        pooled=_line(pooled),
        intercept=float(_intercept(pooled.sum(axis=0))),
        intercept_interval=_interval(pooled, _intercept),
        within=_line(within),
        pairs=len(points),
        seeds=len(pooled),
        left_out=len(pairs) - len(points),
    )


def _sums(points: DataFrame, *, within: bool) -> Float64:
    """What a bootstrap over seeds adds up: n, Σx, Σy, Σx², Σxy and Σy² of every seed and group.

    Args:
        points: x is the difference of the log quotient, y that of accuracy.
        within: whether a group is a depth and ratio; else it is everything.

    Returns:
        ``(seeds, groups, 6)``.
    """
    x, y = points["quotient"].to_numpy(), points["accuracy"].to_numpy()
    powers = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    seeds, row = np.unique(points["seed"], return_inverse=True)
    group = points.groupby([*CELL]).ngroup().to_numpy() * within
    sums = np.zeros((len(seeds), group.max() + 1, 6))
    np.add.at(sums, (row, group), powers)
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


def _line(sums: Float64) -> Slope:
    total = sums.sum(axis=0)
    slope, (_, sxy, syy) = float(_slope(total)), (float(each) for each in _centred(total))
    explained = slope * sxy / syy if syy > 1e-12 * total[..., 5].sum() else 0.0
    return Slope(slope, _interval(sums, _slope), explained)


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
