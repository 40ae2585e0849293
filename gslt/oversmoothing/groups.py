"""Measurements that differ in nothing but seed and split, and their means."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gslt.oversmoothing.measurement import Measurement


@dataclass(frozen=True)
class Group:
    """One arm at one depth on one data set."""

    dataset: str
    label: str
    """The arm, and whether it is untrained."""
    depth: int
    members: tuple[Measurement, ...]

    @property
    def has_splits(self) -> bool:
        """Whether the members are on several splits."""
        return len({member.network.place.split for member in self.members}) > 1

    def values(self, column: str) -> list[float | None]:
        """An endpoint of every member; None where it has no finite number or −∞."""
        if column == "test_accuracy":
            return [member.test_accuracy for member in self.members]
        return [member.endpoints.get(column) for member in self.members]


@dataclass(frozen=True)
class Spread:
    """Mean and unbiased standard deviation of what is finite."""

    mean: float
    std: float
    """NaN for fewer than two numbers."""
    n: int
    """How many numbers there are."""
    collapsed: int
    """How many are −∞: the logarithm of nothing, a total collapse."""

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread:
        """Over values, some of which may be missing."""
        known = [value for value in values if value is not None]
        finite = [value for value in known if math.isfinite(value)]
        return cls(
            mean=statistics.fmean(finite) if finite else math.nan,
            std=statistics.stdev(finite) if len(finite) > 1 else math.nan,
            n=len(finite),
            collapsed=known.count(-math.inf),
        )


def groups_of(measurements: Sequence[Measurement]) -> list[Group]:
    """By data set, arm and depth; arms in the order in which they come."""
    found: dict[tuple[str, str, int], list[Measurement]] = {}
    for each in measurements:
        found.setdefault((each.dataset, each.network.label, each.network.depth), []).append(each)
    labels = list(dict.fromkeys(label for _, label, _ in found))
    order = sorted(found, key=lambda key: (key[0], labels.index(key[1]), key[2]))
    return [Group(*key, tuple(found[key])) for key in order]


def averaged_over(measurements: Sequence[Measurement]) -> str:
    """What means are taken over: seeds, and splits where a group has several."""
    splits = any(group.has_splits for group in groups_of(measurements))
    return "seeds and splits" if splits else "seeds"
