"""One number per seed: how the smoothness of its runs follows the freezing ratio."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gslt.conjecture.statistics.criteria import Criteria
from gslt.conjecture.statistics.endpoints import DENSE, FROZEN, PRIMARY, Arm, Run, column
from gslt.conjecture.statistics.pairs import differences, filled
from gslt.conjecture.statistics.trend import taus
from gslt.random import Float64


@dataclass(frozen=True)
class Doses:
    """Log quotients of the seeds that have a dense run and one at every freezing ratio."""

    seeds: tuple[int, ...]
    left_out: tuple[int, ...]
    """Seeds that lack a number for one of them: they take no part."""
    ratios: tuple[float, ...]
    """Ratios of the frozen runs, rising."""
    values: Float64
    """A row per seed: the dense run first, then those of the ratios."""


@dataclass(frozen=True)
class Scores:
    """What is tested, one number or row per seed.

    The seed is the unit: its runs share weights and resemble each other, those of neighbouring
    ratios most, so that they are no independent observations.
    """

    seeds: tuple[int, ...]
    left_out: tuple[int, ...]
    ratios: tuple[float, ...]
    taus: Float64
    """Kendall's rank correlation of freezing ratio and log quotient within the seed."""
    differences: Float64
    """Frozen minus dense, a row per seed, a column per ratio."""
    one: Float64
    both: Float64
    """Pairs of a frozen and a dense run of which one, or both, have collapsed totally, per seed."""

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


def read_doses(
    arms: Mapping[Arm, Mapping[int, Run]], only: Collection[float] | None = None
) -> Doses | None:
    """The dense and the frozen runs of a place, at all ratios or at some.

    None where one kind is absent.
    """
    ratios = sorted(ratio for arm, ratio in arms if arm == FROZEN and ratio)
    ratios = [ratio for ratio in ratios if only is None or ratio in only]
    if not ratios or (DENSE, None) not in arms:
        return None
    keys: list[Arm] = [(DENSE, None), *((FROZEN, ratio) for ratio in ratios)]
    columns = [column(arms[key], PRIMARY) for key in keys]
    known = sorted({seed for key in keys for seed in arms[key]})
    seeds = [seed for seed in known if all(seed in each for each in columns)]
    values = np.array([[each[seed] for each in columns] for seed in seeds])
    left_out = tuple(seed for seed in known if seed not in seeds)
    return Doses(tuple(seeds), left_out, tuple(ratios), values.reshape(len(seeds), len(columns)))


def score(
    arms: Mapping[Arm, Mapping[int, Run]],
    criteria: Criteria,
    only: Collection[float] | None = None,
) -> Scores | None:
    """Trend and differences of every seed of a place, at all ratios or at some.

    None where there is no dense arm, or no frozen one.
    """
    doses = read_doses(arms, only)
    if doses is None:
        return None
    values = doses.values
    raw = differences(values[:, 1:], np.broadcast_to(values[:, :1], values[:, 1:].shape))
    numbers = filled(raw, criteria.smallest_effect)
    gone = np.isneginf(values)
    both = (gone[:, 1:] & gone[:, :1]).sum(axis=1)
    return Scores(
        doses.seeds,
        doses.left_out,
        doses.ratios,
        taus(values),
        numbers.values,
        (gone[:, 1:] ^ gone[:, :1]).sum(axis=1),
        both,
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
