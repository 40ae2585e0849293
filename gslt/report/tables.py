"""Tables: rows of cells from a frame, as Markdown, LaTeX, plain text and, in templates, HTML.

For programs there is :func:`csv_text`, in full precision from the same frame.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gslt.report.escaping import csv_cell, in_line, latex, markdown
from gslt.studies.columns import is_missing, is_number, shown
from gslt.training.results import format_accuracy

if TYPE_CHECKING:
    from pandas import DataFrame

NONE = "–"


@dataclass(frozen=True)
class Cell:
    """What people read, and what it is sorted by."""

    text: str
    value: float | str | None = None


#: A heading and what stands below it: of a row of a frame, as ``itertuples`` gives it.
Column = tuple[str, Callable[[Any], Cell]]


@dataclass(frozen=True)
class Table:
    """A table for people: headings, rows of cells, and notes below."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    names: int = 1
    """How many columns hold names and not numbers: they are set to the left."""
    pick: bool = False
    """Whether the page's lists pick rows by the values of the first two columns."""

    @classmethod
    def of(
        cls,
        title: str,
        rows: DataFrame | Iterable[Any],
        columns: Sequence[Column],
        notes: Sequence[str] = (),
        *,
        names: int = 1,
        pick: bool = False,
    ) -> Table:
        """A line for every row.

        Args:
            title: above the table.
            rows: a frame, whose columns a cell reads as attributes, or any objects.
            columns: headings and cells.
            notes: below the table.
            names: see the fields.
            pick: see the fields.
        """
        each = rows.itertuples() if hasattr(rows, "itertuples") else rows
        cells = [[cell(row) for _, cell in columns] for row in each]
        return cls(title, [heading for heading, _ in columns], cells, notes, names, pick)

    def is_text(self, index: int) -> bool:
        """Whether a column is sorted as words."""
        return any(isinstance(row[index].value, str) for row in self.rows)

    def body(self, left: Collection[str] | None = None, *, escape: bool = True) -> str:
        """The rows alone as GitHub's Markdown.

        Args:
            left: headings of the columns that are set to the left. Default: those of names.
            escape: False where the cells are Markdown themselves.
        """
        align = [
            "---" if (place < self.names if left is None else heading in left) else "---:"
            for place, heading in enumerate(self.headings)
        ]
        lines = [self.headings, align, *([cell.text for cell in row] for row in self.rows)]
        write = markdown if escape else str
        return "\n".join("| " + " | ".join(map(write, line)) + " |" for line in lines)

    def markdown(self) -> str:
        """The table as GitHub's Markdown, with its title and notes."""
        notes = [f"- {markdown(note)}" for note in self.notes]
        return "\n".join([f"# {markdown(self.title)}", "", self.body(), "", *notes]) + "\n"

    def latex(self) -> str:
        """The table as a LaTeX ``table*``, shrunk where it is wider than a line."""
        columns = "l" * self.names + "r" * (len(self.headings) - self.names)
        lines = [
            "% It needs \\usepackage{booktabs,graphicx}.",
            "\\begin{table*}",
            "\\centering\\footnotesize",
            f"\\caption{{{latex(self.title)}. {latex(' '.join(self.notes))}}}",
            "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
            f"\\begin{{tabular}}{{{columns}}}",
            "\\toprule",
            " & ".join(map(latex, self.headings)) + " \\\\",
            "\\midrule",
            *(" & ".join(latex(cell.text) for cell in row) + " \\\\" for row in self.rows),
            "\\bottomrule",
            "\\end{tabular}}",
            "\\end{table*}",
        ]
        return "\n".join(lines) + "\n"

    def plain(self) -> str:
        """The table in columns, for a terminal."""
        lines = [list(self.headings), *([cell.text for cell in row] for row in self.rows)]
        return "\n".join([self.title, *aligned(lines, self.names)])


