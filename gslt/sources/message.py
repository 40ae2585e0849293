"""What a comparison says in the end: no order of two arms that its seeds do not show.

An order is claimed where the sign-flip test of the paired differences, corrected by Holm for all
pairs of arms, has p ≤ 0.05. That takes eight seeds at least; with fewer it is told how many of them
agree, and that this is not yet an order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gslt.random import Float64
from gslt.report.statistics import Estimate, compare_arms, least_p, paired
from gslt.report.tables import NONE, Cell, Column, interval, number, p_value, text
from gslt.sources.arms import DENSE, FROZEN, SPARSE, TRAINED

if TYPE_CHECKING:
    from pandas import DataFrame

#: An order is claimed where p is no more than this.
LEVEL = 0.05
#: What is told, in this order: the first less the second.
CONTRASTS = (
    (FROZEN, SPARSE),
    (FROZEN, DENSE),
    (SPARSE, DENSE),
    (DENSE, TRAINED),
    (SPARSE, TRAINED),
    (FROZEN, TRAINED),
)
#: An interval of fewer seeds is too narrow to be shown.
LEAST_INTERVAL = 6
_VALUE = "test_accuracy"
#: Decimals of points: accuracies have rounding errors, and equal ones differ by nothing.
_DECIMALS = 10


@dataclass(frozen=True, eq=False)
class Contrast:
    """Two arms over the seeds that both have."""

    first: str
    second: str
    differences: Float64
    """Of each seed in points of 100: the first less the second."""
    low: float
    """Lower end of the 95 % interval of the mean; NaN for one seed."""
    high: float
    p: float
    """Of the sign-flip test, corrected by Holm for all pairs of arms."""

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return float(self.differences.mean())

    @property
    def std(self) -> float:
        """Unbiased standard deviation over the seeds; NaN for one."""
        return float(self.differences.std(ddof=1)) if len(self.differences) > 1 else math.nan

    @property
    def agrees(self) -> bool:
        """Whether all seeds, two at least, have the same sign."""
        signs = np.sign(self.differences)
        return len(signs) > 1 and bool(abs(signs.sum()) == len(signs))

    @property
    def is_order(self) -> bool:
        """Whether the seeds show that one is above the other."""
        return self.p <= LEVEL

    @property
    def has_interval(self) -> bool:
        """Whether there are seeds enough for an interval."""
        return len(self.differences) >= LEAST_INTERVAL

    @property
    def seeds_that_agree(self) -> str:
        """How many seeds have the sign of the mean, such as ``3 of 3``."""
        same = int((np.sign(self.differences) == np.sign(self.mean)).sum())
        return f"{same} of {len(self.differences)}"

    def __str__(self) -> str:
        n, way = len(self.differences), "above" if self.mean > 0 else "below"
        first, second = (_whose(name) for name in (self.first, self.second))
        points = f"{abs(self.mean):.2f} points"
        each = f"{self.differences.min():+.2f} to {self.differences.max():+.2f}"
        p = f" (p = {self.p:.2g} by Holm)" if n >= LEAST_INTERVAL else ""
        if self.is_order:
            found = Estimate(self.mean, self.low, self.high).words("+.2f", unit=" points")
            sentence = f"{first} is {way} {second}: {found}, {n} seeds{p}"
        elif n == 1 and not self.mean:
            sentence = f"{first} equals {second} with one seed"
        elif n == 1:
            sentence = f"{first} is {points} {way} {second} with one seed, which tells no order"
        elif self.agrees:
            sentence = f"{first} is {way} {second} in all {n} seeds, by {points} ({each}){p}"
        else:
            sentence = f"no order of {first} and {second}: {self.mean:+.2f} points on average, "
            sentence += f"{each} over {n} seeds{p}"
        return f"{sentence[0].upper()}{sentence[1:]}."


def _whose(arm: str) -> str:
    return arm if arm == TRAINED else f"the {arm}'s ticket"


def contrasts_of(runs: DataFrame) -> list[Contrast]:
    """The pairs of arms that are told, in their order; those without a common seed are left out.

    Args:
        runs: one row for every run of the four arms, see :func:`gslt.studies.frame`.
    """
    tests = {(row.first, row.second): row for row in compare_arms(runs, _VALUE).itertuples()}
    found = []
    for first, second in CONTRASTS:
        row: Any = tests.get((first, second)) or tests.get((second, first))
        if row is None:
            continue
        sign = 1.0 if row.first == first else -1.0
        one, other = (runs[runs["arm"] == name] for name in (first, second))
        both = paired(one, other, ["seed", "dataset", "split"], [_VALUE])
        low, high = sorted((100 * sign * row.low, 100 * sign * row.high))
        differences = (100 * both[_VALUE].to_numpy(float)).round(_DECIMALS)
        found.append(Contrast(first, second, differences, low, high, row.p_seeds_holm))
    return found


def message_of(contrasts: Sequence[Contrast], smaller: Mapping[str, float]) -> list[str]:
    """Sentences: source against source, tickets against weight training, sizes, what seeds lack.

    Args:
        contrasts: see :func:`contrasts_of`.
        smaller: how many times smaller than float32 weights each ticket's file is, by arm.
    """
    lines = [str(each) for each in contrasts]
    if smaller:
        times = ", ".join(f"{name} {ratio:.1f}" for name, ratio in smaller.items())
        what = "Float32 weights take so many times the bytes of a ticket file with its header"
        lines.append(f"{what}: {times}.")
    seeds = min((len(each.differences) for each in contrasts), default=0)
    if contrasts and seeds < (needed := least_seeds(len(contrasts))):
        which = "What one seed shows" if seeds == 1 else f"What all {seeds} seeds show"
        lines.append(
            f"{which} is not yet an order: sign flips, corrected by Holm for {len(contrasts)} "
            f"pairs, reach p ≤ {LEVEL:g} with {needed} seeds, which add to those that a folder "
            "has."
        )
    return lines


def least_seeds(pairs: int) -> int:
    """The fewest seeds whose sign-flip test, corrected for so many pairs, can reach p ≤ 0.05.

    >>> least_seeds(6)
    8
    """
    return next(n for n in itertools.count(1) if pairs * least_p(n) <= LEVEL)


def _interval(each: Contrast) -> Cell:
    return interval(each.low, each.high, "+.2f") if each.has_interval else Cell(NONE)


#: Table of the differences: of a :class:`Contrast`.
DIFFERENCES: list[Column] = [
    ("first − second", lambda each: text(f"{each.first} − {each.second}")),
    ("points", lambda each: number(each.mean, "+.2f")),
    ("± std", lambda each: number(each.std, ".2f")),
    ("95 % interval", _interval),
    ("seeds of this sign", lambda each: text(each.seeds_that_agree)),
    ("p, Holm", lambda each: p_value(each.p)),
]
