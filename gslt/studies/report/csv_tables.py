"""Tables of a study for programs: CSV in full precision; accuracies and ratios are fractions."""

from __future__ import annotations

import json
from collections.abc import Sequence

from gslt.studies.report.formats import csv_text
from gslt.studies.report.provenance import hardware
from gslt.studies.report.rows import StudyResults
from gslt.studies.report.statistics import Comparison


def groups_csv(results: StudyResults) -> str:
    """Every group: means, unbiased standard deviations, the seeds and the hardware."""
    columns = list(dict.fromkeys(name for row in results.rows for name in row.values))
    measured = [name for name in columns if name not in ("seed", "identity")]
    lines = []
    for group in results.groups:
        records = [results.records[row.identity] for row in group.rows]
        line = {name: group.value(name) for name in measured}
        line |= {name: group.place(name) for name in group.axes}
        for name in ("test", "val"):
            line[f"{name}_std"] = group.std(f"{name}_accuracy")
        line |= {"n": group.n, "seeds": " ".join(str(row.seed) for row in group.rows)}
        lines.append({**line, "hardware": "; ".join(hardware(records))})
    return csv_text(lines)


def runs_csv(results: StudyResults) -> str:
    """Every run; sizes are bytes, times seconds."""
    return csv_text([row.values for row in results.rows])


def comparisons_csv(comparisons: Sequence[Comparison]) -> str:
    """Every comparison of test accuracies."""
    return csv_text(
        [
            {
                "first": each.first,
                "first_at": json.dumps(each.first_at),
                "second": each.second,
                "second_at": json.dumps(each.second_at),
                "difference": each.difference,
                "low": each.interval[0],
                "high": each.interval[1],
                "pairs": len(each.pairs),
                "p_pairs": each.by_pairs.p,
                "least_p_pairs": each.by_pairs.least,
                "seeds": each.seeds,
                "p_seeds": each.by_seeds.p,
                "least_p_seeds": each.by_seeds.least,
                "p_seeds_holm": each.p_holm,
                "shared_runs_left_out": each.shared,
            }
            for each in comparisons
        ]
    )
