"""How often the verdict is wrong, and how often it is reached, where the truth is planted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, get_args

from gslt.conjecture.statistics.criteria import Criteria
from gslt.conjecture.statistics.decision import Outcome
from gslt.conjecture.statistics.endpoints import by_place
from gslt.conjecture.statistics.judge import judge
from gslt.conjecture.statistics.simulate import Planted, synthetic_runs
from gslt.files import plain

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class Rate:
    """A fraction of simulations and its exact 95 % interval (Clopper and Pearson 1934)."""

    count: int
    of: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ErrorRates:
    """What the verdict said of synthetic runs, over many simulations."""

    planted: Planted
    criteria: Criteria
    simulations: int
    depths: dict[int, dict[str, Rate]]
    """Rate of every outcome, by depth."""
    any_depth: dict[str, Rate]
    """Rate at which at least one depth has the outcome."""
    overall: dict[str, Rate]
    """Rate of every outcome over all depths."""
    false: tuple[str, ...]
    """The outcomes that are false where this is planted."""
    false_at_any_depth: Rate
    """Rate at which at least one depth has a false outcome: alpha for each kind of it at most."""
    false_overall: Rate

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        result: dict[str, Any] = plain(self)
        return result


def error_rates(
    planted: Planted, simulations: int = 1_000, criteria: Criteria | None = None
) -> ErrorRates:
    """Judge synthetic runs, simulation by simulation, by the code that judges real ones.

    Intervals, Page's test and numbers of seeds are left out: no verdict depends on them.
    """
    criteria = criteria or Criteria()
    by_depth: dict[int, Counter[str]] = {depth: Counter() for depth in sorted(planted.depths)}
    anywhere: Counter[str] = Counter()
    overall: Counter[str] = Counter()
    wrong, false = Counter[str](), false_outcomes(planted, criteria)
    for number in range(simulations):
        places, averages = judge(by_place(synthetic_runs(planted, number)), criteria)
        found = {each.depths[0]: each.decision.outcome for each in places}
        for depth, outcome in found.items():
            by_depth[depth][outcome] += 1
        anywhere.update(set(found.values()))
        (average,) = (each.decision.outcome for each in averages)
        overall[average] += 1
        wrong["any"] += not false.isdisjoint(found.values())
        wrong["overall"] += average in false
    return ErrorRates(
        planted=planted,
        criteria=criteria,
        simulations=simulations,
        depths={depth: _rates(counts, simulations) for depth, counts in by_depth.items()},
        any_depth=_rates(anywhere, simulations),
        overall=_rates(overall, simulations),
        false=tuple(each for each in OUTCOMES if each in false),
        false_at_any_depth=rate(wrong["any"], simulations),
        false_overall=rate(wrong["overall"], simulations),
    )


def false_outcomes(planted: Planted, criteria: Criteria) -> frozenset[str]:
    """The outcomes that contradict what is planted; *undecided* never does.

    An effect that is there and too small to matter makes *mixed* true: some depths may find it.
    """
    false = set[str]()
    if planted.effect <= 0:
        false.add("supported")
    if planted.effect >= 0:
        false.add("contradicted")
    if abs(planted.largest()) >= criteria.smallest_effect:
        false |= {"no meaningful difference", "mixed"}
    if planted.effect == 0:
        false.add("mixed")
    return frozenset(false)


def rate(count: int, of: int) -> Rate:
    """A fraction with its exact interval."""
    from scipy import stats

    interval = stats.binomtest(count, of).proportion_ci(0.95, method="exact")
    return Rate(count, of, count / of, float(interval.low), float(interval.high))


def _rates(counts: Counter[str], of: int) -> dict[str, Rate]:
    return {outcome: rate(counts[outcome], of) for outcome in OUTCOMES if outcome in counts}
