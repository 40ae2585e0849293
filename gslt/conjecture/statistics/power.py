"""Power of the two kinds of test, as of Student's t."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from gslt.random import Float64, Stream

#: Draws behind a power without a formula.
DRAWS = 2_000
#: Equal shares of the spread that they are divided among.
SHARES = 200


def detection_power(effect: float, sd: float, seeds: int, alpha: float) -> float:
    """Chance that the two-sided paired t-test at level ``alpha`` finds a mean difference.

    F(−t; ν, δ) + 1 − F(t; ν, δ), F the distribution of noncentral t, ν = seeds − 1,
    δ = effect · √seeds / sd, t the quantile 1 − alpha / 2 of central t.
    """
    from scipy import stats

    t, shift = float(stats.t.ppf(1 - alpha / 2, seeds - 1)), effect * math.sqrt(seeds) / sd
    return 1.0 - noncentral_t(t, seeds - 1, shift) + noncentral_t(-t, seeds - 1, shift)


def exclusion_power(margin: float, rows: Float64, seeds: int, alpha: float) -> float:
    """Chance that two one-sided t-tests at level ``alpha`` succeed in every row, without effect.

    By 2,000 draws of normal means with the covariance of the rows ``(k, n)``, and of one estimate
    of their spread, which they share.
    """
    from scipy import stats

    n = rows.shape[1]
    means = _draws(n) @ (rows - rows.mean(axis=1, keepdims=True)).T / math.sqrt((n - 1) * seeds)
    spread = np.tile(_spreads(seeds - 1), DRAWS // SHARES)
    error = np.outer(spread, rows.std(axis=1, ddof=1)) / math.sqrt(seeds)
    t = float(stats.t.ppf(1 - alpha, seeds - 1))
    return float((np.abs(means) + t * error < margin).all(axis=1).mean())


def noncentral_t(t: float, df: int, shift: float) -> float:
    """Distribution function of noncentral t: the mean of Φ(t √(χ²/ν) − δ) over χ² of ν degrees.

    By the midpoints of 200 equal shares of χ², to about 1e-3. The library's own function gives no
    number for some of the large shifts that come up here.
    """
    from scipy import special

    return float(special.ndtr(t * _spreads(df) - shift).mean())


@lru_cache(maxsize=4)
def _draws(n: int) -> Float64:
    return Stream(0, "", "exclusion power").normal(DRAWS * n).reshape(DRAWS, n)


@lru_cache(maxsize=1_024)
def _spreads(df: int) -> Float64:
    """Standard deviations of df + 1 standard normal numbers: midpoints of equal shares."""
    from scipy import special

    shares = (np.arange(SHARES) + 0.5) / SHARES
    spreads: Float64 = np.sqrt(special.chdtri(df, 1.0 - shares) / df)
    return spreads