def aligned(rows: Sequence[Sequence[str]], names: int) -> list[str]:
    """Rows as lines whose columns stand below one another, for a terminal.

    Args:
        rows: texts, as many in each.
        names: how many columns, from the first, are set to the left.

    >>> aligned([["arm", "n"], ["dense", "10"]], names=1)
    ['arm     n', 'dense  10']
    """
    rows = [list(map(in_line, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            text.ljust(width) if place < names else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


# Cells


def text(value: object) -> Cell:
    """Words, or a value of an axis; sorted by itself.

    >>> text("erk"), text(0.5)
    (Cell(text='erk', value='erk'), Cell(text='0.5', value=0.5))
    """
    if is_missing(value):
        return Cell(NONE)
    return Cell(shown(value), value if is_number(value) else str(value))  # type: ignore[arg-type]


def number(value: Any, form: str = ".3g", *, factor: float = 1) -> Cell:
    """A number, so many times itself; none where there is none, ``none`` where it is infinite.

    Args:
        value: a number, or what is missing.
        form: its format.
        factor: what it is multiplied by; it is sorted by itself.

    >>> number(0.1234, ".1f", factor=100)
    Cell(text='12.3', value=0.1234)
    """
    if is_missing(value):
        return Cell(NONE)
    return Cell(f"{factor * value:{form}}" if math.isfinite(value) else "none", value)


def accuracy(mean: float, std: float = math.nan) -> Cell:
    """An accuracy in percent, as papers print it.

    Args:
        mean: a fraction, or what is missing.
        std: standard deviation, a fraction; NaN where there is none.
    """
    return Cell(NONE) if is_missing(mean) else Cell(format_accuracy(mean, std), mean)


def accuracy_of(name: str, *, spread: bool) -> Callable[[Any], Cell]:
    """The accuracy of this name of a row, with its deviation where rows are groups.

    Args:
        name: attribute of a row.
        spread: whether rows are groups.
    """

    def cell(row: Any) -> Cell:
        return accuracy(getattr(row, name), getattr(row, f"{name}_std") if spread else math.nan)

    return cell


def together(form: str, *values: Any) -> Cell:
    """Numbers in one cell, sorted by the first; none where that is missing.

    >>> together("{:.2f} ({:.2f})", 0.75, 0.25)
    Cell(text='0.75 (0.25)', value=0.75)

    Args:
        form: with a place for each.
        values: the numbers.
    """
    return Cell(NONE) if is_missing(values[0]) else Cell(form.format(*values), values[0])


def interval(low: float, high: float, form: str = "+.3g", *, factor: float = 1.0) -> Cell:
    """An interval, sorted by the lower end.

    Args:
        low: lower end, or what is missing.
        high: upper end.
        form: format of both.
        factor: what both are multiplied by.

    >>> interval(-0.01, 0.02, "+.2f", factor=100).text
    '-1.00 to +2.00'
    """
    if is_missing(low):
        return Cell(NONE)
    return Cell(f"{factor * low:{form}} to {factor * high:{form}}", low)


def p_value(value: float) -> Cell:
    """A p-value, or none."""
    return number(value, ".2g")


def size(count: float) -> Cell:
    """Bytes."""
    return Cell(NONE) if is_missing(count) else Cell(format_bytes(count), count)


def format_bytes(count: float) -> str:
    """Bytes in words.

    >>> format_bytes(532), format_bytes(8_800), format_bytes(1_500_000)
    ('532 B', '8.8 kB', '1.5 MB')
    """
    if count < 1000:
        return f"{count:,.0f} B"
    return f"{count / 1e3:,.1f} kB" if count < 1e6 else f"{count / 1e6:,.1f} MB"


# For programs


def csv_text(rows: DataFrame) -> str:
    """A frame as CSV in full precision; what is missing is an empty cell, −∞ is ``-inf``.

    Mappings are JSON, and lists their values with blanks between. Texts are shown, and none is a
    formula, see :func:`gslt.report.escaping.csv_cell`.

    Args:
        rows: a frame, which stays as it is; its index is not written.
    """
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    flat = rows.copy()
    for name in flat.columns:
        if not is_numeric_dtype(flat[name]) and not is_bool_dtype(flat[name]):
            flat[name] = flat[name].astype(object).map(_plain)
    flat.columns = [csv_cell(str(name)) for name in flat.columns]
    return str(flat.to_csv(index=False, lineterminator="\n"))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        known = {name: None if is_missing(each) else each for name, each in value.items()}
        return json.dumps(known, allow_nan=False)
    if isinstance(value, list | tuple):
        value = " ".join("" if is_missing(each) else str(each) for each in value).strip()
    return csv_cell(value) if isinstance(value, str) else value
