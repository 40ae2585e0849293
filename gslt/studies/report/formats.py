"""A table as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NONE = "–"


@dataclass(frozen=True)
class Cell:
    """What people read, and what it is sorted by."""

    text: str
    value: float | str | None = None


@dataclass(frozen=True)
class Table:
    """A table for people: headings, rows of cells, and notes below."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    names: int = 1
    """How many columns hold names and not numbers: they are set to the left."""
    arms: bool = False
    """Whether the values of the first two columns are arms, by which rows can be picked."""

    def markdown(self) -> str:
        """The table as GitHub's Markdown."""
        align = ["---"] * self.names + ["---:"] * (len(self.headings) - self.names)
        lines = [self.headings, align, *([cell.text for cell in row] for row in self.rows)]
        body = ["| " + " | ".join(map(_markdown, line)) + " |" for line in lines]
        notes = [f"- {_markdown(note)}" for note in self.notes]
        return "\n".join([f"# {_markdown(self.title)}", "", *body, "", *notes]) + "\n"

    def latex(self) -> str:
        """The table as a LaTeX ``table*``, shrunk where it is wider than a line."""
        columns = "l" * self.names + "r" * (len(self.headings) - self.names)
        lines = [
            "% It needs \\usepackage{booktabs,graphicx}.",
            "\\begin{table*}",
            "\\centering\\footnotesize",
            f"\\caption{{{_latex(self.title)}. {_latex(' '.join(self.notes))}}}",
            "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
            f"\\begin{{tabular}}{{{columns}}}",
            "\\toprule",
            " & ".join(map(_latex, self.headings)) + " \\\\",
            "\\midrule",
            *(" & ".join(_latex(cell.text) for cell in row) + " \\\\" for row in self.rows),
            "\\bottomrule",
            "\\end{tabular}}",
            "\\end{table*}",
        ]
        return "\n".join(lines) + "\n"


def csv_text(lines: Sequence[Mapping[str, Any]]) -> str:
    """Lines as CSV; what is not there or not a number is an empty cell."""
    columns = list(dict.fromkeys(name for line in lines for name in line))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({name: "" if _is_nan(value) else value for name, value in line.items()})
    return text.getvalue()


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _markdown(text: str) -> str:
    text = " ".join(text.split())
    return re.sub(r"([\\|`*_\[\]])", r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;")


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "–": "--",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))
