"""Sign flips of many rows at once: the one test behind every p-value of the verdict."""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np

from gslt.random import Float64, Stream
from gslt.studies.report.statistics import EXACT_LIMIT, RESAMPLES

#: Sums closer than this part of the numbers' own size are equal: they have rounding errors.
_TOLERANCE = 1e-12


def least_p(n: int) -> float:
    """The smallest two-sided p-value that n numbers can reach: 2 / 2^n, not below 2 / 10,000."""
    return min(1.0, 2.0 / len(_signs(n)))


def tails(rows: Float64) -> tuple[Float64, Float64]:
    """One-sided p-values of each row's mean under random signs: being above 0, and below.

    The test of :func:`gslt.studies.report.statistics.sign_flip_test`, for rows ``(k, n)`` together
    and some hundred times faster. Under the hypothesis that the distribution of a number is
    symmetric about 0, each could as well have had the other sign. Exact over all 2^n signs for n
    up to 13, else over 9,999 drawn ones and those observed; no form of distribution is assumed.
    """
    signs = _signs(rows.shape[1])
    sums, observed = rows @ signs.T, rows.sum(axis=1, keepdims=True)
    close = _TOLERANCE * np.abs(rows).sum(axis=1, keepdims=True)
    above = (sums >= observed - close).mean(axis=1)
    below = (sums <= observed + close).mean(axis=1)
    return above, below


def two_sided(rows: Float64) -> Float64:
    """Two-sided p-values of each row's mean: twice the smaller tail, at most 1."""
    p: Float64 = np.minimum(1.0, 2.0 * np.minimum(*tails(rows)))
    return p


@lru_cache(maxsize=32)
def _signs(n: int) -> Float64:
    if 2**n <= EXACT_LIMIT:
        return np.array(list(itertools.product((1.0, -1.0), repeat=n)))
    drawn = Stream(0, "", "sign flips").signs(RESAMPLES * n).reshape(RESAMPLES, n)
    return np.concatenate([np.ones((1, n)), drawn.astype(np.float64)])
