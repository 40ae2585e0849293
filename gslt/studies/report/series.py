"""Which groups of a study make a line of a figure, and where its points stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gslt.studies.report.columns import quantity
from gslt.studies.report.rows import Group, StudyResults, is_number

#: Okabe & Ito 2008, without yellow and black: told apart by colour-blind readers, and on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
BASELINE = "#000000"


@dataclass(frozen=True)
class Series:
    """Points of one arm that a line joins, or one level where the arm has no place on the axis."""

    arm: str
    label: str
    """The arm, and what tells this line from the arm's others."""
    groups: tuple[Group, ...]
    """By their place on the axis."""
    level: bool = False
    """Whether it is one group without a place, drawn across the figure."""


def x_column(results: StudyResults) -> str:
    """Column of the horizontal axis: the study's, else its first axis, else none."""
    axes = [name for group in results.groups for name in group.axes if name != results.study.panel]
    column = results.study.x or next(iter(axes), "")
    places = {group.place(column) for group in results.groups} - {None}
    return column if places else ""


def panels(results: StudyResults) -> dict[str, list[Group]]:
    """Groups by what stands over each panel; one without a value belongs into every panel."""
    panel = results.study.panel
    places = [group.place(panel) if panel else None for group in results.groups]
    values = [value for value in dict.fromkeys(places) if value is not None]
    if not values:
        return {"": results.groups}
    found = {}
    for value in values:
        both = zip(results.groups, places, strict=True)
        title = f"{quantity(panel).label}: {value}"
        found[title] = [group for group, place in both if place in (value, None)]
    return found


def lines(groups: Sequence[Group], x: str, panel: str = "") -> list[Series]:
    """The lines of one panel, arm by arm.

    A line runs along the axis that moves its points on ``x``; every combination of the arm's other
    axes is a line of its own.
    """
    arms: dict[str, list[Group]] = {}
    for group in groups:
        arms.setdefault(group.arm, []).append(group)
    found = []
    for arm, mine in arms.items():
        along = _along(mine, x, panel)
        apart = [name for name in mine[0].axes if name not in (along, panel)]
        parts: dict[tuple[Any, ...], list[Group]] = {}
        for group in mine:
            parts.setdefault(tuple(group.axes[name] for name in apart), []).append(group)
        for values, part in parts.items():
            own = dict(zip(apart, values, strict=True)) if len(parts) > 1 else {}
            found += _series(arm, named(arm, own), part, x)
    return found


def _series(arm: str, label: str, groups: list[Group], x: str) -> list[Series]:
    placed = [group for group in groups if group.place(x) is not None]
    numbers = all(is_number(group.place(x)) for group in placed)
    if numbers:
        placed.sort(key=lambda group: float(group.place(x)))
    made = [Series(arm, label, tuple(placed))] if placed else []
    levels = (group for group in groups if group.place(x) is None)
    return made + [Series(arm, label, (group,), level=True) for group in levels]


def _along(groups: list[Group], x: str, panel: str) -> str:
    """The axis that moves points on x: x itself, else the first that changes their place."""
    names = [name for name in groups[0].axes if name != panel]
    if x in names:
        return x
    for name in names:
        seen: dict[Any, set[Any]] = {}
        for group in groups:
            rest = tuple(value for other, value in group.axes.items() if other != name)
            seen.setdefault(rest, set()).add(group.place(x))
        if any(len(places) > 1 for places in seen.values()):
            return name
    return ""


def colours(results: StudyResults) -> dict[str, str]:
    """The colour of each arm, whatever is there of the study: the only weight training is black."""
    methods = {cell.arm: cell.spec.method for cell in results.study.cells}
    trained = [arm for arm, method in methods.items() if method == "train"]
    baseline = trained if len(trained) == 1 and len(methods) > 1 else []
    others = [arm for arm in results.study.arms if arm not in baseline]
    found = {arm: COLOURS[number % len(COLOURS)] for number, arm in enumerate(others)}
    return found | dict.fromkeys(baseline, BASELINE)


def named(arm: str, axes: Mapping[str, Any]) -> str:
    """An arm and where on its axes, such as ``dense source, sparsity 0.5``."""
    places = (f"{name.replace('_', ' ')} {shown(value)}" for name, value in axes.items())
    return ", ".join([arm, *places])


def short(name: str, most: int = 44) -> str:
    """A name that leaves room for the figure beside it."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def shown(value: Any) -> str:
    """A value of an axis in a label or a table."""
    return f"{value:g}" if is_number(value) else str(value)
