"""The tables: every number of a known result, and those of the committed comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gslt.comparison.report import routes_frame, tables
from gslt.report.tables import Cell, Table

ROOT = Path(__file__).parents[2]


def test_tables_of_a_known_result(known_result: dict[str, Any]) -> None:
    lines = tables(known_result).splitlines()
    for line in (
        "| gin | a | float32 | 2.0e-06 | 1.0e-06 | 3.0e-06 | 4.0e-06 | 3 | 99.9990 % | yes |",
        "| gin | b | float32 | 4.0e-05 | 2.0e-05 | 6.0e-05 | 8.0e-05 | 3 | 99.9990 % | **NO** |",
        "| gin | 7 | 1,234 | b | 2.5e-01 | 2.50000 | 2.50000 | 87.5000 % | 100 % | no |",
        "| gin | 7 | 1,234 | 0.5000 (0.1250 + 0.2500) × 1.0 | 0.1250 (0.0312 + 0.0625) × 4.0 | "
        "absent |",
        "| gin | 7 | 1,234 | 40.0 MB ÷ 1.0 | 10.0 MB ÷ 4.0 | absent |",
        "| gin | 1 | 5 → 7 | 1.00 + 2.00 ms, 3.0 / 4.0 MB | 1.00 + 2.00 ms, 3.0 / 4.0 MB | "
        "absent |",
        "**Not the same ticket**: gin 7, 1,234 nodes: b. **Not all routes agree** with matrix "
        "algebra in double precision.",
        "c is absent: it is not installed.",
    ):
        assert line in lines, line
    assert any("took 1.6 times its fastest" in line for line in lines)
    assert any("G (synthetic): 1,234 nodes, 5,678 directed edges" in line for line in lines)


def test_rounding_of_float32_alone_is_told_as_such(known_result: dict[str, Any]) -> None:
    parities = [each["parity"] for each in known_result["settings"][0]["routes"].values()]
    for parity in parities:
        parity["float64"] = {**parity["float32"], "agrees": True}
    said = (
        "In float64 all routes agree with matrix algebra in double precision; in float32 b differ "
        "from it by up to 8.0e-05 of the largest entry, where 1e-05 counts as agreement."
    )
    assert said in tables(known_result)
    parities[0]["float64"]["agrees"] = False
    assert "**Not all routes agree**" in tables(known_result)


def test_tables_of_the_committed_comparison() -> None:
    """To the letter as they were before there was one frame of settings and routes."""
    result = json.loads((ROOT / "benchmarks/results/backends.json").read_text())
    expected = (ROOT / "tests/golden/compare/expected.md").read_text()
    assert tables(result) == expected


def test_rows_of_a_known_result(known_result: dict[str, Any]) -> None:
    rows = routes_frame(known_result).set_index("route")
    assert rows["missing"].to_dict() == {"a": "", "b": "", "c": "absent"}
    assert rows["peak"].tolist()[:2] == [40e6, 10e6]
    assert rows.loc["b", ["base_seconds", "base_peak"]].tolist() == [0.5, 40e6]
    assert rows.loc["b", "mask_agreement"] == [1.0, 0.875]


def test_tables_where_all_failed_on_the_largest_graph(known_result: dict[str, Any]) -> None:
    failed = {"a": "memory is full", "b": "memory is full, too"}
    known_result["settings"].append(
        {**known_result["settings"][0], "nodes": 9999, "failed": failed, "routes": {}}
    )
    lines = tables(known_result).splitlines()
    assert "Not measured, gin 7, 9,999 nodes: memory is full, too." in lines
    assert lines.count("| gin | 7 | 9,999 | failed | failed | absent |") == 2
    assert lines[-2] == "| architecture | layer | widths | a | b | c |"


def test_tables_without_memory(known_result: dict[str, Any]) -> None:
    for entry in known_result["settings"][0]["routes"].values():
        entry["memory"] = None
    lines = tables(known_result).splitlines()
    assert "| gin | 7 | 1,234 | not measured | not measured | absent |" in lines
    assert "| gin | 1 | 5 → 7 | 1.00 + 2.00 ms | 1.00 + 2.00 ms | absent |" in lines


def test_a_body_of_markdown() -> None:
    table = Table("", ("n", "route"), [[Cell("**1**"), Cell("a_b")]])
    assert table.body({"route"}, escape=False) == "| n | route |\n| ---: | --- |\n| **1** | a_b |"
    assert table.body() == "| n | route |\n| --- | ---: |\n| \\*\\*1\\*\\* | a\\_b |"
