"""What other criteria would make of the same runs, and what so many seeds can show."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from gslt.conjecture.statistics.criteria import Criteria
from gslt.conjecture.statistics.decision import Outcome
from gslt.conjecture.statistics.endpoints import Family, Table
from gslt.conjecture.statistics.flips import least_p
from gslt.conjecture.statistics.judge import Judged, judge
from gslt.conjecture.statistics.power import detection_power, exclusion_power

#: Factors of the quotient that others might call the smallest that matters.
FACTORS = (1.1, 1.25, 1.5, 2.0)
_ALPHAS = (0.01, 0.1)
#: Effects above this are as good as never found.
_MOST = 50.0


@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """The outcome of every verdict under other criteria, by what is other."""

    dataset: str
    batch_norm: bool
    depths: tuple[int, ...]
    overall: bool
    """Whether it is the verdict over all depths."""
    outcomes: dict[str, Outcome]
    """By words such as ``factor 1.5``; the criteria of the verdict come first, as ``stated``."""


@dataclass(frozen=True, kw_only=True)
class DesignPower:
    """What the seeds that are there could show at one place, or over all depths.

    As of Student's t at the first step of Holm's correction, with the spread that was observed.
    """

    dataset: str
    batch_norm: bool
    depths: tuple[int, ...]
    overall: bool
    """Whether it is over all depths."""
    seeds: int
    sd: float
    """Standard deviation over seeds of frozen minus dense, mean over the ratios."""
    detection: float
    """Chance of a significant mean difference, if it is as large as the smallest that matters."""
    detectable: float
    """The difference that is found with the chance that the criteria ask for; ∞ for none."""
    exclusion: float
    """Chance of "no meaningful difference", if there is none at all."""


def what_if(table: Table, criteria: Criteria) -> list[WhatIf]:
    """Judge the same runs by other criteria, one changed at a time."""
    others = {"stated": criteria}
    for factor in FACTORS:
        others[f"factor {factor:g}"] = replace(criteria, smallest_effect=math.log(factor))
    for alpha in _ALPHAS:
        others[f"alpha {alpha:g}"] = replace(criteria, alpha=alpha)
    found: dict[tuple[Family, tuple[int, ...], bool], dict[str, Outcome]] = {}
    for name, each in others.items():
        for judged, is_overall in _all(table, each):
            key = judged.family, judged.depths, is_overall
            found.setdefault(key, {})[name] = judged.decision.outcome
    return [
        WhatIf(
            dataset=family[0],
            batch_norm=family[1],
            depths=depths,
            overall=is_overall,
            outcomes=outcomes,
        )
        for (family, depths, is_overall), outcomes in found.items()
    ]


def _all(table: Table, criteria: Criteria) -> list[tuple[Judged, bool]]:
    """Verdicts over all depths first, then those of single ones."""
    places, overall = judge(table, criteria)
    return [*((each, True) for each in overall), *((each, False) for each in places)]


def design_power(table: Table, criteria: Criteria) -> list[DesignPower]:
    """Power of every place, and of every family over its depths, that has two seeds or more."""
    found = (_power(judged, overall, criteria) for judged, overall in _all(table, criteria))
    return [each for each in found if each is not None]


def _power(judged: Judged, overall: bool, criteria: Criteria) -> DesignPower | None:
    scores = judged.scores
    if scores is None or len(scores.seeds) < 2:
        return None
    seeds, levels = len(scores.seeds), scores.levels
    alpha = criteria.alpha / judged.decision.comparisons
    within_reach = least_p(seeds) <= alpha
    sd = float(levels.std(ddof=1))

    def detection(effect: float) -> float:
        if not within_reach:
            return 0.0
        return detection_power(effect, sd, seeds, alpha) if sd > 0 else 1.0

    exclusion = 0.0
    # One-sided: half of the smallest p of a difference.
    if least_p(seeds) / 2 <= alpha and not scores.one_collapsed:
        exclusion = exclusion_power(criteria.smallest_effect, scores.differences.T, seeds, alpha)
    return DesignPower(
        dataset=judged.family[0],
        batch_norm=judged.family[1],
        depths=judged.depths,
        overall=overall,
        seeds=seeds,
        sd=sd,
        detection=detection(criteria.smallest_effect),
        detectable=_least(detection, criteria.power),
        exclusion=exclusion,
    )


def _least(power: Callable[[float], float], wanted: float) -> float:
    """The smallest effect with a power, to 1e-3; ∞ where there is none."""
    low, high = 0.0, _MOST
    if power(high) < wanted:
        return math.inf
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= wanted else (middle, high)
    return high
