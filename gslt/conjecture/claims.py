"""Three claims, their verdicts, and what would change them.

The rule stands in :func:`judge_scores`; nothing else decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from gslt.conjecture.means import MeanTests
from gslt.conjecture.rule import (
    ACCURACY,
    EPOCHS,
    NAMES,
    ROOM,
    Key,
    Name,
    Rule,
    Scores,
    scores_of,
)
from gslt.conjecture.trajectories import NONE, At, contrasts
from gslt.report.statistics import holm

if TYPE_CHECKING:
    from pandas import DataFrame

Outcome = Literal[
    "shown",
    "shown but smaller than what matters",
    "excluded",
    "reversed",
    "undecided",
    "differs between epochs",
    "differs between fits",
    "differs between interventions",
]
WORDS: dict[Name, str] = {
    "S": "at equal fit, tickets of frozen sources smooth less than those of the dense source",
    "A": "tickets of frozen sources classify better than those of the dense source",
    "M": "they classify better because they smooth less",
}
#: Numbers of seeds above this are as good as never.
MOST_SEEDS = 10_000


@dataclass(frozen=True, kw_only=True)
class Component:
    """What a claim is tested by: a number per seed, its tests and its outcome."""

    endpoint: str
    at: At
    without: str
    words: str
    margin: float
    seeds: tuple[int, ...]
    left_out: tuple[int, ...]
    cells: int
    one_collapsed: int
    why: str
    depths: tuple[int, ...] = ()
    both_collapsed: int = 0
    mean: float = math.nan
    sd: float = math.nan
    low: float = math.nan
    high: float = math.nan
    """Interval of the mean that misses it at the rate ``level``."""
    p_above: float = 1.0
    p_positive: float = 1.0
    p_inside: float = 1.0
    p_below: float = 1.0
    level: float = math.nan
    """What Holm's correction left of alpha for the claim."""
    outcome: Outcome = "undecided"
    needed: int | None = None
    """Seeds for a decision where it is undecided; None if unknown, or above 10,000."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim on one data set."""

    name: Name
    words: str
    outcome: Outcome
    p: float
    """Of the word that lies nearest; 1 where none does."""
    p_holm: float
    parts: tuple[Component, ...]

    @property
    def label(self) -> str:
        """The outcome, with the seeds that it needs where it is undecided."""
        if self.outcome != "undecided":
            return self.outcome
        if self.lacks_premise:
            return "undecided (S or A is not shown)"
        return f"undecided ({seed_words(self.needed)})"

    @property
    def lacks_premise(self) -> bool:
        """Whether M lacks what would have to be shown of S and A, and more seeds do not help."""
        own = own_parts(self.parts)
        premises = [each for each in self.parts if each not in own]
        return any(each.outcome not in ("shown", "undecided") for each in premises)

    @property
    def needed(self) -> int | None:
        """Seeds for a decision of all its parts; None if unknown, or if seeds are not enough."""
        if self.lacks_premise:
            return None
        numbers = [each.needed for each in self.parts if each.outcome == "undecided"]
        known = [number for number in numbers if number is not None]
        return max(known) if known and len(known) == len(numbers) else None


