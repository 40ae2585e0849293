"""Runs that differ in nothing but the seed as one group, and which groups make a line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gslt.config import OF_FROZEN
from gslt.report.colours import Look, looks
from gslt.report.statistics import DECIMALS, by_place, once
from gslt.studies.columns import column, is_missing, is_number, named, shown, span
from gslt.studies.runs import AXIS, StudyResults, axis_names

if TYPE_CHECKING:
    from pandas import DataFrame, Series

#: Columns in which weight training has a number but no place, as it removes nothing.
_OF_TICKETS = {"sparsity", "density", "search_space"}


@dataclass(frozen=True)
class LineGroups:
    """Groups of one arm that a line joins, or one level where the arm has no place on the axis."""

    arm: str
    label: str
    """The arm, and what tells this line from the arm's others."""
    groups: DataFrame
    """By their place on the axis."""
    level: bool = False
    """Whether it is one group without a place, drawn across the figure."""


@dataclass(frozen=True)
class StudyGroups:
    """The runs of a study by arm and place on the arm's axes."""

    results: StudyResults
    value: str = "test_accuracy"
    """Column that is averaged: runs without it, of an older gslt, are left out."""
    colour_order: tuple[str, ...] = ()
    """Arms in whose order they have their looks, where it is not the study's own: several studies
    whose arms are parts of one list share their colours so."""

    @cached_property
    def runs(self) -> DataFrame:
        """Every run once: one row for every arm, place and seed, see :func:`gslt.studies.frame`."""
        runs = self.results.frame
        runs = runs[runs[self.value].notna()]
        keys = ["arm", *(f"{AXIS}{name}" for name in self.axes), "seed", "dataset", "split"]
        return once(runs, keys, [self.value])

    @cached_property
    def frame(self) -> DataFrame:
        """A row a group, by arm in the order of the study.

        The columns of :func:`gslt.studies.frame` but the seed: the value that all runs share, else
        the mean of the numbers, else nothing; for each column of numbers ``<column>_std``, unbiased
        and NaN for fewer than two; ``n`` and ``seeds``.
        """
        import pandas as pd

        runs = self.runs
        by = ["arm", *(f"{AXIS}{name}" for name in self.axes)]
        number = runs.groupby(by, sort=False, dropna=False).ngroup()
        groups = runs.groupby(number)
        first, same = groups.head(1).reset_index(drop=True), groups.nunique(dropna=False) == 1
        numbers = runs.select_dtypes("number").astype(float)
        finite = numbers.where(numbers.abs() < math.inf).groupby(number)
        means, stds = finite.mean(), finite.std().add_suffix("_std")
        columns = {name: first[name] for name in runs if name != "seed"}
        for name in same.columns[~same.all()].difference(["seed"], sort=False):
            columns[name] = first[name].astype(object).where(same[name], means.get(name))
        columns |= {
            f"{name}_std": stds[f"{name}_std"]
            for name in self.results.measured
            if f"{name}_std" in stds
        }
        columns["hardware"] = groups["hardware"].agg(lambda each: "; ".join(dict.fromkeys(each)))
        columns["n"] = groups.size()
        columns["seeds"] = groups["seed"].agg(lambda each: " ".join(map(str, each)))
        found = pd.DataFrame(columns)
        order = found["arm"].map(list(self.results.study.arms).index)
        return found.loc[order.sort_values(kind="stable").index].reset_index(drop=True)

    @cached_property
    def axes(self) -> list[str]:
        """Everything that some arm varies."""
        return axis_names(self.results.frame)

    @property
    def arms(self) -> list[str]:
        """The arms that have a run, in the order of the study."""
        return list(dict.fromkeys(self.frame["arm"]))

    @property
    def seeds(self) -> str:
        """Number of runs behind each mean, such as ``3`` or ``2 to 3``."""
        return span(self.frame["n"].tolist())

    @property
    def looks(self) -> dict[str, Look]:
        """Colour and mark of each arm, whatever is there of the study."""
        study = self.results.study
        trained = {cell.arm for cell in study.cells if cell.spec.trains_all}
        return looks(self.colour_order or list(study.arms), trained)

    def place(self, name: str, groups: DataFrame | None = None) -> list[Any]:
        """Where groups stand on an axis; None where they have no place.

        The value that the grid names, else what was measured. Weight training has none among
        sparsities, unless it is of a weak ticket, and a dense source none among allocations.

        Args:
            name: a column.
            groups: rows of :attr:`frame`; default: all.
        """
        rows = self.frame if groups is None else groups
        nothing = [None] * len(rows)
        # As objects they are numbers of Python's, which JSON knows.
        asked, found = (
            rows[key].astype(object) if key in rows else nothing for key in (f"{AXIS}{name}", name)
        )
        absent = _trains_all if name in _OF_TICKETS else _is_dense if name in OF_FROZEN else None
        none = rows.apply(absent, axis=1) if absent else nothing
        return [
            own if not is_missing(own) else None if out or is_missing(value) else value
            for own, value, out in zip(asked, found, none, strict=True)
        ]

    @property
    def x(self) -> str:
        """Column of the horizontal axis: the study's, else its first axis, else none."""
        study = self.results.study
        chosen = study.x or next((name for name in self.axes if name != study.panel), "")
        return chosen if chosen and set(self.place(chosen)) - {None} else ""

    @property
    def panels(self) -> dict[str, DataFrame]:
        """Groups by what stands over each panel, numbers in their order.

        One without a value belongs into every panel.
        """
        panel = self.results.study.panel
        places = self.place(panel) if panel else [None] * len(self.frame)
        # A sum of ratios has rounding errors.
        places = [round(at, DECIMALS) if isinstance(at, float) else at for at in places]
        values = [value for value in dict.fromkeys(places) if value is not None]
        if not values:
            return {"": self.frame}
        if all(map(is_number, values)):
            values.sort()
        label = column(panel).label
        return {
            f"{label}: {shown(value)}": self.frame[[at in (value, None) for at in places]]
            for value in values
        }

    def lines(self, groups: DataFrame, x: str, panel: str = "") -> list[LineGroups]:
        """The lines of one panel, arm by arm.

        A line runs along the axis that moves its points on ``x``, and along those that the arm
        ties to it; every combination of the arm's other axes is a line of its own.

        Args:
            groups: rows of :attr:`frame`.
            x: column of the horizontal axis.
            panel: column that the panels tell apart already.
        """
        import pandas as pd

        places = pd.Series(self.place(x, groups), groups.index, dtype=object)
        found = []
        for arm, mine in groups.groupby("arm", sort=False):
            axes = [name for name in axis_names(mine) if name != panel]
            tied = self._tied(str(arm))
            along = _along(mine, axes, x, places[mine.index], tied)
            joined = {along, *tied.get(along, ())}
            parts = by_place(mine, [name for name in axes if name not in joined])
            for own, part in parts:
                label = named(arm, own if len(parts) > 1 else {})
                found += _line(arm, label, part, places[part.index])
        return found

    def _tied(self, arm: str) -> dict[str, set[str]]:
        """For each axis of an arm the others of which its grids have one value for each of its."""
        cells = [cell.axes for cell in self.results.study.cells if cell.arm == arm]
        names = {name for axes in cells for name in axes}

        def number(*some: str) -> int:
            return len({tuple(axes.get(name) for name in some) for axes in cells})

        return {
            one: {other for other in names - {one} if number(one, other) == number(one)}
            for one in names
            if all(one in axes for axes in cells)
        }


