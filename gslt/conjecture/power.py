"""Power of the two kinds of test as of Student's t, and how many seeds a decision needs."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from gslt.conjecture.decision import Scores
from gslt.conjecture.protocol import Criteria
from gslt.random import Float64, Stream
from gslt.report.statistics import least_p

#: Draws behind a power without a formula.
DRAWS = 2_000
#: Equal shares of the spread that they are divided among.
SHARES = 200
#: More seeds than this are as good as never.
MOST_SEEDS = 10_000
#: Effects above this are as good as never found.
LARGEST_EFFECT = 50.0
#: Confidence of the range of the number of seeds.
RANGE = 0.9


def detection_power(effect: float, sd: float, seeds: int, alpha: float) -> float:
    """Chance that the two-sided paired t-test at level ``alpha`` finds a mean difference.

    F(−t; ν, δ) + 1 − F(t; ν, δ), F the distribution of noncentral t, ν = seeds − 1,
    δ = effect · √seeds / sd, t the quantile 1 − alpha / 2 of central t (Cohen 1988, Statistical
    Power Analysis, section 2.5).

    Args:
        effect: mean of the differences.
        sd: their standard deviation over seeds.
        seeds: their number, at least 2.
        alpha: level of the test.

    >>> round(detection_power(0.5, 1.0, 34, 0.05), 2)  # the textbook's d = 0.5
    0.81
    """
    from scipy import stats

    t, shift = float(stats.t.ppf(1 - alpha / 2, seeds - 1)), effect * math.sqrt(seeds) / sd
    return 1.0 - noncentral_t(t, seeds - 1, shift) + noncentral_t(-t, seeds - 1, shift)


def exclusion_power(margin: float, rows: Float64, seeds: int, alpha: float) -> float:
    """Chance that two one-sided t-tests at level ``alpha`` succeed in every row, without effect.

    By 2,000 draws of normal means with the covariance of the rows, and of one estimate of their
    spread, which they share.

    Args:
        margin: smallest size that matters.
        rows: paired differences ``(k, n)``: a row for each that must be small.
        seeds: number of seeds that the chance is of.
        alpha: level of each test.
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

    Args:
        t: where.
        df: degrees of freedom ν.
        shift: noncentrality δ.

    >>> round(noncentral_t(0.0, df=9, shift=1.0), 4)  # Φ(−1), whatever ν is
    0.1587
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


# Seeds for a decision


@dataclass(frozen=True)
class SeedsNeeded:
    """Seeds for a decision, as of Student's t at the first step of Holm's correction.

    An estimate: the standard deviation of few seeds is uncertain (``low`` … ``high`` has the range
    that this leaves), and the test by signs needs about as many as Student's t, not exactly.
    """

    n: int | None
    """The larger of the two numbers below; None if unknown, or above 10,000."""
    low: int | None
    high: int | None
    """The same at either end of the 90 % interval of the standard deviation."""
    to_detect: int | None
    """To find a difference of the size assumed."""
    to_exclude: int | None
    """To show at every ratio that the difference is too small to matter, if there is none."""
    basis: str
    """``smallest effect``: either the smallest effect that matters is there, or none.
    ``observed effect``: those seeds are there already, so the truth seems to lie between: the
    smaller of the two numbers for a true difference as large as the one observed.
    ``least seeds``: only how many seeds make a significant result possible is known."""


def seeds_needed(scores: Scores | None, comparisons: int, criteria: Criteria) -> SeedsNeeded:
    """Seeds needed for the chance ``criteria.power`` of a decision, among so many comparisons.

    Where a run has collapsed beside one that has not, equivalence is out of reach, and the number
    is that of seeds to detect a difference.

    Args:
        scores: what is there; None where nothing can be tested.
        comparisons: tests that are corrected together.
        criteria: level, chance, and the smallest effect that matters.
    """
    alpha, power = criteria.alpha / comparisons, criteria.power
    present = 0 if scores is None else len(scores.seeds)
    if scores is None or present < 2 or np.ptp(scores.levels) == 0:
        least = _fewest(alpha, sides=2)
        n = None if least <= present else _known(least)
        return SeedsNeeded(n, None, None, None, None, "least seeds")
    smallest = criteria.smallest_effect
    planned = _planned("smallest effect", scores, smallest, smallest, alpha, power)
    if planned.n is None or planned.n > present:
        return planned
    level = abs(float(scores.levels.mean()))
    largest = float(np.abs(scores.differences.mean(axis=0)).max())
    found = _planned("observed effect", scores, level, smallest - largest, alpha, power)
    if found.n is not None and found.n <= present:
        return replace(found, n=None, low=None, high=None)
    return found


