"""The rule of the verdict. It stands in :func:`decide`; nothing else decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gslt.conjecture.statistics.criteria import Criteria
from gslt.conjecture.statistics.equivalence import equivalence_p
from gslt.conjecture.statistics.flips import least_p, two_sided
from gslt.conjecture.statistics.scores import Scores
from gslt.studies.report.statistics import holm

Outcome = Literal["supported", "contradicted", "no meaningful difference", "undecided", "mixed"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """An outcome and the p-values behind it; those of tests that could not be made are 1."""

    outcome: Outcome
    direction: int
    """1 where trend and level both speak for freezing, −1 where both against, else 0."""
    p_trend: float
    p_level: float
    p: float
    """The larger of the two, or 1 where they point in different directions."""
    p_holm: float
    p_equivalence: float
    """Of the hypothesis that some ratio makes a difference that matters."""
    p_equivalence_holm: float
    least: float
    """The smallest p that so many seeds can reach."""
    least_holm: float
    """The smallest p after Holm's correction: above alpha, neither supported nor contradicted was
    within reach."""
    comparisons: int
    """Tests that were corrected together."""


@dataclass(frozen=True)
class _Tests:
    direction: int = 0
    p_trend: float = 1.0
    p_level: float = 1.0
    p: float = 1.0
    p_equivalence: float = 1.0
    least: float = 1.0


def decide(scores: Sequence[Scores | None], criteria: Criteria) -> list[Decision]:
    """Judge the places of a family together, None being a place that cannot be tested.

    The conjecture: freezing counters over-smoothing more strongly than searching a dense source. A
    larger log of the centred Rayleigh quotient is less smoothing. Two tests, both two-sided, by
    sign flips of one number per seed, must agree:

    - *trend*: Kendall's tau of freezing ratio (dense = 0) and log quotient within the seed. The
      sharpest form of the claim: more freezing, less smoothing;
    - *level*: the mean over the ratios of frozen minus dense. A rising trend would not do if every
      frozen source smoothed more than the dense one. With a single ratio it stands alone.

    The p-value of a place is the larger of the two if they point the same way, else 1; that no
    test needs a correction for the other follows from both having to reject. Holm's correction
    over the places of the family follows. *Equivalence* is tested by two one-sided tests at every
    ratio (:func:`equivalence_p`), Holm-corrected likewise; a pair of which one run alone has
    collapsed totally rules it out. Then, in this order:

    1. *no meaningful difference* if the corrected p of equivalence is at most alpha. It wins over a
       significant difference: one that is shown to be too small to matter neither supports nor
       contradicts;
    2. *supported* if the corrected p is at most alpha and both tests speak for freezing;
    3. *contradicted* if it is at most alpha and both speak against;
    4. *undecided* otherwise.

    So the chance of any false "supported" or "contradicted" in a family is at most alpha, and that
    of any false "no meaningful difference" too, however the places depend on one another, where
    the numbers per seed are symmetric about their mean under the hypothesis.
    """
    tests = [_test(each, criteria) for each in scores]
    p = holm([each.p for each in tests])
    equivalence = holm([each.p_equivalence for each in tests])
    least = holm([each.least for each in tests])
    return [
        Decision(
            outcome=_outcome(each.direction, p[i], equivalence[i], criteria.alpha),
            direction=each.direction,
            p_trend=each.p_trend,
            p_level=each.p_level,
            p=each.p,
            p_holm=p[i],
            p_equivalence=each.p_equivalence,
            p_equivalence_holm=equivalence[i],
            least=each.least,
            least_holm=least[i],
            comparisons=len(tests),
        )
        for i, each in enumerate(tests)
    ]


def _outcome(direction: int, p: float, p_equivalence: float, alpha: float) -> Outcome:
    if p_equivalence <= alpha:
        return "no meaningful difference"
    if p <= alpha:
        return "supported" if direction > 0 else "contradicted"
    return "undecided"


def _test(scores: Scores | None, criteria: Criteria) -> _Tests:
    if scores is None or not scores.seeds:
        return _Tests()
    levels = scores.levels
    # One ratio makes taus of ±1, which say less than the level itself.
    numbers = np.stack([scores.taus if len(scores.ratios) > 1 else levels, levels])
    p_trend, p_level = (float(each) for each in two_sided(numbers))
    ways = {int(np.sign(mean)) for mean in np.round(numbers.mean(axis=1), 12)}
    direction = ways.pop() if len(ways) == 1 else 0
    small = (
        1.0
        if scores.one_collapsed
        else equivalence_p(scores.differences.T, criteria.smallest_effect)
    )
    p = max(p_trend, p_level) if direction else 1.0
    return _Tests(direction, p_trend, p_level, p, small, least_p(len(scores.seeds)))
