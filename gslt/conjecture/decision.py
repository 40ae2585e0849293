"""The rule of the verdict: one number per seed, and what follows from them.

The rule stands in :func:`decide`; nothing else decides.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from gslt.conjecture.protocol import DENSE, FAMILY, FROZEN, PRIMARY, Criteria
from gslt.random import Float64
from gslt.report.statistics import (
    difference,
    equivalence_p,
    fill_collapsed,
    holm,
    least_p,
    sign_flip_test,
    taus,
)

if TYPE_CHECKING:
    from pandas import DataFrame

Outcome = Literal["supported", "contradicted", "no meaningful difference", "undecided", "mixed"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


# Scores: what is tested


@dataclass(frozen=True)
class Scores:
    """What is tested, one number or row per seed.

    The seed is the unit: its runs share weights and resemble each other, those of neighbouring
    ratios most, so that they are no independent observations.
    """

    seeds: tuple[int, ...]
    """Those that have a dense run and one at every freezing ratio."""
    left_out: tuple[int, ...]
    """Seeds that lack a number for one of them: they take no part."""
    ratios: tuple[float, ...]
    """Ratios of the frozen runs, rising."""
    taus: Float64
    """Kendall's rank correlation of freezing ratio and log quotient within the seed."""
    differences: Float64
    """Frozen minus dense, a row per seed, a column per ratio."""
    one: Float64
    both: Float64
    """Pairs of a frozen and a dense run of which one, or both, have collapsed totally, per seed."""

    @classmethod
    def of(
        cls,
        values: Float64,
        criteria: Criteria,
        *,
        seeds: Sequence[int],
        ratios: Sequence[float],
        left_out: Sequence[int] = (),
    ) -> Scores:
        """Scores of log quotients.

        Args:
            values: ``(seeds, 1 + ratios)``, the dense run first; −∞ is a total collapse.
            criteria: a pair of which one run alone has collapsed differs by what matters, or more.
            seeds: of the rows.
            ratios: of the columns behind the first, rising.
            left_out: seeds without a row.
        """
        dense, frozen = np.broadcast_to(values[:, :1], values[:, 1:].shape), values[:, 1:]
        gone, other = np.isneginf(frozen), np.isneginf(dense)
        return cls(
            tuple(seeds),
            tuple(left_out),
            tuple(ratios),
            taus(values),
            fill_collapsed(difference(frozen, dense), criteria.smallest_effect),
            (gone ^ other).sum(axis=1),
            (gone & other).sum(axis=1),
        )

    @property
    def one_collapsed(self) -> int:
        """Pairs of which one has collapsed."""
        return int(self.one.sum())

    @property
    def both_collapsed(self) -> int:
        """Pairs of which both have."""
        return int(self.both.sum())

    @property
    def levels(self) -> Float64:
        """Mean over the ratios of frozen minus dense, per seed."""
        levels: Float64 = self.differences.mean(axis=1)
        return levels


#: Of a depth without a dense arm, or without a frozen one.
NO_SCORES = Scores((), (), (), *[np.empty((0, 1))] * 4)


def quotients_by_ratio(runs: DataFrame, only: Collection[float] | None = None) -> DataFrame | None:
    """Log quotients of one depth side by side; None where there is no dense arm, or no frozen one.

    Args:
        runs: those of one family at one depth, see :func:`gslt.conjecture.protocol.runs_of`.
        only: freezing ratios; default: all that are there.

    Returns:
        A row per seed, a column per freezing ratio, rising, 0 being the dense source. NaN where a
        run or its number is missing.
    """
    ratio = runs["freezing_ratio"].where(runs["arm"] == FROZEN, 0.0)
    wanted = runs["arm"] == FROZEN if only is None else ratio.isin(only) & (ratio > 0)
    wide = (
        runs.assign(freezing_ratio=ratio)[wanted | (runs["arm"] == DENSE)]
        .pivot(index="seed", columns="freezing_ratio", values=PRIMARY)
        .astype(float)
    )
    return wide if 0.0 in wide and wide.shape[1] > 1 else None


