"""Every arm beside the dense source, on every endpoint: reported, not decided upon."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from gslt.conjecture.statistics.criteria import Criteria
from gslt.conjecture.statistics.endpoints import (
    DENSE,
    ENDPOINTS,
    Arm,
    Family,
    Place,
    Run,
    by_place,
    column,
)
from gslt.conjecture.statistics.estimate import NONE, Estimate, estimate
from gslt.conjecture.statistics.flips import least_p, two_sided
from gslt.conjecture.statistics.pairs import differences, filled
from gslt.studies.report.statistics import holm


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """An arm minus the dense source on one endpoint at one place, paired by seed."""

    dataset: str
    batch_norm: bool
    depth: int
    arm: str
    freezing_ratio: float | None
    endpoint: str
    seeds: tuple[int, ...]
    left_out: tuple[int, ...]
    """Seeds of which one of the two runs, or its number, is missing."""
    one_collapsed: int
    """Pairs of which one run alone has collapsed totally: each counts as the largest difference
    seen."""
    difference: Estimate
    p: float
    """Two-sided, by sign flips; 1 where there is no pair."""
    p_holm: float
    """After Holm's correction over the depths, for this arm and endpoint alone. Arms and endpoints
    are many and are not corrected for: what stands out here is a hint, not a finding."""
    least: float
    """The smallest p that so many pairs can reach."""

    @property
    def family(self) -> Family:
        """Its data set, and whether with batch norm."""
        return self.dataset, self.batch_norm


def contrasts(runs: Iterable[Run], criteria: Criteria | None = None) -> list[Contrast]:
    """Contrasts of every arm that has a dense source at its place.

    Endpoints that no run has are left out.
    """
    criteria = criteria or Criteria()
    table = by_place(runs)
    found = [
        _contrast(place, arm, endpoint, (arms[arm], arms[DENSE, None]), criteria)
        for place, arms in table.items()
        if (DENSE, None) in arms
        for arm, endpoint in itertools.product(arms, ENDPOINTS)
        if arm != (DENSE, None) and column(arms[arm], endpoint)
    ]
    families: dict[object, list[int]] = {}
    for index, each in enumerate(found):
        key = each.dataset, each.batch_norm, each.arm, each.freezing_ratio, each.endpoint
        families.setdefault(key, []).append(index)
    for members in families.values():
        for index, p in zip(members, holm([found[i].p for i in members]), strict=True):
            found[index] = replace(found[index], p_holm=p)
    return found


def _contrast(
    place: Place,
    arm: Arm,
    endpoint: str,
    pair: tuple[Mapping[int, Run], Mapping[int, Run]],
    criteria: Criteria,
) -> Contrast:
    first, second = (column(runs, endpoint) for runs in pair)
    seeds = sorted(first.keys() & second.keys())
    raw = differences(
        np.array([first[seed] for seed in seeds]), np.array([second[seed] for seed in seeds])
    )
    numbers = filled(raw, criteria.smallest_effect)
    p = float(two_sided(numbers.values[None])[0]) if seeds else 1.0
    return Contrast(
        dataset=place.dataset,
        batch_norm=place.batch_norm,
        depth=place.depth,
        arm=arm[0],
        freezing_ratio=arm[1],
        endpoint=endpoint,
        seeds=tuple(seeds),
        left_out=tuple(sorted((pair[0].keys() | pair[1].keys()) - set(seeds))),
        one_collapsed=numbers.one_collapsed,
        difference=estimate(numbers.values) if seeds else NONE,
        p=p,
        p_holm=p,
        least=least_p(len(seeds)) if seeds else 1.0,
    )
