"""Tables of measurements for people, as Markdown and as plain text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gslt.oversmoothing.groups import Group, Spread, groups_of
from gslt.oversmoothing.measurement import Measurement
from gslt.oversmoothing.steps import changes, has_changes, step_names
from gslt.studies.report.formats import NONE, Cell, Table
from gslt.studies.smoothness import LAST, SLOPES
from gslt.training.results import format_accuracy

#: Headings of the endpoints.
HEADINGS = {
    "log_quotient": "log quotient",
    "collapse": "collapse",
    "effective_rank": "effective rank",
    "numerical_rank": "numerical rank",
    "rayleigh_quotient": "Rayleigh quotient",
    "mad": "MAD",
}
_LAST = sorted(("log_quotient", *LAST), key=list(HEADINGS).index)
_NOTES = [
    "Mean ± unbiased standard deviation over n seeds (and splits, where several).",
    "Log quotient: natural logarithm of the centred Rayleigh quotient, of what is left of a "
    "representation without its constant part; smaller is smoother. Collapse: the share of what is "
    "left; 0 is total over-smoothing. MAD: mean cosine distance of neighbours.",
    "collapsed: so many runs have nothing left, the log quotient −∞, which the mean leaves out.",
]


def tables_of(measurements: Sequence[Measurement]) -> list[Table]:
    """The last hidden layer, slopes over layers and changes by step, where there are any."""
    groups = groups_of(measurements)
    datasets = list(dict.fromkeys(group.dataset for group in groups))
    where = ", ".join(datasets)
    several = len(datasets) > 1
    last = _taken(groups, _LAST)
    tables = [_endpoints(f"Last hidden layer: {where}", groups, last, several, accuracy=True)]
    slopes = _taken(groups, [f"{name}_slope" for name in SLOPES])
    deep = [group for group in groups if group.depth > 2]
    if slopes and deep:
        title = f"Slope per layer over the hidden layers: {where}"
        tables.append(_endpoints(title, deep, slopes, several, accuracy=False))
    if deep and any(has_changes(member) for member in measurements):
        title = f"What each step adds to the log quotient, mean over layers 2 … L − 1: {where}"
        tables.append(_changes(title, deep, several))
    return tables


def markdown(tables: Sequence[Table], laplacians: str) -> str:
    """All tables, and what their columns mean."""
    notes = "\n".join(f"- {note}" for note in [*_NOTES, laplacians])
    return "\n".join(table.markdown() for table in tables) + f"\n{notes}\n"


def plain(table: Table) -> str:
    """A table in columns, for a terminal."""
    lines = [list(table.headings), *([cell.text for cell in row] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = [
        "  ".join(
            text.ljust(width) if place < table.names else text.rjust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([table.title, *shown])


def _taken(groups: Sequence[Group], names: Sequence[str]) -> list[str]:
    """The columns in which some run has an entry."""
    columns = {name for group in groups for member in group.members for name in member.endpoints}
    return [name for name in names if name in columns]


def _endpoints(
    title: str, groups: Sequence[Group], columns: Sequence[str], several: bool, *, accuracy: bool
) -> Table:
    headings = ["test accuracy (%)"] if accuracy else []
    headings += [HEADINGS[name.removesuffix("_slope")] for name in columns]
    rows = []
    for group in groups:
        cells = [cell(Spread.of(group.values(name)), len(group.members)) for name in columns]
        if accuracy:
            spread = Spread.of(group.values("test_accuracy"))
            cells.insert(0, Cell(format_accuracy(spread.mean, spread.std), spread.mean))
        rows.append([*_names(group, several), *cells])
    return _table(title, headings, rows, several)


def _changes(title: str, groups: Sequence[Group], several: bool) -> Table:
    names = step_names(member for group in groups for member in group.members)
    rows = []
    for group in groups:
        found = [changes(member) for member in group.members]
        spreads = (Spread.of(each.get(name) for each in found) for name in names)
        rows.append([*_names(group, several), *(cell(s, len(found)) for s in spreads)])
    return _table(title, names, rows, several)


def _names(group: Group, several: bool) -> list[Cell]:
    first = [Cell(group.dataset, group.dataset)] if several else []
    depth, n = group.depth, len(group.members)
    return [*first, Cell(group.label, group.label), Cell(str(depth), depth), Cell(str(n), n)]


def _table(title: str, headings: Sequence[str], rows: Any, several: bool) -> Table:
    first = [*(["data set"] if several else []), "arm"]
    return Table(title, [*first, "layers", "n", *headings], rows, names=len(first))


def cell(spread: Spread, members: int) -> Cell:
    """Such as ``-1.270 ± 0.031``, with what the mean leaves out."""
    parts = [NONE if math.isnan(spread.mean) else f"{spread.mean:.3g}"]
    if spread.std > 0:
        # As many decimals as show two digits of the deviation.
        decimals = min(max(1 - math.floor(math.log10(spread.std)), 0), 6)
        parts = [f"{spread.mean:.{decimals}f} ± {spread.std:.{decimals}f}"]
    elif spread.std == 0:
        parts.append("± 0")
    missing = members - spread.n - spread.collapsed
    out = [f"{spread.collapsed} collapsed"] if spread.collapsed else []
    out += [f"{missing} missing"] if missing and spread.n + spread.collapsed else []
    text = " ".join(parts) + (f" ({', '.join(out)})" if out else "")
    return Cell(text, spread.mean)
