"""Tests of the mean of one number per seed: by sign flips and by the studentised bootstrap at once.

Sign flips take the numbers for symmetric, the bootstrap follows their skewness; a p-value is the
larger of the two, so that nothing is decided where they disagree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gslt.random import Float64, Stream
from gslt.report.statistics import RESAMPLES, sign_flip_tails, weighted_sums


def studentised(rows: Float64) -> Float64:
    """Bootstrap distribution of Student's t of each row, ``(k, 9,999 + 1)``.

    (mean* − mean) / standard error* over resamples of the row (Efron and Tibshirani 1993, An
    Introduction to the Bootstrap, section 12.5). It follows the skewness of the numbers, which a
    test by sign flips takes for none. A resample of equal numbers counts as infinitely far on
    either side, and so does one more: no p-value is 0. The quantiles are stretched by (n + 1) / n:
    with 10 exponential numbers (skewness 2) the test by both at 5 % then rejects a
    true mean in 4 % of cases, without it in 5 to 6 %, and the test by signs alone in 9 %.

    Args:
        rows: numbers ``(k, n)``.
    """
    n = rows.shape[1]
    centred = rows - rows.mean(axis=1, keepdims=True)
    centred[np.abs(centred) <= 1e-12 * np.abs(rows).max(axis=1, keepdims=True)] = 0.0
    counts = resample_counts(n, "studentised bootstrap")
    means = weighted_sums(centred, counts) / n
    squares = weighted_sums(centred**2, counts) / n - means**2
    error = np.sqrt(np.maximum(squares, 0.0) / (n - 1))
    varies = error > 1e-9 * np.sqrt((centred**2).mean(axis=1, keepdims=True) / n)
    t = np.full((len(rows), len(counts) + 1), math.inf)
    np.divide((n + 1) / n * means, error, out=t[:, :-1], where=varies)
    return t


@lru_cache(maxsize=32)
def resample_counts(n: int, role: str) -> Float64:
    """How often each of n numbers is drawn in each resample: ``(9,999, n)``.

    Args:
        n: how many numbers there are.
        role: of the random stream.
    """
    drawn = np.floor(Stream(0, "", role).uniform(RESAMPLES * n) * n)
    places = drawn.astype(np.int64).reshape(RESAMPLES, n)
    offset = np.arange(RESAMPLES)[:, None] * n
    counted = np.bincount((places + offset).ravel(), minlength=RESAMPLES * n)
    return counted.reshape(RESAMPLES, n).astype(np.float64)


@dataclass(frozen=True, eq=False)
class MeanTests:
    """Two-sided p-values of rows of numbers, ``(k,)`` each, and the bootstrap behind them."""

    above: Float64
    """Of a mean that is no larger than the margin."""
    positive: Float64
    """Of one that is not above 0."""
    inside: Float64
    """Of one that is as large as the margin in either direction."""
    below: Float64
    """Of one that is not below minus the margin."""
    mean: Float64
    sd: Float64
    error: Float64
    t: Float64

    @classmethod
    def of(cls, rows: Float64, margins: Float64) -> MeanTests:
        """Tests of rows against margins, see :func:`gslt.conjecture.claims.judge_scores`.

        Args:
            rows: numbers ``(k, n)``, n at least 2.
            margins: ``(k,)``.
        """
        n = rows.shape[1]
        mean, sd = rows.mean(axis=1), rows.std(axis=1, ddof=1)
        error = sd / math.sqrt(n)
        t = studentised(rows)

        def tails(bound: Float64) -> tuple[Float64, Float64]:
            moved = rows - bound[:, None]
            bootstrap = _bootstrap_tails(t, mean - bound, error)
            signs = sign_flip_tails(moved)
            return np.maximum(signs[0], bootstrap[0]), np.maximum(signs[1], bootstrap[1])

        (above, smaller), (larger, below) = tails(margins), tails(-margins)
        positive, _ = tails(np.zeros_like(margins))
        inside = np.maximum(smaller, larger)
        both = [np.minimum(1.0, 2.0 * each) for each in (above, positive, inside, below)]
        return cls(both[0], both[1], both[2], both[3], mean, sd, error, t)

    def interval(self, row: int, level: float) -> tuple[float, float]:
        """Bootstrap-t interval of the mean of a row.

        Args:
            row: its number.
            level: the rate at which the interval may miss the mean.
        """
        ends = np.quantile(self.t[row], [1.0 - level / 2, level / 2], method="inverted_cdf")
        with np.errstate(invalid="ignore"):
            low, high = self.mean[row] - self.error[row] * ends
        if np.isinf(self.t[row]).all():
            low = high = self.mean[row]
        return float(low), float(high)


def _bootstrap_tails(t: Float64, distance: Float64, error: Float64) -> tuple[Float64, Float64]:
    """One-sided p-values of means being above, and below, a bound, from t*."""
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.nan_to_num(distance / error, nan=0.0, posinf=1e300, neginf=-1e300)
    count, infinite = t.shape[1], np.count_nonzero(np.isinf(t), axis=1)
    # Resamples that are infinitely far are so on either side.
    above = np.count_nonzero(t >= observed[:, None], axis=1) / count
    below = (np.count_nonzero(t <= observed[:, None], axis=1) + infinite) / count
    # Equal numbers have no spread: whether they lie above is plain, and the signs say how surely.
    equal = infinite == count
    return (
        np.where(equal, np.where(observed > 0, 1.0 / count, 1.0), above),
        np.where(equal, np.where(observed < 0, 1.0 / count, 1.0), below),
    )