def _planned(
    basis: str, scores: Scores, effect: float, margin: float, alpha: float, power: float
) -> SeedsNeeded:
    """Seeds for an effect, and for its absence within a margin; for both, or else for either."""
    spreads = (1.0, *sd_range(len(scores.seeds)))
    detect = [seeds_to_detect(scores, effect, alpha, power, spread) for spread in spreads]
    exclude = [seeds_to_exclude(scores, margin, alpha, power, spread) for spread in spreads]
    join = max if basis == "smallest effect" else min
    n, low, high = detect if scores.one_collapsed else map(join, detect, exclude)
    return SeedsNeeded(
        _known(n), _known(low), _known(high), _known(detect[0]), _known(exclude[0]), basis
    )


def seeds_to_detect(
    scores: Scores, effect: float, alpha: float, power: float, spread: float = 1.0
) -> float:
    """Seeds to find a mean difference with a chance; ∞ for more than 10,000.

    Args:
        scores: whose standard deviation over seeds is taken for the true one.
        effect: true mean over the ratios of frozen minus dense.
        alpha: level of the test.
        power: the chance.
        spread: so many times the standard deviation.
    """
    sd = spread * float(scores.levels.std(ddof=1))
    n = _smallest_n(lambda n: detection_power(effect, sd, n, alpha) >= power)
    return max(n, _fewest(alpha, sides=2))


def seeds_to_exclude(
    scores: Scores, margin: float, alpha: float, power: float, spread: float = 1.0
) -> float:
    """Seeds to show with a chance that no ratio's mean lies beyond a margin, where none does.

    ∞ for more than 10,000, or where there is no way: a run has collapsed beside one that has
    not.

    Args:
        scores: those that are there, whose spread is taken.
        margin: smallest size that matters.
        alpha: level of the test.
        power: the chance.
        spread: by how much the spread is larger than what was observed.
    """
    if margin <= 0 or scores.one_collapsed:
        return math.inf
    rows = spread * scores.differences.T
    n = _smallest_n(lambda n: exclusion_power(margin, rows, n, alpha) >= power)
    return max(n, _fewest(alpha, sides=1))


def sd_range(n: int) -> tuple[float, float]:
    """Ends of the 90 % interval of a standard deviation of n normal numbers, as factors on it."""
    from scipy import stats

    ends = stats.chi2.ppf([(1 + RANGE) / 2, (1 - RANGE) / 2], n - 1)
    shrunk, grown = np.sqrt((n - 1) / ends)
    return float(shrunk), float(grown)


def _fewest(alpha: float, sides: int) -> float:
    """Fewer seeds than this cannot be significant at all."""
    return _smallest_n(lambda n: sides * least_p(n) / 2 <= alpha, 64)


def _known(seeds: float) -> int | None:
    return None if math.isinf(seeds) else int(seeds)


def _smallest_n(holds: Callable[[int], bool], most: int = MOST_SEEDS) -> float:
    """The smallest n from 2 that has a property which larger ones have too; ∞ for none."""
    end = 8
    while end < most and not holds(end):
        end = min(2 * end, most)
    numbers = range(2, end + 1)
    at = bisect.bisect_left(numbers, True, key=holds)
    return numbers[at] if at < len(numbers) else math.inf


# What the seeds that are there can show


@dataclass(frozen=True, kw_only=True)
class DesignPower:
    """What the seeds that are there could show at one depth, or over all.

    As of Student's t at the first step of Holm's correction, with the spread that was observed.
    """

    seeds: int
    sd: float
    """Standard deviation over seeds of frozen minus dense, mean over the ratios."""
    detection: float
    """Chance of a significant mean difference, if it is as large as the smallest that matters."""
    detectable: float
    """The difference that is found with the chance that the criteria ask for; ∞ for none."""
    exclusion: float
    """Chance of "no meaningful difference", if there is none at all."""


def design_power(scores: Scores, comparisons: int, criteria: Criteria) -> DesignPower:
    """Power of two seeds or more, among so many comparisons.

    Args:
        scores: of the seeds that are there.
        comparisons: tests that are corrected together.
        criteria: level, and the smallest effect that matters.
    """
    seeds, alpha = len(scores.seeds), criteria.alpha / comparisons
    sd = float(scores.levels.std(ddof=1))

    def detection(effect: float) -> float:
        if least_p(seeds) > alpha:
            return 0.0
        return detection_power(effect, sd, seeds, alpha) if sd > 0 else 1.0

    smallest, exclusion = criteria.smallest_effect, 0.0
    # One-sided: half of the smallest p of a difference.
    if least_p(seeds) / 2 <= alpha and not scores.one_collapsed:
        exclusion = exclusion_power(smallest, scores.differences.T, seeds, alpha)
    return DesignPower(
        seeds=seeds,
        sd=sd,
        detection=detection(smallest),
        detectable=_smallest_effect(detection, criteria.power),
        exclusion=exclusion,
    )


def _smallest_effect(power_of: Callable[[float], float], wanted: float) -> float:
    """The smallest effect with a power, to 1e-3; ∞ where there is none."""
    low, high = 0.0, LARGEST_EFFECT
    if power_of(high) < wanted:
        return math.inf
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if power_of(middle) >= wanted else (middle, high)
    return high
