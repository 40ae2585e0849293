"""What the page's figure draws, as plain values for its script."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from gslt.studies.report.columns import quantity
from gslt.studies.report.rows import Group, StudyResults, is_number
from gslt.studies.report.series import BASELINE, colours, lines, named, x_column

#: Columns that name a run, or that every axis of accuracy already shows.
_NO_X = {"study", "seed", "identity", "method", "split", "synthetic", "best_epoch"}
_ACCURACIES = ("test_accuracy", "val_accuracy", "train_accuracy")


def study_data(results: StudyResults) -> dict[str, Any]:
    """Groups of a study, the columns for its axes, and the lines for every horizontal one."""
    xs, ys = x_columns(results), y_columns(results)
    axes = [*xs, *(name for name in ys if name not in xs)]
    return {
        "columns": {name: _column(results, name) for name in axes},
        "arms": arm_colours(results),
        "groups": [_group(group, xs, ys) for group in results.groups],
        "lines": {name: _lines(results.groups, name) for name in xs},
    }


def x_columns(results: StudyResults) -> list[str]:
    """What can stand on the horizontal axis: the figure's own column first, then what varies."""
    columns = dict.fromkeys(name for row in results.rows for name in row.values)
    varied = [
        name
        for name in dict.fromkeys([*_axes(results), *columns])
        if name not in _NO_X and name not in _ACCURACIES and name != "arm"
        if _usable(places := [group.place(name) for group in results.groups])
        and len(set(places) - {None}) > 1
    ]
    first = x_column(results)
    return list(dict.fromkeys([*([first] if first else []), "arm", *varied]))


def y_columns(results: StudyResults) -> list[str]:
    """What can stand on the vertical axis: accuracies, then what was measured and varies."""
    measured = dict.fromkeys(
        name for record in results.records.values() for name in record.measured
    )
    found = [name for name in _ACCURACIES if any(group.numbers(name) for group in results.groups)]
    for name in measured:
        means = {group.mean(name) for group in results.groups if group.numbers(name)}
        if name not in found and len(means) > 1:
            found.append(name)
    return found


def arm_colours(results: StudyResults) -> dict[str, str]:
    """Colours of the arms that have a row; black becomes the page's ink, light or dark."""
    colour = colours(results)
    inks = {arm: colour[arm] for arm in results.arms}
    return {arm: "var(--ink)" if ink == BASELINE else ink for arm, ink in inks.items()}


def _axes(results: StudyResults) -> list[str]:
    return [name for group in results.groups for name in group.axes]


def _usable(places: Sequence[Any]) -> bool:
    given = [place for place in places if place is not None]
    return all(map(is_number, given)) or all(isinstance(place, str) for place in given)


def _column(results: StudyResults, name: str) -> dict[str, Any]:
    kind = quantity(name)
    places = dict.fromkeys(group.place(name) for group in results.groups)
    given = [place for place in places if place is not None]
    categories = None if all(map(is_number, given)) else given
    return {
        "column": name,
        "label": kind.label,
        "factor": kind.factor,
        "log": kind.log,
        "categories": categories,
    }


def _group(group: Group, xs: Sequence[str], ys: Sequence[str]) -> dict[str, Any]:
    return {
        "label": named(group.arm, group.axes),
        "n": group.n,
        "places": {name: group.place(name) for name in xs},
        "values": {
            name: [_number(group.mean(name)), _number(group.std(name))]
            for name in ys
            if group.numbers(name)
        },
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _lines(groups: Sequence[Group], x: str) -> list[dict[str, Any]]:
    place = {id(group): index for index, group in enumerate(groups)}
    return [
        {
            "arm": series.arm,
            "label": series.label,
            "level": series.level,
            "groups": [place[id(group)] for group in series.groups],
        }
        for series in lines(groups, x)
    ]


def script_json(value: object) -> str:
    """JSON that can stand in a ``<script>`` element: nothing in it ends the element.

    Raises:
        ValueError: for a number that JSON does not have.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
