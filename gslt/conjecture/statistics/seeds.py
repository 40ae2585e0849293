"""How many seeds an undecided comparison would need."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gslt.conjecture.statistics.criteria import Criteria
from gslt.conjecture.statistics.flips import least_p
from gslt.conjecture.statistics.power import detection_power, exclusion_power
from gslt.conjecture.statistics.scores import Scores

#: More seeds than this are as good as never.
MOST = 10_000
#: Confidence of the range of the number of seeds.
RANGE = 0.9


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
    """
    alpha = criteria.alpha / comparisons
    present = 0 if scores is None else len(scores.seeds)
    if scores is None or present < 2 or np.ptp(scores.levels) == 0:
        least = _fewest(alpha, sides=2)
        enough = least is not None and least <= present
        return SeedsNeeded(None if enough else least, None, None, None, None, "least seeds")
    planner = Planner(scores, alpha, criteria)
    smallest = criteria.smallest_effect
    planned = planner.plan("smallest effect", smallest, smallest, _larger)
    if planned.n is None or planned.n > present:
        return planned
    level = abs(float(scores.levels.mean()))
    largest = float(np.abs(scores.differences.mean(axis=0)).max())
    found = planner.plan("observed effect", level, smallest - largest, _smaller)
    if found.n is not None and found.n <= present:
        return replace(found, n=None, low=None, high=None)
    return found


@dataclass(frozen=True)
class Planner:
    """Numbers of seeds from the spread of the scores that are there."""

    scores: Scores
    alpha: float
    criteria: Criteria

    def plan(
        self,
        basis: str,
        effect: float,
        margin: float,
        join: Callable[[int | None, int | None], int | None],
    ) -> SeedsNeeded:
        """Seeds for an effect, or for its absence within a margin, and what to make of both."""
        ends = (1.0, *sd_range(len(self.scores.seeds)))
        found = [(self.detect(effect, each), self.exclude(margin, each)) for each in ends]
        if self.scores.one_collapsed:
            n, low, high = (detect for detect, _ in found)
        else:
            n, low, high = (join(*each) for each in found)
        return SeedsNeeded(n, low, high, *found[0], basis)

    def detect(self, effect: float, factor: float) -> int | None:
        """Seeds to find a mean difference, the spread being ``factor`` times what it seems."""
        sd = factor * float(self.scores.levels.std(ddof=1))
        power = self.criteria.power
        return self._attainable(
            _first(lambda n: detection_power(effect, sd, n, self.alpha) >= power), sides=2
        )

    def exclude(self, margin: float, factor: float) -> int | None:
        """Seeds to show that no ratio's mean lies beyond the margin; None if there is no way."""
        if margin <= 0 or self.scores.one_collapsed:
            return None
        rows, power = factor * self.scores.differences.T, self.criteria.power
        return self._attainable(
            _first(lambda n: exclusion_power(margin, rows, n, self.alpha) >= power), sides=1
        )

    def _attainable(self, n: int | None, sides: int) -> int | None:
        least = _fewest(self.alpha, sides)
        return None if n is None or least is None else max(n, least)


def _fewest(alpha: float, sides: int) -> int | None:
    """Fewer seeds than this cannot be significant at all."""
    return _first(lambda n: sides * least_p(n) / 2 <= alpha, 64)


def sd_range(n: int) -> tuple[float, float]:
    """Ends of the 90 % interval of a standard deviation of n normal numbers, as factors on it."""
    from scipy import stats

    ends = stats.chi2.ppf([(1 + RANGE) / 2, (1 - RANGE) / 2], n - 1)
    shrunk, grown = np.sqrt((n - 1) / ends)
    return float(shrunk), float(grown)


def _larger(detect: int | None, exclude: int | None) -> int | None:
    return None if detect is None or exclude is None else max(detect, exclude)


def _smaller(detect: int | None, exclude: int | None) -> int | None:
    return min((each for each in (detect, exclude) if each is not None), default=None)


def _first(holds: Callable[[int], bool], most: int = MOST) -> int | None:
    """The smallest n from 2 that has a property which larger ones have too."""
    end = 8
    while end < most and not holds(end):
        end = min(2 * end, most)
    numbers = range(2, end + 1)
    at = bisect.bisect_left(numbers, True, key=holds)
    return numbers[at] if at < len(numbers) else None
