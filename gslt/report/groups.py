"""Runs that differ in nothing but the seed as one group, and which groups make a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gslt.report.figures import Look, looks
from gslt.studies.columns import column, is_missing, is_number, named
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

    @cached_property
    def frame(self) -> DataFrame:
        """A row a group, by arm in the order of the study.

        The columns of :func:`gslt.studies.frame`: the value that all runs share, else the mean of
        the numbers, else nothing; for each column of numbers ``<column>_std``, unbiased and NaN for
        fewer than two; ``n`` and ``seeds``.
        """
        import pandas as pd

        runs = self.results.frame
        by = ["arm", *(f"{AXIS}{name}" for name in self.axes)]
        rows = [_group(part) for _, part in runs.groupby(by, sort=False, dropna=False)]
        order = list(self.results.study.arms)
        rows.sort(key=lambda row: order.index(row["arm"]))
        return pd.DataFrame(rows)

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
        numbers = sorted(set(self.frame["n"]))
        return " to ".join(str(number) for number in dict.fromkeys((numbers[0], numbers[-1])))

    @property
    def looks(self) -> dict[str, Look]:
        """Colour and mark of each arm, whatever is there of the study."""
        study = self.results.study
        trained = {cell.arm for cell in study.cells if cell.spec.trains_all}
        return looks(list(study.arms), trained)

    def place(self, name: str, groups: DataFrame | None = None) -> list[Any]:
        """Where groups stand on an axis; None where they have no place.

        The value that the grid names, else what was measured. Weight training has none among
        sparsities, unless it is of a weak ticket.

        Args:
            name: a column.
            groups: rows of :attr:`frame`; default: all.
        """
        rows = self.frame if groups is None else groups
        nothing = [None] * len(rows)
        asked, found = (rows.get(key, nothing) for key in (f"{AXIS}{name}", name))
        whole = (rows["method"] == "train") & ~rows.get("mask_sparsity", 0).fillna(0).astype(bool)
        no_place = whole if name in _OF_TICKETS else nothing
        return [
            own if not is_missing(own) else None if none or is_missing(value) else value
            for own, value, none in zip(asked, found, no_place, strict=True)
        ]

    @property
    def x(self) -> str:
        """Column of the horizontal axis: the study's, else its first axis, else none."""
        study = self.results.study
        chosen = study.x or next((name for name in self.axes if name != study.panel), "")
        return chosen if chosen and set(self.place(chosen)) - {None} else ""

    @property
    def panels(self) -> dict[str, DataFrame]:
        """Groups by what stands over each panel; one without a value belongs into every panel."""
        panel = self.results.study.panel
        places = self.place(panel) if panel else [None] * len(self.frame)
        values = [value for value in dict.fromkeys(places) if value is not None]
        if not values:
            return {"": self.frame}
        return {
            f"{column(panel).label}: {value}": self.frame[[at in (value, None) for at in places]]
            for value in values
        }

    def lines(self, groups: DataFrame, x: str, panel: str = "") -> list[LineGroups]:
        """The lines of one panel, arm by arm.

        A line runs along the axis that moves its points on ``x``; every combination of the arm's
        other axes is a line of its own.

        Args:
            groups: rows of :attr:`frame`.
            x: column of the horizontal axis.
            panel: column that the panels tell apart already.
        """
        found = []
        for arm, mine in groups.groupby("arm", sort=False):
            axes = [name for name in axis_names(mine) if name != panel]
            apart = [name for name in axes if name != self._along(mine, axes, x)]
            keys = [f"{AXIS}{name}" for name in apart]
            parts = list(mine.groupby(keys, sort=False, dropna=False)) if apart else [((), mine)]
            for values, part in parts:
                own = dict(zip(apart, values, strict=True)) if len(parts) > 1 else {}
                found += self._line(arm, named(arm, own), part, x)
        return found

    def _along(self, groups: DataFrame, axes: Sequence[str], x: str) -> str:
        """The axis that moves points on x: x itself, else the first that changes their place."""
        if x in axes:
            return x
        placed = groups.assign(_place=self.place(x, groups))
        for name in axes:
            rest = [f"{AXIS}{other}" for other in axes if other != name]
            parts = [part for _, part in placed.groupby(rest, dropna=False)] if rest else [placed]
            if any(part["_place"].nunique(dropna=False) > 1 for part in parts):
                return name
        return ""

    def _line(self, arm: str, label: str, groups: DataFrame, x: str) -> list[LineGroups]:
        places = self.place(x, groups)
        placed = groups[[place is not None for place in places]].assign(
            _place=[place for place in places if place is not None]
        )
        if all(map(is_number, placed["_place"])):
            placed = placed.sort_values("_place", kind="stable")
        made = [LineGroups(arm, label, placed)] if len(placed) else []
        levels = groups[[place is None for place in places]]
        return made + [
            LineGroups(arm, label, levels.loc[[index]], level=True) for index in levels.index
        ]


def _group(runs: DataFrame) -> dict[str, Any]:
    row = {name: _common(runs[name]) for name in runs.columns}
    row["hardware"] = "; ".join(dict.fromkeys(runs["hardware"]))
    spreads = runs.select_dtypes("number").astype(float)
    stds = spreads.where(spreads.abs() < math.inf).std()
    measured = [name for name in stds.index if name != "seed" and not name.startswith(AXIS)]
    row |= {f"{name}_std": stds[name] for name in measured}
    return {**row, "n": len(runs), "seeds": " ".join(map(str, runs["seed"]))}


def _common(values: Series) -> Any:
    """The value that all share, else the mean of the numbers, else None."""
    if values.nunique(dropna=False) == 1:
        value = values.iloc[0]
        return value.item() if hasattr(value, "item") else value
    if values.dtype.kind not in "iuf":
        return None
    finite = values.astype(float)
    return float(finite[finite.abs() < math.inf].mean())

