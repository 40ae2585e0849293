"""Tables of the test for programs: CSV in full precision; accuracies are fractions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gslt.conjecture.report.document import Findings
from gslt.files import plain
from gslt.studies.report.formats import csv_text


def csv_files(findings: Findings) -> dict[str, str]:
    """Texts by the name of the file."""
    analysis = findings.analysis
    verdicts = [(True, each) for each in findings.overall]
    verdicts += [(False, each) for each in findings.places]
    return {
        "verdicts.csv": csv_text(
            [{"overall": all_, **flat(each.as_dict())} for all_, each in verdicts]
        ),
        "contrasts.csv": csv_text([flat(plain(each)) for each in analysis.contrasts]),
        "endpoints.csv": csv_text([flat(plain(each)) for each in findings.averages]),
        "associations.csv": csv_text([flat(plain(each)) for each in analysis.associations]),
        "what_if.csv": csv_text([flat(plain(each)) for each in findings.what_if]),
        "power.csv": csv_text([flat(plain(each)) for each in findings.power]),
        "runs.csv": runs_csv(findings),
    }


def runs_csv(findings: Findings) -> str:
    """Every run with its endpoints; a log quotient of ``-inf`` is a total collapse."""
    return csv_text(
        [
            {
                "dataset": run.dataset,
                "batch_norm": run.batch_norm,
                "depth": run.depth,
                "arm": run.arm,
                "freezing_ratio": run.freezing_ratio,
                "seed": run.seed,
                "identity": record.spec.identity,
                **run.endpoints,
                "seconds": record.measured["seconds"],
            }
            for run, record in findings.evidence.found
        ]
    )


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested values as one line: names joined by ``_``, lists of plain values by blanks."""
    line: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{before}{name}".replace(" ", "_")
        if isinstance(value, Mapping):
            line |= flat(value, f"{key}_")
        elif isinstance(value, list):
            line[key] = " ".join("" if each is None else str(each) for each in value).strip()
        else:
            line[key] = value
    return line
