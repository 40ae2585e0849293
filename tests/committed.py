"""The committed records, and the tables and words of the pages that quote them."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
#: README and the pages of the documentation, by name.
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
#: The same without line breaks.
WORDS = {name: " ".join(text.split()) for name, text in PAGES.items()}


def value(cell: Any) -> Any:
    """A cell as a number where it is one."""
    try:
        return float(cell)
    except ValueError:
        return cell


def committed(name: str) -> dict[str, Any]:
    """A record."""
    values: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return values


def table(page: str, heading: str) -> dict[str, list[str]]:
    """Cells of the table whose heading begins so, by the first cell of the row, without bold."""
    lines = iter(PAGES[page].splitlines())
    for line in lines:
        if line.startswith(heading):
            break
    rows = {}
    for line in lines:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip().strip("*") for cell in line.strip("|").split("|"))
        rows[name] = cells
    assert rows, f"{page} has no table {heading!r}"
    return {name: cells for name, cells in rows.items() if not name.startswith("---")}


def percent(values: list[float]) -> str:
    """Mean and unbiased standard deviation of fractions, in percent."""
    return f"{100 * statistics.mean(values):.2f} ± {100 * statistics.stdev(values):.2f}"
