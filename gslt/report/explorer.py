"""What a page's figure to play with draws, as plain values for its script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gslt.report.colours import BASELINE
from gslt.report.groups import StudyGroups
from gslt.studies.columns import column, is_number
from gslt.studies.runs import ASKED_DENSITY, AXIS, StudyResults
from gslt.training.results import AT_BEST, AT_LAST

#: Columns that name a run, or that every axis of accuracy already shows.
_NO_X = {
    *("study", "arm", "label", "seed", "seeds", "n", "identity", "method", "graph", "split"),
    *("metric", "majority_rate", "synthetic", "collapsed", "hardware", "best_epoch", "last_epoch"),
    ASKED_DENSITY,
}
_ACCURACIES = tuple(
    f"{epoch}{split}_accuracy" for epoch in ("", "last_") for split in ("test", "val", "train")
)


def study_data(results: StudyResults, arms: Sequence[str] = ()) -> dict[str, Any]:
    """The groups of a study, the columns for its axes, and the lines for every horizontal one.

    Args:
        results: what a folder holds of the study; at least one run, and all of one metric.
        arms: in whose order they have their colours; default: those of the study.

    Returns:
        ``columns`` (how each is written), ``arms`` (colours), ``groups`` (places, means and
        deviations), ``lines`` (by horizontal column, the numbers of the groups that each joins),
        ``x`` and ``y`` (labels of what can stand on either axis, by column).
    """
    study = StudyGroups(results, colour_order=tuple(arms))
    xs, ys = x_columns(study), y_columns(study)
    rows = study.frame.to_dict("records")
    places = {name: [_finite(place) for place in study.place(name)] for name in xs}
    return {
        "columns": {name: _column(study, name) for name in dict.fromkeys([*xs, *ys])},
        "arms": {arm: _ink(study.looks[arm].colour) for arm in study.arms},
        "groups": [
            {
                "label": row["label"],
                "n": row["n"],
                "places": {name: places[name][number] for name in xs},
                "values": {
                    name: [row[name], _finite(row[f"{name}_std"])]
                    for name in ys
                    if is_number(row[name])
                },
            }
            for number, row in enumerate(rows)
        ],
        "lines": {name: _lines(study, name) for name in xs},
        "x": {name: column(name, results.metric).label for name in xs},
        "y": {name: column(name, results.metric).label for name in ys},
    }


def x_columns(study: StudyGroups) -> list[str]:
    """What can stand on the horizontal axis: the figure's own column first, then what varies."""
    known = [name for name in study.results.frame if not name.startswith((AXIS, "version_"))]
    varied = [
        name
        for name in dict.fromkeys([*study.axes, *known])
        if name not in (*_NO_X, *AT_BEST, *AT_LAST)
        if _usable(places := study.place(name)) and len(set(places) - {None}) > 1
    ]
    return list(dict.fromkeys([*([study.x] if study.x else []), "arm", *varied]))


def y_columns(study: StudyGroups) -> list[str]:
    """What can stand on the vertical axis: accuracies, then what was measured and varies."""
    measured = study.results.measured

    def means(name: str) -> set[float]:
        return {value for value in study.frame[name] if is_number(value)}

    found = [name for name in _ACCURACIES if name in study.frame and means(name)]
    return found + [name for name in measured if name not in found and len(means(name)) > 1]


def _usable(places: Sequence[Any]) -> bool:
    given = [place for place in places if place is not None]
    return all(map(is_number, given)) or all(isinstance(place, str) for place in given)


def _ink(colour: str) -> str:
    """Black is the page's ink, light or dark."""
    return "var(--ink)" if colour == BASELINE else colour


def _column(study: StudyGroups, name: str) -> dict[str, Any]:
    kind = column(name, study.results.metric)
    found = (_finite(place) for place in study.place(name))
    given = [place for place in dict.fromkeys(found) if place is not None]
    return {
        "column": name,
        "label": kind.label,
        "factor": kind.factor,
        "log": kind.log,
        "categories": None if all(map(is_number, given)) else given,
    }


def _finite(value: Any) -> Any:
    """A value, or None where it is a number that no axis has: −∞ of runs that collapsed totally."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(study: StudyGroups, x: str) -> list[dict[str, Any]]:
    return [
        {
            "arm": line.arm,
            "label": line.label,
            "level": line.level,
            "groups": list(map(int, line.groups.index)),
        }
        for line in study.lines(study.frame, x)
    ]