def seed_words(number: int | None) -> str:
    """How many seeds a decision needs.

    Args:
        number: None if unknown.
    """
    return "number of seeds needed unknown" if number is None else f"{number} seeds needed"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The three claims on one data set, and the conjecture."""

    dataset: str
    claims: tuple[Claim, ...]

    @property
    def outcome(self) -> Literal["shown", "not shown", "undecided"]:
        """*shown* only if S, A and M are; *not shown* if one of them is decided otherwise."""
        outcomes = {each.outcome for each in self.claims}
        if outcomes == {"shown"}:
            return "shown"
        return "not shown" if outcomes - {"shown", "undecided"} else "undecided"


def judge(trajectories: DataFrame, rule: Rule | None = None) -> list[Finding]:
    """The claims on every data set of a frame of trajectories.

    Args:
        trajectories: see :mod:`gslt.conjecture.trajectories`.
        rule: what they are judged by.

    Returns:
        By data set, in the order of their names.

    Raises:
        ConfigError: for a frame that cannot be compared.
    """
    rule = rule or Rule()
    endpoints = (rule.endpoint, ACCURACY, ROOM)
    return judge_contrasts(contrasts(trajectories, endpoints, reference=rule.reference), rule)


def judge_contrasts(
    found: DataFrame, rule: Rule, datasets: Sequence[str] | None = None
) -> list[Finding]:
    """The claims on every data set of a frame of contrasts.

    Args:
        found: see :func:`gslt.conjecture.trajectories.contrasts`; with the endpoint ``ROOM`` too.
        rule: what they are judged by.
        datasets: all that are judged together, those too that have no row yet. Default: those of
            the frame.
    """
    if datasets is None:
        datasets = found["dataset"].drop_duplicates().tolist()
    keys = list(dict.fromkeys(key for name in NAMES for key in rule.keys(name)))
    scores = {
        dataset: {key: scores_of(found[found["dataset"] == dataset], key, rule) for key in keys}
        for dataset in datasets
    }
    return judge_scores(scores, rule)


def judge_scores(scores: Mapping[str, Mapping[Key, Scores]], rule: Rule) -> list[Finding]:
    """Judge the three claims on all data sets together.

    A number per seed (:func:`scores_of`) is tested against the margin of its endpoint, in both
    directions. With an interval of its mean:

    - *shown* if it lies above the margin, *reversed* if below minus the margin;
    - within: *shown but smaller than what matters* if it lies above 0, else *excluded*
      (equivalence, Schuirmann 1987; never where one run alone of a pair has collapsed totally);
    - *undecided* otherwise.

    All tests are two-sided, so that one interval stands behind all words: a word is false only if
    the interval misses the mean. Each p-value is the larger one of two tests: by sign flips, whose
    rate of errors holds for symmetric numbers of any distribution, and by the studentised
    bootstrap, which follows skewed ones. Where they disagree nothing is decided.

    A claim has several parts: S at equal train loss and at equal validation accuracy; A at the best
    validation epoch and at the last one; M by how much these gains exceed those under each
    intervention, at both epochs. It has a word if all its parts have: no correction is needed for
    that, as all must reject (Berger 1982). M has premises besides, all parts of S and A: one thing
    cannot be because of another that is not there, and where a premise is not shown M is undecided
    instead of shown. Where parts that differ in the epoch alone are decided and differ, the claim
    *differs between epochs*; else, if all are decided and differ, between fits or interventions.
    Holm's correction is over all claims of all data sets.

    Args:
        scores: by data set and key.
        rule: what they are judged by.
    """
    tested = {
        (dataset, key): tested_component(key, each, rule)
        for dataset, by_key in scores.items()
        for key, each in by_key.items()
    }
    names = [(dataset, name) for dataset in scores for name in NAMES]
    parts = [[tested[dataset, key] for key in rule.keys(name)] for dataset, name in names]
    decided = decide(
        [(name, [part for part, _ in each]) for (_, name), each in zip(names, parts, strict=True)],
        rule,
    )
    claims = [
        replace(
            claim,
            parts=tuple(
                with_interval(part, tests, rule)
                for part, (_, tests) in zip(claim.parts, each, strict=True)
            ),
        )
        for claim, each in zip(decided, parts, strict=True)
    ]
    size = len(NAMES)
    return [
        Finding(dataset=dataset, claims=tuple(claims[size * i : size * (i + 1)]))
        for i, dataset in enumerate(scores)
    ]


def decide(
    claims: Sequence[tuple[Name, Sequence[Component]]], rule: Rule, further: int = 0
) -> list[Claim]:
    """Outcomes of claims that are judged together, from the p-values of their parts.

    Args:
        claims: names, and parts that were tested.
        rule: what they are judged by.
        further: number of other claims that are judged together with them, and undecided.
    """
    p = [*(_nearest(parts) for _, parts in claims), *[1.0] * further]
    corrected, levels = holm(p)[: len(claims)], _levels(p, rule.alpha)[: len(claims)]
    p = p[: len(claims)]
    found = []
    for (name, parts), level, one, other in zip(claims, levels, p, corrected, strict=True):
        decided = [replace(part, level=level, outcome=_outcome(part, level)) for part in parts]
        found.append(
            Claim(
                name=name,
                words=WORDS[name],
                outcome=_together(decided),
                p=one,
                p_holm=other,
                parts=tuple(decided),
            )
        )
    return found


def _nearest(parts: Sequence[Component]) -> float:
    """The p-value of the word that all parts come nearest to."""
    own = own_parts(parts)
    return min(
        max(each.p_above for each in parts),
        max(each.p_inside for each in own),
        max(each.p_below for each in own),
    )


def own_parts(parts: Sequence[Component]) -> Sequence[Component]:
    """The parts of a claim without those of S and A, which are premises of M.

    Args:
        parts: of one claim.
    """
    return [each for each in parts if each.without != NONE] or parts


def _levels(p: Sequence[float], alpha: float) -> list[float]:
    """The level that each of m p-values is tested at, going down by Holm's steps to the first miss.

    >>> [round(level, 4) for level in _levels([0.5, 0.01, 0.03], 0.05)]
    [0.025, 0.0167, 0.025]
    """
    levels, left, missed = [math.nan] * len(p), len(p), False
    for i in sorted(range(len(p)), key=p.__getitem__):
        levels[i] = alpha / left
        missed = missed or p[i] > levels[i]
        left -= not missed
    return levels


def _outcome(part: Component, level: float) -> Outcome:
    if part.p_above <= level:
        return "shown"
    if part.p_below <= level:
        return "reversed"
    if part.p_inside <= level:
        small = part.p_positive <= level
        return "shown but smaller than what matters" if small else "excluded"
    return "undecided"


def _together(parts: Sequence[Component]) -> Outcome:
    """The word of a claim from those of its parts."""
    word = _same_word(own_parts(parts))
    premises = all(each.outcome == "shown" for each in parts)
    return "undecided" if word == "shown" and not premises else word


def _same_word(parts: Sequence[Component]) -> Outcome:
    words = [each.outcome for each in parts]
    if "excluded" in words:
        # What is there and smaller than what matters is excluded as well: the weaker word holds.
        small = "shown but smaller than what matters"
        words = ["excluded" if word == small else word for word in words]
    by_place: dict[tuple[str, str], set[Outcome]] = {}
    for each, word in zip(parts, words, strict=True):
        if each.at in EPOCHS and word != "undecided":
            by_place.setdefault((each.endpoint, each.without), set()).add(word)
    outcomes = set(words)
    if any(len(found) > 1 for found in by_place.values()):
        return "differs between epochs"
    if "undecided" in outcomes:
        return "undecided"
    if len(outcomes) == 1:
        return outcomes.pop()
    fits = len({each.without for each in parts}) == 1
    return "differs between fits" if fits else "differs between interventions"


def component_of(key: Key, scores: Scores, rule: Rule) -> Component:
    """A part before it is tested: what it is, and of which seeds.

    Args:
        key: which number.
        scores: one per seed.
        rule: for the margin.
    """
    facts = {name: value for name, value in vars(scores).items() if name != "values"}
    return Component(**vars(key), words=key.words, margin=rule.margins[key.endpoint], **facts)


def with_tests(part: Component, tests: MeanTests, row: int) -> Component:
    """A part with the p-values of a row of tests.

    Args:
        part: before it is tested.
        tests: of rows of numbers.
        row: that of the part.
    """
    return replace(
        part,
        mean=float(tests.mean[row]),
        sd=float(tests.sd[row]),
        p_above=float(tests.above[row]),
        p_positive=float(tests.positive[row]),
        p_inside=1.0 if part.one_collapsed else float(tests.inside[row]),
        p_below=float(tests.below[row]),
    )


def tested_component(key: Key, scores: Scores, rule: Rule) -> tuple[Component, MeanTests | None]:
    """A part with its tests; None in their place for fewer than two seeds.

    Args:
        key: which number.
        scores: one per seed.
        rule: for the margin.
    """
    part, values = component_of(key, scores, rule), scores.values
    if len(values) < 2:
        mean = float(values.mean()) if len(values) else math.nan
        return replace(part, mean=mean), None
    tests = MeanTests.of(values[None], np.array([part.margin]))
    return with_tests(part, tests, 0), tests


def with_interval(part: Component, tests: MeanTests | None, rule: Rule) -> Component:
    """A part that was decided, with its interval, and the seeds that it needs if undecided.

    Args:
        part: see :func:`decide`.
        tests: of the part.
        rule: for the power.
    """
    if tests is None:
        return part
    low, high = tests.interval(0, part.level)
    undecided = part.outcome == "undecided"
    needed = seeds_needed(part, rule.power) if undecided else None
    return replace(part, low=low, high=high, needed=needed)


# Seeds


def seeds_needed(part: Component, power: float) -> int | None:
    """Seeds with which a mean and a spread as these would decide; None if above 10,000.

    n = (z₁ + z₂)² s² / d² + z₁² / 2 (Guenther 1981), d the distance of the mean from the nearest
    margin, z₁ and z₂ the normal quantiles of 1 − level / 2 and of the power; no fewer than can
    reach the level by signs, and more than there are.

    Args:
        part: with mean, sd and level.
        power: chance of a decision.
    """
    from scipy import stats

    distance = abs(abs(part.mean) - part.margin)
    if not distance or math.isnan(part.sd):
        return None
    if part.one_collapsed and abs(part.mean) < part.margin:
        # A run that collapsed beside one that did not is never excluded, with any seeds.
        return None
    z, other = (float(stats.norm.ppf(each)) for each in (1 - part.level / 2, power))
    number = ((z + other) * part.sd / distance) ** 2 + z**2 / 2
    least = math.log2(2.0 / part.level) + 1
    needed = max(number, least, len(part.seeds) + 1)
    return math.ceil(needed) if needed <= MOST_SEEDS else None
