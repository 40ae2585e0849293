"""The rule of the second protocol: three claims, their verdicts, and what would change them.

The rule stands in :func:`judge_scores`; nothing else decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from gslt.conjecture.means import MeanTests
from gslt.conjecture.trajectories import NONE, At, contrasts
from gslt.errors import ConfigError
from gslt.random import Float64
from gslt.report.statistics import fill_collapsed, holm
from gslt.studies.columns import LOG_QUOTIENT, LOG_UNCENTRED_QUOTIENT

if TYPE_CHECKING:
    from pandas import DataFrame

Name = Literal["S", "A", "M"]
NAMES: tuple[Name, ...] = get_args(Name)
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
ACCURACY = "test_accuracy"
#: What says whether an intervention leaves room for a gain.
ROOM = "train_accuracy"
EPOCHS: tuple[At, ...] = ("best epoch", "last epoch")
MATCHED: tuple[At, ...] = ("train loss", "val accuracy")
#: Numbers of seeds above this are as good as never.
MOST_SEEDS = 10_000


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What is stated before any run.

    Raises:
        ConfigError: for a value out of range, or an endpoint without a margin.
    """

    alpha: float = 0.05
    """Largest chance of a false word among all verdicts together."""
    power: float = 0.8
    """Chance of a decision that numbers of seeds are computed for."""
    endpoint: str = LOG_UNCENTRED_QUOTIENT
    """The primary endpoint of S; larger is less smooth. Over-smoothing is convergence into the
    kernel of the Laplacian. The centred quotient leaves out the part in the kernel, which is what
    over-smoothing converges to; the uncentred one is the centred one times the share outside the
    kernel, so that it falls with either, and it does not depend on the scale of the
    representation. Test accuracy is the endpoint of A and of M, which are about benefit."""
    margins: Mapping[str, float] = field(
        default_factory=lambda: {
            LOG_UNCENTRED_QUOTIENT: math.log(1.25),
            LOG_QUOTIENT: math.log(1.25),
            ACCURACY: 0.01,
        }
    )
    """Smallest difference of each endpoint that matters, in both directions. A factor of 1.25 in a
    quotient: a change by less than a quarter would not be called stronger smoothing. One point of
    accuracy: what separates published results on these graphs."""
    reference: str = "dense"
    arms: tuple[str, ...] = ("frozen",)
    """The frozen arms that the verdict is over; every freezing ratio of them counts the same."""
    depth_weights: Mapping[int, float] | None = None
    """Weight of each depth; default: the same for every depth that there is."""
    interventions: tuple[str, ...] = ("no edges", "residual", "pairnorm")
    """What keeps smoothing from acting: the gain must shrink under each of them."""
    depths: tuple[int, ...] | None = None
    """Depths that a number is the mean over: a seed that lacks one takes no part. Default: those
    that any seed has."""
    ratios: tuple[float, ...] | None = None
    """Freezing ratios of each arm, likewise."""
    room: float = 0.9
    """An intervention is left out at depths at which the dense source then fits less than so much
    of what it fits without, in train accuracy at the best epoch: where nothing is learnt, no gain
    can appear, and none vanishes."""

    def __post_init__(self) -> None:
        for name in ("alpha", "power"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ConfigError(f"{name} must lie in (0, 1), got {getattr(self, name)}")
        for name in (self.endpoint, ACCURACY):
            if not 0.0 < self.margins.get(name, math.nan) < math.inf:
                raise ConfigError(
                    f"the endpoint {name} needs a margin above 0, got {self.margins.get(name)}: "
                    "state the smallest difference that matters"
                )
        weights = (self.depth_weights or {0: 1.0}).values()
        if min(weights) < 0 or not 0.0 < sum(weights) < math.inf:
            raise ConfigError(
                f"weights of depths must not be negative, and one must be above 0, got "
                f"{self.depth_weights}"
            )

    def weight(self, depth: int) -> float:
        """The weight of a depth; 0 for one that has none."""
        return 1.0 if self.depth_weights is None else self.depth_weights.get(depth, 0.0)

    def keys(self, name: Name) -> tuple[Key, ...]:
        """What a claim is tested by: all of it must be shown."""
        if name == "S":
            return tuple(Key(self.endpoint, at) for at in MATCHED)
        if name == "A":
            return tuple(Key(ACCURACY, at) for at in EPOCHS)
        premises = (*self.keys("S"), *self.keys("A"))
        return premises + tuple(Key(ACCURACY, at, by) for by in self.interventions for at in EPOCHS)


@dataclass(frozen=True)
class Key:
    """One number per seed: a contrast at one place, or how much of it an intervention takes."""

    endpoint: str
    at: At
    without: str = NONE
    """The intervention whose contrast is subtracted; ``none``: nothing is."""

    @property
    def words(self) -> str:
        """Where, in words."""
        fit = self.at.replace("val ", "validation ")
        place = f"at equal {fit}" if self.at in MATCHED else f"at the {self.at}"
        return place if self.without == NONE else f"{place}, minus that with {self.without}"


# What is tested: one number per seed


@dataclass(frozen=True)
class Scores:
    """One number per seed, and the seeds that have none."""

    values: Float64
    seeds: tuple[int, ...] = ()
    left_out: tuple[int, ...] = ()
    """Seeds of which a cell is missing or out of reach: they take no part."""
    cells: int = 0
    """Depths, arms and ratios that a number is the weighed mean of."""
    depths: tuple[int, ...] = ()
    """Numbers of layers that there are among them."""
    one_collapsed: int = 0
    """Pairs of which one run alone collapsed totally: each counts as the largest difference."""
    both_collapsed: int = 0
    """Pairs of which both did: their difference counts as 0."""
    why: str = ""
    """What is missing, in words."""


NO_SCORES = Scores(np.empty(0))


def scores_of(found: DataFrame, key: Key, rule: Rule) -> Scores:
    """One number per seed: the mean over arms and ratios, then the weighed mean over depths.

    Seeds are the unit, as the runs of one share their weights. A difference in differences is over
    the cells (depth, arm, ratio) at which the intervention leaves room for a gain.

    Args:
        found: contrasts of one data set, see :func:`gslt.conjecture.trajectories.contrasts`.
        key: which number.
        rule: arms, depths, ratios, weights and margins.
    """
    cell = ["num_layers", "arm", "ratio"]
    # A missing ratio would drop out of the index.
    rows = found[found["arm"].isin(rule.arms)].assign(ratio=found["ratio"].fillna(-1.0))
    rows = rows[rows["num_layers"].map(rule.weight) > 0]
    here = rows[
        (rows["endpoint"] == key.endpoint)
        & (rows["at"] == key.at)
        & rows["intervention"].isin([NONE, key.without])
    ]
    plain_rows, other_rows = (here[here["intervention"] == each] for each in (NONE, key.without))
    planned = _planned(plain_rows, other_rows, rule)
    cells = _pivot(plain_rows, cell, planned)
    no_room: list[int] = []
    if key.without != NONE:
        cells = cells - _pivot(other_rows, cell, planned).reindex(cells.index)
        no_room = _without_room(rows, key.without, rule)
        cells = cells.loc[:, ~cells.columns.get_level_values("num_layers").isin(no_room)]
    reasons = [f"no room for a gain at {', '.join(map(str, no_room))} layers"] if no_room else []
    if not len(plain_rows) or not len(other_rows) or not cells.shape[1]:
        if not no_room or cells.shape[1]:
            missing = f"no pairs of the arms {', '.join(rule.arms)} and {rule.reference}"
            reasons.append(missing + f" with and without {key.without}" * (key.without != NONE))
        return replace(NO_SCORES, why="; ".join(reasons))
    whole = cells.dropna()
    raw = whole.to_numpy(float)
    gone = cells.index.difference(whole.index)
    if len(gone):
        lacking = here[here["seed"].isin(gone)]
        reasons += sorted(set(lacking["why"]) - {""})
        # What no row speaks of was not run.
        lacking = lacking[~lacking["num_layers"].isin(no_room)]
        wanted = cells.shape[1] * len(gone) * (1 if key.without == NONE else 2)
        silent = lacking["difference"].isna() & (lacking["why"] == "")
        reasons += ["a run is missing"] if len(lacking) < wanted or silent.any() else []
    depths = whole.columns.get_level_values("num_layers")
    weights = np.array([rule.weight(depth) / (depths == depth).sum() for depth in depths])
    used = here[here["seed"].isin(whole.index) & here["num_layers"].isin(depths)]
    both = np.isneginf(used[["first", "second"]].to_numpy(float)).all(axis=1) if _ends(used) else []
    return Scores(
        fill_collapsed(raw, rule.margins[key.endpoint]) @ (weights / weights.sum()),
        tuple(whole.index.tolist()),
        tuple(gone.tolist()),
        raw.shape[1],
        tuple(sorted({int(depth) for depth in depths})),
        int(np.isinf(raw).sum()),
        int(np.sum(both)),
        "; ".join(reasons),
    )


def _ends(rows: DataFrame) -> bool:
    return {"first", "second"} <= {*rows.columns}


def _planned(
    plain_rows: DataFrame, other_rows: DataFrame, rule: Rule
) -> list[tuple[int, str, float]]:
    """Cells that every seed should have: those of the rule, else those that any seed has."""
    cells = [
        sorted(set(rows[["num_layers", "arm", "ratio"]].itertuples(index=False, name=None)))
        for rows in (plain_rows, other_rows)
    ]
    there = [cell for cell in cells[0] if cell in cells[1]]
    if rule.depths is None or rule.ratios is None:
        return there
    depths = [depth for depth in rule.depths if rule.weight(depth) > 0]
    return [(d, arm, ratio) for d in depths for arm in rule.arms for ratio in rule.ratios]


def _pivot(rows: DataFrame, cell: list[str], planned: list[tuple[int, str, float]]) -> DataFrame:
    """A row a seed, a column a planned cell; NaN where there is no number."""
    import pandas as pd

    wide = rows.pivot(index="seed", columns=cell, values="difference")
    columns = [pd.Index(values) for values in zip(*planned, strict=True)] or [[], [], []]
    return wide.reindex(columns=pd.MultiIndex.from_arrays(columns, names=cell))


def _without_room(rows: DataFrame, intervention: str, rule: Rule) -> list[int]:
    """Depths at which the dense source fits too little under an intervention."""
    fit = rows[(rows["endpoint"] == ROOM) & (rows["at"] == "best epoch")]
    if not len(fit):
        return []
    by = fit.groupby(["intervention", "num_layers"])["second"].mean()
    if intervention not in by.index.get_level_values(0) or NONE not in by.index:
        return []
    there = by[intervention]
    share = there / by[NONE].reindex(there.index)
    return [int(depth) for depth, each in share.items() if each < rule.room]


# Verdicts


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
    return Component(
        endpoint=key.endpoint,
        at=key.at,
        without=key.without,
        words=key.words,
        margin=rule.margins[key.endpoint],
        seeds=scores.seeds,
        left_out=scores.left_out,
        cells=scores.cells,
        depths=scores.depths,
        one_collapsed=scores.one_collapsed,
        both_collapsed=scores.both_collapsed,
        why=scores.why,
    )


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
