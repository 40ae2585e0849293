"""Tables: what means something in a format is escaped, and cells by hand."""

from __future__ import annotations

import math
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gslt.report.tables import (
    NONE,
    Cell,
    Table,
    accuracy,
    csv_text,
    format_bytes,
    interval,
    number,
    p_value,
    size,
    text,
)


def test_what_means_something_in_a_format_is_escaped() -> None:
    nasty = r"a|b_c & 50% <script> \d {x} ~ ^ # $ `*`"
    table = Table(nasty, ["name", "n ±"], [[Cell(nasty), Cell("1 ± 2")]])
    row = table.markdown().splitlines()[4]
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
    assert "<script>" not in row
    assert "&lt;script>" in row
    latex = table.latex()
    line = next(each for each in latex.splitlines() if each.endswith(r"1 $\pm$ 2 \\"))
    assert len(re.findall(r"(?<!\\)&", line)) == 1
    assert r"a\textbar{}b\_c \& 50\% \textless{}script\textgreater{} \textbackslash{}d" in line
    assert r"\{x\} \textasciitilde{} \textasciicircum{} \# \$" in line
    opened = re.findall(r"\\begin\{([a-z*]+)\}", latex)
    assert re.findall(r"\\end\{([a-z*]+)\}", latex) == opened[::-1]


# Formats


TABLE = Table(
    "T",
    ["name", "value", "at"],
    [
        [Cell("a", "a"), Cell("1.0", 1.0), Cell("x", "x")],
        [Cell("bb", "bb"), Cell(NONE), Cell(NONE)],
    ],
    ["a note"],
)


def test_a_table_in_every_format_by_hand() -> None:
    body = "| name | value | at |\n| --- | ---: | ---: |\n| a | 1.0 | x |\n| bb | – | – |"
    assert TABLE.body() == body
    assert TABLE.markdown() == f"# T\n\n{body}\n\n- a note\n"
    assert TABLE.body(["value", "at"]).splitlines()[1] == "| ---: | --- | --- |"
    assert TABLE.plain() == "T\nname  value  at\na       1.0   x\nbb        –   –"
    assert TABLE.latex().splitlines() == [
        "% It needs \\usepackage{booktabs,graphicx}.",
        "\\begin{table*}",
        "\\centering\\footnotesize",
        "\\caption{T. a note}",
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
        "\\begin{tabular}{lrr}",
        "\\toprule",
        "name & value & at \\\\",
        "\\midrule",
        "a & 1.0 & x \\\\",
        "bb & -- & -- \\\\",
        "\\bottomrule",
        "\\end{tabular}}",
        "\\end{table*}",
    ]
    assert [TABLE.is_text(index) for index in range(3)] == [True, False, True]


def test_cells_that_are_markdown_themselves() -> None:
    table = Table("T", ["a"], [[Cell("[b](c) **d**")]])
    assert table.body(escape=False).splitlines()[2] == "| [b](c) **d** |"
    assert table.body().splitlines()[2] == r"| \[b\](c) \*\*d\*\* |"


def test_a_table_of_a_frame_or_of_objects() -> None:
    columns = [("x", lambda row: number(row.x)), ("twice", lambda row: number(2 * row.x))]
    frame = pd.DataFrame({"x": [1.0, 2.5]})
    for rows in (frame, [SimpleNamespace(x=1.0), SimpleNamespace(x=2.5)]):
        table = Table.of("T", rows, columns, ["n"], names=2, pick=True)
        assert table.headings == ["x", "twice"]
        assert [[cell.text for cell in row] for row in table.rows] == [["1", "2"], ["2.5", "5"]]
        assert (table.notes, table.names, table.pick) == (["n"], 2, True)
    assert Table.of("T", frame.head(0), columns).rows == []


# Cells

MISSING = [None, math.nan, pd.NA, np.float64("nan")]


@pytest.mark.parametrize("missing", MISSING)
def test_cells_of_what_is_missing(missing: Any) -> None:
    assert text(missing) == number(missing) == p_value(missing) == size(missing) == Cell(NONE)
    assert interval(missing, missing) == Cell(NONE)


def test_cells_by_hand() -> None:
    assert number(1234.5, ",.0f") == Cell("1,234", 1234.5)
    assert number(3, "d") == Cell("3", 3)
    # Of −∞ there is none, and it is sorted as what it is.
    assert number(-math.inf) == Cell("none", -math.inf)
    assert number(0.25, "+.1f", factor=-100) == Cell("-25.0", 0.25)
    assert accuracy(0.62, 0.0173) == Cell("62.00 ± 1.73", 0.62)
    assert accuracy(0.62) == Cell("62.00", 0.62)
    assert interval(-1.5, 2.0) == Cell("-1.5 to +2", -1.5)
    assert p_value(0.03125) == Cell("0.031", 0.03125)
    assert text(True) == Cell("True", "True")
    assert text(np.int64(3)) == Cell("3", 3)
    assert size(999) == Cell("999 B", 999)
    assert [format_bytes(n) for n in (0, 999.6, 1000, 999_949, 1e6)] == [
        "0 B", "1,000 B", "1.0 kB", "999.9 kB", "1.0 MB",
    ]  # fmt: skip


# For programs


def test_csv_by_hand() -> None:
    runs = pd.DataFrame(
        {
            "name": pd.array(["a, b", None, 'c"d'], dtype="object"),
            "third": [1 / 3, math.nan, -math.inf],
            "whole": pd.array([1, None, 3], dtype="Int64"),
            "truth": pd.array([True, None, False], dtype="boolean"),
            "map": [{}, {"sparsity": 0.5}, {"a": None}],
            "list": [[0, 1, 2], (), ["x", None, 0.5]],
        }
    )
    before = runs.copy()
    assert csv_text(runs).splitlines() == [
        "name,third,whole,truth,map,list",
        '"a, b",0.3333333333333333,1,True,{},0 1 2',
        ',,,,"{""sparsity"": 0.5}",',
        '"c""d",-inf,3,False,"{""a"": null}",x  0.5',
    ]
    pd.testing.assert_frame_equal(runs, before)
    assert csv_text(pd.DataFrame({"a": []})) == "a\n"