def scores_of(
    runs: DataFrame, criteria: Criteria, only: Collection[float] | None = None
) -> Scores | None:
    """Scores of one depth; None where there is no dense arm, or no frozen one.

    Args:
        runs: those of one family at one depth, see :func:`gslt.conjecture.protocol.runs_of`.
        criteria: see :meth:`Scores.of`.
        only: freezing ratios; default: all that are there.
    """
    wide = quotients_by_ratio(runs, only)
    if wide is None:
        return None
    whole = wide.dropna()
    return Scores.of(
        whole.to_numpy(),
        criteria,
        seeds=whole.index.tolist(),
        ratios=wide.columns[1:].tolist(),
        left_out=wide.index.difference(whole.index).tolist(),
    )


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Scores of the seeds that are in all, averaged; all must have the same ratios."""
    seeds = sorted(set.intersection(*(set(each.seeds) for each in scores)))
    known = {seed for each in scores for seed in (*each.seeds, *each.left_out)}
    rows = [[each.seeds.index(seed) for seed in seeds] for each in scores]
    pairs = list(zip(scores, rows, strict=True))
    return Scores(
        tuple(seeds),
        tuple(sorted(known - set(seeds))),
        scores[0].ratios,
        np.mean([each.taus[row] for each, row in pairs], axis=0),
        np.mean([each.differences[row] for each, row in pairs], axis=0),
        np.sum([each.one[row] for each, row in pairs], axis=0),
        np.sum([each.both[row] for each, row in pairs], axis=0),
    )


# The rule


@dataclass(frozen=True, kw_only=True)
class Decision:
    """An outcome and the p-values behind it; those of tests that could not be made are 1."""

    outcome: Outcome = "undecided"
    direction: int = 0
    """1 where trend and level both speak for freezing, −1 where both against, else 0."""
    p_trend: float = 1.0
    p_level: float = 1.0
    p: float = 1.0
    """The larger of the two, or 1 where they point in different directions."""
    p_holm: float = 1.0
    p_equivalence: float = 1.0
    """Of the hypothesis that some ratio makes a difference that matters."""
    p_equivalence_holm: float = 1.0
    least: float = 1.0
    """The smallest p that so many seeds can reach."""
    least_holm: float = 1.0
    """The smallest p after Holm's correction: above alpha, neither supported nor contradicted was
    within reach."""
    comparisons: int = 1
    """Tests that were corrected together."""


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
        replace(
            each,
            outcome=_outcome(each.direction, p[i], equivalence[i], criteria.alpha),
            p_holm=p[i],
            p_equivalence_holm=equivalence[i],
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


def _test(scores: Scores | None, criteria: Criteria) -> Decision:
    """The tests of one place, before any correction and any outcome."""
    if scores is None or not scores.seeds:
        return Decision()
    levels = scores.levels
    # One ratio makes taus of ±1, which say less than the level itself.
    numbers = np.stack([scores.taus if len(scores.ratios) > 1 else levels, levels])
    p_trend, p_level = (float(each) for each in sign_flip_test(numbers))
    ways = {int(np.sign(mean)) for mean in np.round(numbers.mean(axis=1), 12)}
    direction = ways.pop() if len(ways) == 1 else 0
    small = 1.0
    if not scores.one_collapsed:
        small = equivalence_p(scores.differences.T, criteria.smallest_effect)
    return Decision(
        direction=direction,
        p_trend=p_trend,
        p_level=p_level,
        p=max(p_trend, p_level) if direction else 1.0,
        p_equivalence=small,
        least=least_p(len(scores.seeds)),
    )


# What is judged together


@dataclass(frozen=True)
class Judgement:
    """What was tested at one depth, or over all depths of a family, and what came out."""

    dataset: str
    batch_norm: bool
    depths: tuple[int, ...]
    overall: bool
    """Whether it is over all depths."""
    scores: Scores | None
    decision: Decision

    @property
    def outcome(self) -> Outcome:
        """What came out, in one or a few words."""
        return self.decision.outcome


def judge(runs: DataFrame, criteria: Criteria) -> list[Judgement]:
    """Decisions over the depths of every family, and then at every depth of them.

    A family is one data set with, or without, batch norm; its depths are judged together. Over all
    depths the scores of a seed are averaged and tested once; the families of a data set are then
    corrected together. Where single depths are supported and others contradicted, or one is either
    and the average is decided otherwise, the outcome over all depths is *mixed*.

    Args:
        runs: see :func:`gslt.conjecture.protocol.in_order`.
        criteria: what they are judged by.

    Returns:
        By data set, without batch norm before with, and depth.
    """
    overall: list[Judgement] = []
    depths: list[Judgement] = []
    for dataset, of_dataset in runs.groupby("dataset"):
        families = []
        for (_, batch_norm), of_family in of_dataset.groupby([*FAMILY]):
            at = {int(depth): of_depth for depth, of_depth in of_family.groupby("depth")}
            scores = [scores_of(of_depth, criteria) for of_depth in at.values()]
            decisions = decide(scores, criteria)
            depths += [
                Judgement(dataset, bool(batch_norm), (depth,), False, each, decision)
                for depth, each, decision in zip(at, scores, decisions, strict=True)
            ]
            families.append((bool(batch_norm), *_average(at, scores, criteria), decisions))
        together = decide([scores for _, _, scores, _ in families], criteria)
        overall += [
            Judgement(dataset, batch_norm, known, True, scores, or_mixed(decision, decisions))
            for (batch_norm, known, scores, decisions), decision in zip(
                families, together, strict=True
            )
        ]
    return [*overall, *depths]


def _average(
    at: dict[int, DataFrame], scores: Sequence[Scores | None], criteria: Criteria
) -> tuple[tuple[int, ...], Scores | None]:
    """Mean scores over the depths that have any, at the ratios that all of these have."""
    usable = {depth: each for depth, each in zip(at, scores, strict=True) if each and each.seeds}
    if not usable:
        return (), None
    common = set.intersection(*(set(each.ratios) for each in usable.values()))
    same = [
        each if common == set(each.ratios) else scores_of(at[depth], criteria, common)
        for depth, each in usable.items()
    ]
    known = [each for each in same if each]
    return tuple(usable), mean_scores(known) if known else None


def or_mixed(decision: Decision, depths: Sequence[Decision]) -> Decision:
    """The decision over all depths; *mixed* where those of single depths do not go with it."""
    claims = {each.outcome for each in depths} & {"supported", "contradicted"}
    otherwise = decision.outcome != "undecided" and not claims <= {decision.outcome}
    return replace(decision, outcome="mixed") if len(claims) == 2 or otherwise else decision
