"""The verdicts in a few lines of plain text, for a terminal."""

from __future__ import annotations

from gslt.conjecture.report.document import Findings
from gslt.conjecture.report.words import (
    accuracy_words,
    association_words,
    factor_words,
    meaning,
)
from gslt.conjecture.statistics.verdict import Verdict


def summary(findings: Findings) -> str:
    """Verdicts over all depths with their meaning, and a line for each depth below."""
    evidence = findings.evidence
    lines = []
    for family in evidence.families:
        (overall,) = (v for v in findings.overall if v.family == family)
        lines += [
            f"{evidence.family_name(family)}: {overall.label.upper()}",
            f"  {meaning(overall, evidence.plan.criteria)}",
        ]
        if association := findings.association(family):
            lines.append(f"  {accuracy_words(association)}")
            lines.append(f"  {association_words(association)}")
        rows = [("all depths", overall)]
        rows += [(f"{v.depths[0]} layers", v) for v in findings.places if v.family == family]
        cells = [_cells(name, verdict) for name, verdict in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines += [
            "  " + "  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip()
            for row in cells
        ]
        lines.append("")
    if evidence.partial:
        lines.append(f"Preliminary. {evidence.partial}")
    return "\n".join(lines).rstrip()


def _cells(name: str, verdict: Verdict) -> list[str]:
    effect = factor_words(verdict.effect, verdict.one_collapsed > 0)
    small = verdict.outcome == "no meaningful difference"
    p = verdict.decision.p_equivalence_holm if small else verdict.decision.p_holm
    return [name, verdict.label, f"quotient {effect}", f"p {p:.2g}"]
