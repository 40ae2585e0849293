"""Which scores are judged together: the depths of a family, and the families of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gslt.conjecture.statistics.criteria import Criteria
from gslt.conjecture.statistics.decision import Decision, decide
from gslt.conjecture.statistics.endpoints import Family, Place, Table
from gslt.conjecture.statistics.scores import Scores, mean_scores, score


@dataclass(frozen=True)
class Judged:
    """What was tested at a place, or over all depths of a family, and what came out."""

    family: Family
    depths: tuple[int, ...]
    scores: Scores | None
    decision: Decision


def judge(table: Table, criteria: Criteria) -> tuple[list[Judged], list[Judged]]:
    """Decisions of every place, and of every family over its depths.

    A family is one data set with, or without, batch norm: the places of a family are its depths.
    Over all depths the scores of a seed are averaged and tested once; the families of a data set
    are then corrected together. Where single depths are supported and others contradicted, or one
    is either and the average is decided otherwise, the outcome over all depths is *mixed*.
    """
    places: list[Judged] = []
    overall: list[Judged] = []
    for dataset in dict.fromkeys(place.dataset for place in table):
        families = dict.fromkeys(place.family for place in table if place.dataset == dataset)
        averages: list[tuple[Family, tuple[int, ...], Scores | None]] = []
        for family in families:
            members = [place for place in table if place.family == family]
            scores = {place: score(table[place], criteria) for place in members}
            found = zip(members, decide(list(scores.values()), criteria), strict=True)
            places += [Judged(family, (at.depth,), scores[at], each) for at, each in found]
            averages.append((family, *_average(table, scores, criteria)))
        decisions = decide([scores for _, _, scores in averages], criteria)
        overall += [
            Judged(family, depths, scores, _mixed(family, places, decision))
            for (family, depths, scores), decision in zip(averages, decisions, strict=True)
        ]
    return places, overall


def _average(
    table: Table, found: Mapping[Place, Scores | None], criteria: Criteria
) -> tuple[tuple[int, ...], Scores | None]:
    """Mean scores over the depths that have any, at the ratios that all of these have."""
    usable = {place: scores for place, scores in found.items() if scores and scores.seeds}
    if not usable:
        return (), None
    common = set.intersection(*(set(scores.ratios) for scores in usable.values()))
    same = [
        scores if common == set(scores.ratios) else score(table[place], criteria, common)
        for place, scores in usable.items()
    ]
    depths = tuple(place.depth for place in usable)
    known = [scores for scores in same if scores]
    return depths, mean_scores(known) if known else None


def _mixed(family: Family, places: Iterable[Judged], decision: Decision) -> Decision:
    outcomes = {each.decision.outcome for each in places if each.family == family}
    claims = outcomes & {"supported", "contradicted"}
    otherwise = decision.outcome != "undecided" and not claims <= {decision.outcome}
    return replace(decision, outcome="mixed") if len(claims) == 2 or otherwise else decision
