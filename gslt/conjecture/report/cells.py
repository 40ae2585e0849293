"""Cells that the tables of the test share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from gslt.conjecture.report.evidence import Evidence, arm_name
from gslt.conjecture.statistics.endpoints import ACCURACY, Arm
from gslt.conjecture.statistics.estimate import Estimate
from gslt.studies.report.formats import NONE, Cell, Table

T = TypeVar("T")
#: A heading and what stands below it.
Column = tuple[str, Callable[[T], Cell]]


def table(
    title: str,
    rows: Sequence[T],
    columns: Sequence[Column[T]],
    notes: Sequence[str] = (),
    names: int = 1,
    pick: bool = False,
) -> Table:
    """A table of one line for each of ``rows``; ``pick``: two lists pick by the first columns."""
    headings = [heading for heading, _ in columns]
    cells = [[cell(row) for _, cell in columns] for row in rows]
    return Table(title, headings, cells, notes, names=names, arms=pick)


def place_columns(evidence: Evidence) -> list[Column[Any]]:
    """Data set and batch norm."""
    return [
        ("data set", lambda row: text(evidence.names[row.dataset])),
        ("batch norm", lambda row: text("with" if row.batch_norm else "without")),
    ]


def text(words: str) -> Cell:
    """Words, sorted by themselves."""
    return Cell(words, words)


def layers(depths: Sequence[int], overall: bool) -> Cell:
    """Number of layers; ``all`` comes before every number."""
    if overall:
        return Cell(f"all ({', '.join(map(str, depths))})" if depths else "all", 0)
    return number(depths[0], "d")


def arm(key: Arm) -> Cell:
    """Name of an arm."""
    return text(arm_name(key))


def number(value: float | None, form: str = ".3g") -> Cell:
    """A number; none where there is none."""
    if value is None or math.isnan(value):
        return Cell(NONE)
    return Cell(f"{value:{form}}" if math.isfinite(value) else "none", value)


def mean(estimate: Estimate, factor: float = 1.0, collapsed: bool = False) -> Cell:
    """A mean, with a star where pairs of which one run collapsed totally stand in it."""
    cell = number(factor * estimate.mean, "+.3g")
    return Cell(f"{cell.text}*", cell.value) if collapsed and cell.text != NONE else cell


def interval(estimate: Estimate, factor: float = 1.0) -> Cell:
    """Its interval, sorted by the lower end."""
    if math.isnan(estimate.low):
        return Cell(NONE)
    low, high = factor * estimate.low, factor * estimate.high
    return Cell(f"{low:+.3g} to {high:+.3g}", low)


def p(value: float) -> Cell:
    """A p-value."""
    return Cell(f"{value:.2g}", value)


def percent(value: float) -> Cell:
    """A chance."""
    return Cell(f"{100 * value:.0f} %", value)


def rate(entry: Any) -> Cell:
    """A rate of simulations with its interval; of an outcome that never came: zero."""
    if entry is None:
        return Cell("0 %", 0.0)
    low, high = 100 * entry["low"], 100 * entry["high"]
    return Cell(f"{100 * entry['rate']:.1f} % ({low:.1f} to {high:.1f})", entry["rate"])


def scale(endpoint: str) -> float:
    """What an endpoint is multiplied by for people: accuracies are percent."""
    return 100.0 if endpoint == ACCURACY else 1.0


def endpoint_name(endpoint: str) -> str:
    """Such as ``log quotient`` or ``test accuracy (%)``."""
    return endpoint.replace("_", " ") + (" (%)" if endpoint == ACCURACY else "")
