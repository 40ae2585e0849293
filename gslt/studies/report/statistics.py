"""Paired comparisons of arms: permutation p-values and bootstrap intervals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gslt.studies.report.rows import Row, StudyResults

#: All 2^n sign flips are taken where they are no more than this; else one fewer are drawn.
EXACT_LIMIT = 10_000
RESAMPLES = 9_999
LEVEL = 0.95
#: Differences that agree to so many decimals are equal: sums of accuracies have rounding errors.
_DECIMALS = 12
#: Numbers that differ by no more than this part of the largest are equal.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Pair:
    """Two runs that agree in their seed, graph, split and everything that both arms vary."""

    seed: int
    point: tuple[tuple[str, Any], ...]
    """The values of what both arms vary."""
    first: float
    second: float

    @property
    def difference(self) -> float:
        """First minus second."""
        return round(self.first - self.second, _DECIMALS)


@dataclass(frozen=True)
class FlipTest:
    """A sign-flip permutation test."""

    p: float
    """Two-sided p-value."""
    least: float
    """The smallest p that so many numbers can reach."""


@dataclass(frozen=True)
class Comparison:
    """Two arms, paired. Differences are those of a column, first minus second."""

    first: str
    second: str
    first_at: dict[str, Any]
    """Values of what the first arm alone varies."""
    second_at: dict[str, Any]
    pairs: tuple[Pair, ...]
    shared: int
    """Pairs left out because the two arms share their run: they could differ in nothing."""
    difference: float
    """Mean over the pairs."""
    interval: tuple[float, float]
    """Bootstrap interval of the mean difference; NaN for one pair."""
    by_pairs: FlipTest
    """Flips the sign of each pair."""
    by_seeds: FlipTest
    """Flips the signs of all pairs of a seed together: valid also where pairs of one seed resemble
    each other, as runs with the same random weights may."""
    p_holm: float = math.nan
    """The p-value by seeds after Holm's correction for all comparisons of the study."""

    @property
    def seeds(self) -> int:
        """Number of seeds in the pairs."""
        return len({pair.seed for pair in self.pairs})


def compare_arms(results: StudyResults, column: str = "test_accuracy") -> list[Comparison]:
    """Every pair of arms of a study that has at least one pair of runs.

    What only one of two arms varies is no part of a pair: each of its values makes a comparison of
    its own.
    """
    arms: dict[str, list[Row]] = {arm: [] for arm in results.study.arms}
    for row in results.rows:
        arms[row.arm].append(row)
    found = [
        comparison
        for first, second in itertools.combinations(arms.values(), 2)
        for comparison in _compare(first, second, column)
    ]
    corrected = holm([comparison.by_seeds.p for comparison in found])
    return [replace(each, p_holm=p) for each, p in zip(found, corrected, strict=True)]


def _compare(first: list[Row], second: list[Row], column: str) -> Iterator[Comparison]:
    if not first or not second:
        return
    common = [name for name in first[0].axes if name in second[0].axes]
    for (at, mine), (other_at, yours) in itertools.product(
        _apart(first, common), _apart(second, common)
    ):
        partners = {_key(row, common): row for row in yours}
        both = [(a, partners[_key(a, common)]) for a in mine if _key(a, common) in partners]
        pairs = tuple(
            Pair(a.seed, _key(a, common)[-1], a.values[column], b.values[column])
            for a, b in both
            if a.identity != b.identity
        )
        if pairs:
            arms = first[0].arm, second[0].arm
            yield Comparison(
                *arms, at, other_at, pairs, len(both) - len(pairs), **_statistics(pairs)
            )


def _key(row: Row, common: list[str]) -> tuple[Any, ...]:
    graph = row.values["dataset"], row.values["split"]
    return row.seed, graph, tuple((name, row.axes[name]) for name in common)


def _apart(rows: list[Row], common: list[str]) -> list[tuple[dict[str, Any], list[Row]]]:
    """Rows by the values of what their arm varies and the other does not."""
    found: dict[Any, list[Row]] = {}
    for row in rows:
        own = tuple((name, value) for name, value in row.axes.items() if name not in common)
        found.setdefault(own, []).append(row)
    return [(dict(own), list(rows)) for own, rows in found.items()]


def _statistics(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Mean difference, its interval and both tests, as fields of a :class:`Comparison`."""
    differences = np.array([pair.difference for pair in pairs])
    by_seed: dict[int, list[float]] = {}
    for pair in pairs:
        by_seed.setdefault(pair.seed, []).append(pair.difference)
    return {
        "difference": float(differences.mean()),
        "interval": bootstrap_interval(differences),
        "by_pairs": sign_flip_test(differences),
        "by_seeds": sign_flip_test(np.array([np.mean(each) for each in by_seed.values()])),
    }


def sign_flip_test(differences: npt.NDArray[np.float64]) -> FlipTest:
    """Two-sided test of the mean under random signs.

    Under the hypothesis that the two arms are the same, each difference could as well have had the
    other sign. Exact, over all 2^n signs, for n up to 13, where the smallest p is 2 / 2^n; beyond
    with 9,999 random flips of a fixed seed, where it is 2 / 10,000.
    """
    from scipy import stats

    n = len(differences)
    exact = 2**n <= EXACT_LIMIT
    least = min(1.0, 2 / 2**n if exact else 2 / (RESAMPLES + 1))
    if n < 2:
        return FlipTest(1.0, least)
    done = stats.permutation_test(
        (differences,),
        _rounded_mean,
        permutation_type="samples",
        n_resamples=EXACT_LIMIT if exact else RESAMPLES,
        vectorized=True,
        # The name that scipy had before 1.15, and still takes.
        random_state=np.random.default_rng(0),
    )
    return FlipTest(float(done.pvalue), least)


def _rounded_mean(values: npt.NDArray[np.float64], axis: int) -> Any:
    return np.round(np.mean(values, axis=axis), _DECIMALS)


def bootstrap_interval(differences: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Bias-corrected and accelerated 95 % interval of the mean, 9,999 resamples, fixed seed.

    NaN for one number, which says nothing about spread; a point where all are equal.
    """
    from scipy import stats

    if len(differences) < 2:
        return math.nan, math.nan
    if np.ptp(differences) <= _ROUNDING * np.abs(differences).max():
        return float(differences[0]), float(differences[0])
    interval = stats.bootstrap(
        (differences,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="BCa",
        random_state=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: the k-th smallest of m p-values times m − k + 1, never falling.

    Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    order = sorted(range(len(values)), key=lambda index: values[index])
    corrected, running = [0.0] * len(values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(values) - rank) * values[index]))
        corrected[index] = running
    return corrected
