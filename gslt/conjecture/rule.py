"""The rule of the second protocol: what each claim is tested by, and the number of each seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from gslt.conjecture.trajectories import NONE, At
from gslt.errors import ConfigError
from gslt.random import Float64
from gslt.report.statistics import fill_collapsed
from gslt.studies.columns import LOG_QUOTIENT, LOG_UNCENTRED_QUOTIENT

if TYPE_CHECKING:
    from pandas import DataFrame

#: The claims: see :data:`gslt.conjecture.claims.WORDS`.
Name = Literal["S", "A", "M"]
NAMES: tuple[Name, ...] = get_args(Name)
ACCURACY = "test_accuracy"
#: What says whether an intervention leaves room for a gain.
ROOM = "train_accuracy"
EPOCHS: tuple[At, ...] = ("best epoch", "last epoch")
MATCHED: tuple[At, ...] = ("train loss", "val accuracy")
#: What a number per seed is the mean over.
CELL = ("num_layers", "arm", "ratio")


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
    seeds: tuple[int, ...] | None = None
    """Seeds that there should be: one of which no run is there is listed too. Default: those of
    which there is one."""
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
        """What a claim is tested by, all of which must have its word; of M then what is left.

        M is tested by how much of the gain an intervention takes. What it leaves stands beside
        that: see :func:`gslt.conjecture.claims.judge_scores`.
        """
        if name == "S":
            return tuple(Key(self.endpoint, at) for at in MATCHED)
        if name == "A":
            return tuple(Key(ACCURACY, at) for at in EPOCHS)
        places = [(at, by) for by in self.interventions for at in EPOCHS]
        taken = tuple(Key(ACCURACY, at, without=by) for at, by in places)
        return taken + tuple(Key(ACCURACY, at, under=by) for at, by in places)


@dataclass(frozen=True)
class Key:
    """One number per seed: a contrast at one place, and what an intervention makes of it.

    Neither of the two: smoothing is left alone.
    """

    endpoint: str
    at: At
    without: str = NONE
    """The intervention whose contrast is subtracted: how much of the contrast it takes."""
    under: str = NONE
    """The intervention that the contrast is taken under: how much of it is left."""

    @property
    def intervention(self) -> str:
        """Whichever takes part."""
        return self.under if self.without == NONE else self.without

    @property
    def words(self) -> str:
        """Where, in words."""
        fit = self.at.replace("val ", "validation ")
        place = f"at equal {fit}" if self.at in MATCHED else f"at the {self.at}"
        if self.without != NONE:
            return f"{place}, minus that with {self.without}"
        return place if self.under == NONE else f"{place}, with {self.under}"


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

    Seeds are the unit, as the runs of one share their weights. With an intervention it is over the
    cells (depth, arm, ratio) at which that leaves room for a gain.

    Args:
        found: contrasts of one data set, see :func:`gslt.conjecture.trajectories.contrasts`.
        key: which number.
        rule: arms, depths, ratios, seeds, weights and margins.
    """
    # A missing ratio would drop out of the index.
    rows = found[found["arm"].isin(rule.arms)].assign(ratio=found["ratio"].fillna(-1.0))
    rows = rows[rows["num_layers"].map(rule.weight) > 0]
    here = rows[(rows["endpoint"] == key.endpoint) & (rows["at"] == key.at)]
    subtracted = key.without if key.without != NONE else key.under
    sides = (key.under, subtracted)
    here = here[here["intervention"].isin(sides)]
    plain_rows, other_rows = (here[here["intervention"] == each] for each in sides)
    planned = _planned(plain_rows, other_rows, rule)
    cells = _pivot(plain_rows, planned)
    if key.without != NONE:
        other = _pivot(other_rows, planned)
        seeds = cells.index.union(other.index)
        cells = cells.reindex(seeds) - other.reindex(seeds)
    if rule.seeds is not None and len(cells.index):
        cells = cells.reindex(rule.seeds)
    no_room: list[int] = []
    if key.intervention != NONE:
        no_room = _without_room(rows, key.intervention, rule)
        cells = cells.loc[:, ~cells.columns.get_level_values("num_layers").isin(no_room)]
    reasons = [f"no room for a gain at {', '.join(map(str, no_room))} layers"] if no_room else []
    if no_room and not cells.shape[1]:
        return replace(NO_SCORES, why=reasons[0])
    if cells.empty or not len(other_rows):
        missing = f"no pairs of the arms {', '.join(rule.arms)} and {rule.reference}"
        missing += f" with and without {key.without}" * (key.without != NONE)
        reasons.append(missing + f" with {key.under}" * (key.under != NONE))
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
    ends = used.reindex(columns=["first", "second"]).to_numpy(float)
    return Scores(
        fill_collapsed(raw, rule.margins[key.endpoint]) @ (weights / weights.sum()),
        tuple(whole.index.tolist()),
        tuple(gone.tolist()),
        raw.shape[1],
        tuple(sorted({int(depth) for depth in depths})),
        int(np.isinf(raw).sum()),
        int(np.isneginf(ends).all(axis=1).sum()),
        "; ".join(reasons),
    )


def _planned(
    plain_rows: DataFrame, other_rows: DataFrame, rule: Rule
) -> list[tuple[int, str, float]]:
    """Cells that every seed should have: those of the rule, else those that any seed has."""
    cells = [
        sorted(set(rows[[*CELL]].itertuples(index=False, name=None)))
        for rows in (plain_rows, other_rows)
    ]
    there = [cell for cell in cells[0] if cell in cells[1]]
    if rule.depths is None or rule.ratios is None:
        return there
    depths = [depth for depth in rule.depths if rule.weight(depth) > 0]
    return [(d, arm, ratio) for d in depths for arm in rule.arms for ratio in rule.ratios]


def _pivot(rows: DataFrame, planned: list[tuple[int, str, float]]) -> DataFrame:
    """A row a seed, a column a planned cell; NaN where there is no number."""
    import pandas as pd

    wide = rows.pivot(index="seed", columns=[*CELL], values="difference")
    columns = [pd.Index(values) for values in zip(*planned, strict=True)] or [[], [], []]
    return wide.reindex(columns=pd.MultiIndex.from_arrays(columns, names=CELL))


def _without_room(rows: DataFrame, intervention: str, rule: Rule) -> list[int]:
    """Depths at which the dense source fits too little under an intervention."""
    fit = rows[(rows["endpoint"] == ROOM) & (rows["at"] == "best epoch")]
    if not len(fit):
        return []
    by = fit.groupby(["num_layers", "intervention"])["second"].mean().unstack()
    by = by.reindex(columns=[NONE, intervention])
    return [int(depth) for depth in by.index[by[intervention] / by[NONE] < rule.room]]
