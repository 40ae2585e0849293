"""Every endpoint of every arm: mean and spread over the seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gslt.conjecture.statistics.endpoints import ENDPOINTS, Arm, Place, Run, Table, column


@dataclass(frozen=True)
class Average:
    """An endpoint of an arm at one place."""

    dataset: str
    batch_norm: bool
    depth: int
    arm: str
    freezing_ratio: float | None
    endpoint: str
    mean: float
    """Over the runs that have a finite number; NaN where there is none."""
    std: float
    """Unbiased; NaN for fewer than two."""
    n: int
    """Runs behind the mean."""
    collapsed: int
    """Runs that collapsed totally, whose log quotient is −∞: they are left out of the mean."""
    without: int
    """Runs that have no number, such as a slope of a network with one hidden layer."""

    @property
    def runs(self) -> int:
        """All runs."""
        return self.n + self.collapsed + self.without

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.dataset, self.batch_norm, self.depth)

    @property
    def key(self) -> Arm:
        """Its arm."""
        return self.arm, self.freezing_ratio


def averages(table: Table, endpoints: Iterable[str] = ENDPOINTS) -> list[Average]:
    """Averages of every arm at every place."""
    names = list(endpoints)
    return [
        _average(place, arm, endpoint, runs)
        for place, arms in table.items()
        for arm, runs in arms.items()
        for endpoint in names
    ]


def _average(place: Place, arm: Arm, endpoint: str, runs: Mapping[int, Run]) -> Average:
    values = list(column(runs, endpoint).values())
    finite = [value for value in values if math.isfinite(value)]
    return Average(
        place.dataset,
        place.batch_norm,
        place.depth,
        arm[0],
        arm[1],
        endpoint,
        statistics.fmean(finite) if finite else math.nan,
        statistics.stdev(finite) if len(finite) > 1 else math.nan,
        len(finite),
        len(values) - len(finite),
        len(runs) - len(values),
    )
