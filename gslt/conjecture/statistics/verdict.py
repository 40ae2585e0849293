"""The verdict on the conjecture, with effect sizes, intervals and the reason in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gslt.conjecture.statistics.criteria import Criteria
from gslt.conjecture.statistics.decision import Decision, Outcome
from gslt.conjecture.statistics.endpoints import Family, Place, Run, Table, by_place
from gslt.conjecture.statistics.estimate import NONE, Estimate, estimate
from gslt.conjecture.statistics.judge import Judged, judge
from gslt.conjecture.statistics.reasons import reason
from gslt.conjecture.statistics.scores import read_doses
from gslt.conjecture.statistics.seeds import SeedsNeeded, seeds_needed
from gslt.conjecture.statistics.trend import PageTest, page_test
from gslt.files import plain


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the runs of a data set say about the conjecture at one depth, or over all."""

    dataset: str
    batch_norm: bool
    depths: tuple[int, ...]
    """One depth, or all that a verdict over depths averages."""
    decision: Decision
    effect: Estimate
    """Frozen minus dense of the log quotient, mean over the ratios; above 0 speaks for freezing."""
    tau: Estimate
    """Kendall's tau of freezing ratio and log quotient within a seed."""
    ratios: tuple[float, ...]
    seeds: tuple[int, ...]
    left_out: tuple[int, ...]
    """Seeds of which a run, or its number, is missing: they took no part."""
    one_collapsed: int
    """Pairs of a frozen and a dense run of which one alone has collapsed totally. Each counts as
    the largest difference seen."""
    both_collapsed: int
    """Pairs of which both have: they count as equal."""
    page: PageTest | None
    """Page's test of the same trend, for comparison; it decides nothing."""
    needed: SeedsNeeded | None
    """Seeds needed where the outcome is undecided."""
    reason: str
    """Why, in words."""

    @property
    def family(self) -> Family:
        """Its data set, and whether with batch norm."""
        return self.dataset, self.batch_norm

    @property
    def outcome(self) -> Outcome:
        """The verdict in one or a few words."""
        return self.decision.outcome

    @property
    def label(self) -> str:
        """The verdict, with the number of seeds needed where it is undecided."""
        if self.needed is None:
            return self.outcome
        number = "unknown number of" if self.needed.n is None else str(self.needed.n)
        return f"{self.outcome}, {number} seeds needed"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the label first."""
        return {"label": self.label, **plain(self)}


@dataclass(frozen=True)
class Verdicts:
    """Verdicts at every depth, and over the depths of every data set with or without batch norm."""

    places: tuple[Verdict, ...]
    overall: tuple[Verdict, ...]
    criteria: Criteria

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "criteria": plain(self.criteria),
            "overall": [each.as_dict() for each in self.overall],
            "depths": [each.as_dict() for each in self.places],
        }


def verdicts(runs: Iterable[Run], criteria: Criteria | None = None) -> Verdicts:
    """Judge a table of runs by the rule of ``decide`` in ``decision.py``.

    Raises:
        ConfigError: if a run is there twice.
    """
    criteria = criteria or Criteria()
    table = by_place(runs)
    places, overall = judge(table, criteria)
    return Verdicts(
        tuple(_verdict(each, _page(table, each), criteria) for each in places),
        tuple(_verdict(each, None, criteria) for each in overall),
        criteria,
    )


def _verdict(judged: Judged, page: PageTest | None, criteria: Criteria) -> Verdict:
    scores, decision = judged.scores, judged.decision
    effect = estimate(scores.levels) if scores else NONE
    tau = estimate(scores.taus) if scores else NONE
    undecided = decision.outcome == "undecided"
    return Verdict(
        dataset=judged.family[0],
        batch_norm=judged.family[1],
        depths=judged.depths,
        decision=decision,
        effect=effect,
        tau=tau,
        ratios=scores.ratios if scores else (),
        seeds=scores.seeds if scores else (),
        left_out=scores.left_out if scores else (),
        one_collapsed=scores.one_collapsed if scores else 0,
        both_collapsed=scores.both_collapsed if scores else 0,
        page=page,
        needed=seeds_needed(scores, decision.comparisons, criteria) if undecided else None,
        reason=reason(judged, effect, tau, criteria.alpha),
    )


def _page(table: Table, judged: Judged) -> PageTest | None:
    doses = read_doses(table[Place(*judged.family, *judged.depths)])
    return page_test(doses.values) if doses else None
