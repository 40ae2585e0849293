"""The tables of the test: those of the standard runs, to the letter."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gslt.conjecture.findings import Findings
from gslt.conjecture.protocol import Plan, read_runs
from gslt.conjecture.tables import TABLES

if TYPE_CHECKING:
    from pandas import DataFrame

TESTS = Path(__file__).parents[1]
STANDARD = TESTS.parent / "benchmarks" / "results" / "conjecture-standard"


class FromTable(Findings):
    """The committed table of runs, without their records."""

    @cached_property
    def runs(self) -> DataFrame:
        return read_runs(STANDARD / "runs.csv")

    @cached_property
    def names(self) -> dict[str, str]:
        return {name: name for name in self.runs["dataset"]}


@pytest.mark.slow
def test_tables_of_the_standard_runs_are_what_they_were() -> None:
    rates = json.loads((STANDARD / "verdict.json").read_text("utf-8"))["error_rates"]
    findings = FromTable(Plan(), [], "", rates)
    golden = {path.stem: path for path in (TESTS / "golden" / "conjecture").iterdir()}
    assert golden.keys() == TABLES.keys()
    for name, path in golden.items():
        assert TABLES[name](findings).markdown() == path.read_text("utf-8"), name
