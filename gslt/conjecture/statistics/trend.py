"""Dose and response: whether the quotient rises with the freezing ratio, seed by seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gslt.conjecture.statistics.pairs import differences
from gslt.random import Float64

#: Values that differ by no more are tied.
_TIE = 1e-12


def taus(values: Float64) -> Float64:
    """Kendall's tau-a of each row with the order of its columns: from −1 (falling) to 1 (rising).

    Pairs of columns that rise, minus pairs that fall, over all pairs; a tie counts as neither. −∞
    ranks below every number and ties with itself.
    """
    first, second = np.triu_indices(values.shape[1], k=1)
    rises = differences(values[:, second], values[:, first])
    signs = np.where(np.abs(rises) <= _TIE, 0.0, np.sign(rises))
    tau: Float64 = signs.mean(axis=1)
    return tau


@dataclass(frozen=True)
class PageTest:
    """Page's L for ordered alternatives (Page 1963), two-sided."""

    statistic: float
    p: float
    method: str
    """``exact`` or ``asymptotic``."""


def page_test(values: Float64) -> PageTest | None:
    """Page's L of rows (seeds) and columns (rising ratios); None for under 2 rows or 3 columns.

    It is shown beside the verdict and decides nothing: it takes the runs of a seed for
    exchangeable, and rejects too often where those at neighbouring ratios resemble each other,
    as tickets do whose freezing patterns overlap.
    """
    from scipy import stats

    if values.shape[0] < 2 or values.shape[1] < 3:
        return None
    columns = np.arange(1, values.shape[1] + 1)
    found = [stats.page_trend_test(values, predicted_ranks=way) for way in (columns, columns[::-1])]
    p = min(1.0, 2.0 * min(float(each.pvalue) for each in found))
    statistic = float(found[0].statistic)
    return PageTest(statistic, p if math.isfinite(p) else 1.0, str(found[0].method))
