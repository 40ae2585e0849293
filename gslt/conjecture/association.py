"""Whether the difference in smoothness goes with the difference in accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from gslt.conjecture.protocol import ACCURACY, DENSE, FROZEN, PRIMARY, Family
from gslt.random import Float64, Stream
from gslt.report.statistics import LEVEL, RESAMPLES, Estimate

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

    An association, not an effect: nothing here was assigned but the freezing ratio, and whatever
    else it changes may move both.
    """

    dataset: str
    batch_norm: bool
    accuracy: Estimate
    """Accuracy of frozen minus dense, mean over depths and ratios, collapsed runs too. NaN where no
    seed has them all."""
    pooled: Slope
    """Over all seeds, depths and ratios. Depths and ratios differ in both quantities, which alone
    can make such a line."""
    intercept: float
    """Of the pooled line: the accuracy difference left where smoothness is the same."""
    intercept_interval: tuple[float, float]
    within: Slope
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


def frozen_minus_dense(runs: DataFrame) -> DataFrame:
    """Every frozen run minus the dense run of its seed and depth.

    Args:
        runs: those of one family, see :func:`gslt.conjecture.protocol.in_order`.

    Returns:
        A row a pair, by ``depth``, ``freezing_ratio`` and ``seed``; the differences of
        ``log_quotient`` and ``test_accuracy``, NaN where one of the runs or its number is missing;
        and ``finite``: whether both are numbers, which they are not where a run collapsed totally.
    """
    pair, columns = ["depth", "freezing_ratio", "seed"], [PRIMARY, ACCURACY]
    frozen = runs.loc[runs["arm"] == FROZEN, [*pair, *columns]]
    dense = runs.loc[runs["arm"] == DENSE, ["depth", "seed", *columns]]
    wanted = frozen[["depth", "freezing_ratio"]].drop_duplicates().merge(dense, on="depth")
    found = frozen.merge(wanted, on=pair, how="outer", suffixes=("", "_dense"))
    for name in columns:
        found[name] -= found[f"{name}_dense"]
    found["finite"] = np.isfinite(found[columns]).all(axis=1)
    return found.sort_values(pair, ignore_index=True)[[*pair, *columns, "finite"]]


def association(runs: DataFrame) -> Association | None:
    """The association of one family; None where it has no pair of numbers.

    Args:
        runs: those of one family, see :func:`gslt.conjecture.protocol.in_order`.
    """
    pairs = frozen_minus_dense(runs)
    points = pairs[pairs["finite"]]
    if not len(points):
        return None
    pooled, within = _sums(points, within=False), _sums(points, within=True)
    # Over the seeds that have every pair, so that all average the same depths and ratios. Summed
    # exactly, as accuracies are few fractions whose resampled means tie.
    by_seed = pairs.pivot(index="seed", columns=["depth", "freezing_ratio"], values=ACCURACY)
    accuracies = np.array([fmean(row) for row in by_seed.dropna().to_numpy()])
    return Association(
        dataset=str(runs["dataset"].iloc[0]),
        batch_norm=bool(runs["batch_norm"].iloc[0]),
        accuracy=Estimate.of(accuracies),
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
    x, y = points[PRIMARY].to_numpy(), points[ACCURACY].to_numpy()
    powers = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    seeds, row = np.unique(points["seed"], return_inverse=True)
    group = points.groupby(["depth", "freezing_ratio"]).ngroup().to_numpy() * within
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
