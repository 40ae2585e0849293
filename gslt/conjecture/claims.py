"""Three claims, their verdicts, and what would change them.

The rule stands in :func:`judge_scores`; nothing else decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
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
from gslt.random import Float64
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
    under: str
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
    """What Holm's correction left of alpha for the claim; alpha for what interventions leave."""
    outcome: Outcome = "undecided"
    needed: int | None = None
    """Seeds for a decision of this part where it is undecided; None if unknown, or above 10,000."""


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
    why: str = ""
    """Why M is undecided whatever its own parts say: a premise, or what interventions leave."""

    @property
    def tests(self) -> tuple[Component, ...]:
        """The parts that its word comes from."""
        return _tests(self.parts)

    @property
    def left(self) -> tuple[Component, ...]:
        """The parts that say what interventions leave of the gain; of S and A there are none."""
        return tuple(each for each in self.parts if each.under != NONE)

    @property
    def label(self) -> str:
        """The outcome, with what it lacks where it is undecided."""
        if self.outcome != "undecided":
            return self.outcome
        return f"undecided ({self.why or seed_words(self.needed)})"

    @property
    def needed(self) -> int | None:
        """The most seeds that one of its parts needs; all together may need more.

        None if unknown, or if seeds are not enough.
        """
        numbers = [each.needed for each in self.tests if each.outcome == "undecided"]
        known = [number for number in numbers if number is not None]
        whole = known and len(known) == len(numbers) and not self.why
        return max(known) if whole else None


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
    - within: *shown but smaller than what matters* if it lies above 0, which is tested at alpha
      divided by the number of claims, else *excluded* (equivalence, Schuirmann 1987; never where
      one run alone of a pair has collapsed totally);
    - *undecided* otherwise.

    All tests are two-sided, so that one interval stands behind all words: a word is false only if
    the interval misses the mean. Each p-value is the larger one of two tests: by sign flips, whose
    rate of errors holds for symmetric numbers of any distribution, and by the studentised
    bootstrap, which follows skewed ones. Where they disagree nothing is decided.

    A claim has several parts: S at equal train loss and at equal validation accuracy; A at the best
    validation epoch and at the last one; M by how much these gains exceed those under each
    intervention, at both epochs. It has a word if all its parts have: no correction is needed for
    that, as all must reject (Berger 1982). Where parts that differ in the epoch alone are decided
    and differ, the claim *differs between epochs*; else, if all are decided and differ, between
    fits or interventions. Holm's correction is over all claims of all data sets; claims of one p
    have one level, the strictest of theirs.

    M is undecided unless S and A are shown: one thing cannot be because of another that is not
    there. Nor is it shown where under an intervention a gain is shown, at both epochs as A is, so
    that smoothing is at most a part of the cause, or a loss, so that the intervention does more to
    frozen sources than to keep smoothing from acting. Both take words away and give none: they are
    tested at alpha itself, which a correction would only make them miss.

    Args:
        scores: by data set and key.
        rule: what they are judged by.
    """
    tested = {
        (dataset, key): tested_component(key, each, rule)
        for dataset, by_key in scores.items()
        for key, each in by_key.items()
    }
    parts = [
        {name: [tested[dataset, key][0] for key in rule.keys(name)] for name in NAMES}
        for dataset in scores
    ]

    def with_ends(claim: Claim, dataset: str) -> Claim:
        tests = [tested[dataset, key][1] for key in rule.keys(claim.name)]
        both = zip(claim.parts, tests, strict=True)
        return replace(claim, parts=tuple(with_interval(*each, rule) for each in both))

    return [
        Finding(dataset=dataset, claims=tuple(with_ends(each, dataset) for each in claims))
        for dataset, claims in zip(scores, decide(parts, rule), strict=True)
    ]


def decide(
    datasets: Sequence[Mapping[Name, Sequence[Component]]], rule: Rule, further: int = 0
) -> list[list[Claim]]:
    """Outcomes of claims that are judged together, from the p-values of their parts.

    Args:
        datasets: the tested parts of every claim, S and A before M, of each data set.
        rule: what they are judged by.
        further: number of other claims that are judged together with them, and undecided.

    Returns:
        The claims of each data set.
    """
    p = [_nearest(parts) for of_one in datasets for parts in of_one.values()] + [1.0] * further
    numbers = iter(zip(p, holm(p), _levels(p, rule.alpha), strict=True))
    found = []
    for of_one in datasets:
        claims: dict[Name, Claim] = {}
        for name, parts in of_one.items():
            one, corrected, level = next(numbers)
            # What an intervention leaves can only take a word away: it is tested at alpha itself.
            levels = (level if part.under == NONE else rule.alpha for part in parts)
            decided = tuple(
                replace(part, level=own, outcome=_outcome(part, own, rule.alpha / len(p)))
                for part, own in zip(parts, levels, strict=True)
            )
            claim = Claim(
                name=name,
                words=WORDS[name],
                outcome=_same_word(_tests(decided)),
                p=one,
                p_holm=corrected,
                parts=decided,
            )
            claims[name] = _as_a_cause(claim, claims["S"], claims["A"]) if name == "M" else claim
        found.append([*claims.values()])
    return found


def _as_a_cause(claim: Claim, *premises: Claim) -> Claim:
    """M, undecided where S or A is not shown, or where an intervention leaves what speaks against.

    Args:
        claim: M by its own tests.
        premises: S and A.
    """
    refuted = [each.name for each in premises if each.outcome not in ("shown", "undecided")]
    unknown = [each.name for each in premises if each.outcome == "undecided"]
    left: dict[str, set[Outcome]] = {}
    for each in claim.left:
        left.setdefault(each.under, set()).add(each.outcome)
    stays, costs = ([by for by in left if left[by] == {word}] for word in ("shown", "reversed"))
    why = ""
    if refuted:
        why = f"{' and '.join(refuted)} {'is' if len(refuted) == 1 else 'are'} not shown"
    elif unknown:
        why = f"so {'is' if len(unknown) == 1 else 'are'} {' and '.join(unknown)}"
    elif claim.outcome == "shown" and stays:
        why = f"a gain stays with {', '.join(stays)}"
    elif claim.outcome == "shown" and costs:
        why = f"freezing costs accuracy with {', '.join(costs)}"
    return replace(claim, outcome="undecided", why=why) if why else claim


def _nearest(parts: Sequence[Component]) -> float:
    """The p-value of the word that all tests of a claim come nearest to."""
    words = ("p_above", "p_inside", "p_below")
    return min(max(float(getattr(each, word)) for each in _tests(parts)) for word in words)


def _tests(parts: Sequence[Component]) -> tuple[Component, ...]:
    """The parts that a word comes from: all but what interventions leave."""
    return tuple(each for each in parts if each.under == NONE)


def _levels(p: Sequence[float], alpha: float) -> list[float]:
    """The level that each of m p-values is tested at, going down by Holm's steps to the first miss.

    Equal ones have the same level, that of the first of them: whatever their order, they are
    rejected together or not at all.

    >>> [round(level, 4) for level in _levels([0.5, 0.01, 0.03], 0.05)]
    [0.025, 0.0167, 0.025]
    >>> [round(level, 4) for level in _levels([0.01, 0.04, 0.01], 0.05)]
    [0.0167, 0.05, 0.0167]
    """
    levels, left, missed = [math.nan] * len(p), len(p), False
    for value, equal in groupby(sorted(range(len(p)), key=p.__getitem__), p.__getitem__):
        places, level = list(equal), alpha / left
        for i in places:
            levels[i] = level
        missed = missed or value > level
        left -= 0 if missed else len(places)
    return levels


def _outcome(part: Component, level: float, first: float) -> Outcome:
    """The word of a part.

    Args:
        part: that was tested.
        level: what Holm's correction left to its claim.
        first: what it leaves to the first claim. That a difference inside the margins lies above 0
            is no part of what the claims are corrected by, and is tested at this.
    """
    if part.p_above <= level:
        return "shown"
    if part.p_below <= level:
        return "reversed"
    if part.p_inside <= level:
        small = part.p_positive <= first
        return "shown but smaller than what matters" if small else "excluded"
    return "undecided"


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

    n + z² / 2 (Guenther 1981), n the smallest number with Φ(√n (|m| − margin) / s − z) ≥ power
    where the mean m lies outside the margins, and with Φ(√n (margin − m) / s − z) + Φ(√n (margin +
    m) / s − z) − 1 ≥ power inside, where both ends of the interval must be (Schuirmann 1987); z is
    the normal quantile of 1 − level / 2. No fewer than can reach the level by signs, and more than
    there are.

    Args:
        part: with mean, sd and level.
        power: chance of a decision.
    """
    from scipy import stats

    distance = abs(part.mean) - part.margin
    if not distance or math.isnan(part.sd):
        return None
    if part.one_collapsed and distance < 0:
        # A run that collapsed beside one that did not is never excluded, with any seeds.
        return None
    z = float(stats.norm.ppf(1 - part.level / 2))
    n = np.arange(1.0, MOST_SEEDS + 1)
    ends = [distance] if distance > 0 else [part.margin - part.mean, part.margin + part.mean]
    with np.errstate(divide="ignore"):
        misses: Float64 = sum(stats.norm.sf(np.sqrt(n) * end / part.sd - z) for end in ends)
    enough = n[misses <= 1 - power]
    if not len(enough):
        return None
    least = math.log2(2.0 / part.level) + 1
    needed = max(enough[0] + z**2 / 2, least, len(part.seeds) + 1)
    return math.ceil(needed) if needed <= MOST_SEEDS else None