def _along(
    groups: DataFrame, axes: Sequence[str], x: str, places: Series, tied: Mapping[str, set[str]]
) -> str:
    """The axis that moves points on x: x itself, else the first that changes their place."""
    if x in axes:
        return x
    for name in axes:
        joined = {name, *tied.get(name, ())}
        parts = by_place(groups, [other for other in axes if other not in joined])
        if any(len(set(places[part.index])) > 1 for _, part in parts):
            return name
    return ""


def _line(arm: str, label: str, groups: DataFrame, places: Series) -> list[LineGroups]:
    """A line through the groups that have a place, and a level for each of the others."""
    placed = places.dropna()
    if placed.map(is_number).all():
        placed = placed.astype(float).sort_values(kind="stable")
    made = [LineGroups(arm, label, groups.loc[placed.index])] if len(placed) else []
    levels = groups.index[places.isna()]
    return made + [LineGroups(arm, label, groups.loc[[each]], level=True) for each in levels]


def _trains_all(group: Series) -> bool:
    return group["method"] == "train" and not _positive(group.get("mask_sparsity"))


def _is_dense(group: Series) -> bool:
    """Whether all weights are searched or trained; of weight training no ratio is known."""
    return not any(_positive(group.get(name)) for name in ("freezing_ratio", "mask_sparsity"))


def _positive(value: Any) -> bool:
    return not is_missing(value) and bool(value)
